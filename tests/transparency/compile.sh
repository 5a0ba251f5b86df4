# The compilers: many units at once, link-time optimization with its own jobs, errors; what they make is run. Runs in an empty directory.
for i in 1 2 3 4; do printf '#include <stdio.h>\nint f%s(int x) { return x * %s + 1; }\n' $i $i >unit$i.c; done
cat >main.c <<'A'
#include <pthread.h>
#include <stdio.h>
int f1(int), f2(int), f3(int), f4(int);
static void *run(void *x) { *(int *)x = f1(f2(f3(f4(*(int *)x)))); return x; }
int main(void) {
    pthread_t threads[8]; int values[8], sum = 0;
    for (int i = 0; i < 8; i++) { values[i] = i; pthread_create(&threads[i], 0, run, &values[i]); }
    for (int i = 0; i < 8; i++) { pthread_join(threads[i], 0); sum += values[i]; }
    printf("sum %d\n", sum);
    return 3;
}
A
cat >throws.cpp <<'A'
#include <future>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
template <int N> struct Sum { static constexpr int value = N + Sum<N - 1>::value; };
template <> struct Sum<0> { static constexpr int value = 0; };
int main() {
    std::map<std::string, int> words; std::vector<std::future<int>> jobs;
    for (int i = 0; i < 16; i++)
        jobs.push_back(std::async(std::launch::async, [i] { if (i % 3 == 0) throw std::runtime_error("job " + std::to_string(i)); return Sum<50>::value * i; }));
    for (auto &job : jobs) try { words[std::to_string(job.get())]++; } catch (const std::exception &e) { words[e.what()]++; }
    for (auto &[word, count] : words) std::cout << word << ' ' << count << '\n';
}
A
for i in 1 2 3 4; do gcc -O2 -c unit$i.c & done; wait; gcc -O2 -pthread -o plain main.c unit?.o && ./plain; echo "plain: $?"
gcc -O2 -flto=2 -pthread -pipe -o lto main.c unit?.c && ./lto; echo "lto: $?"
g++ -std=c++17 -O1 -pthread -o throws throws.cpp && ./throws; echo "throws: $?"
echo 'int main(void) { return undefined(); }' | gcc -xc - -o none 2>&1 | grep -c undefined
echo 'int main(void) { return }' | gcc -xc -c - -o none 2>&1 | head -n 1; gcc -c no-such-file.c 2>&1 | head -n 1
gcc -shared -fPIC -o libunit.so unit1.c; gcc -o uses main.c -L. -lunit unit2.c unit3.c unit4.c -Wl,-rpath,"$PWD" -pthread && ./uses; echo "uses: $?"
gcc -E -dM - </dev/null | sort | sha1sum; ar rcs all.a unit?.o; nm all.a | grep -c ' T '; strip -o stripped plain; ./stripped; objdump -d plain | grep -c '<f1>:'
rm -f *.o
