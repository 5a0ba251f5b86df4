// What a preload costs a program that is just running: loops that are bound by the CPU, by malloc, by stdio and by the reference
// counts of shared_ptr. The latter two are dearer once the C library knows of a second thread.
//
//   steady [thread]     thread: the program itself has a second thread, which waits
//
// Prints `NAME NANOSECONDS` of one step for each loop, the best of nine.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

template <typename Step> static void measure(const char *name, long steps, Step step)
{
    double best = 1e9;
    for (int turn = 0; turn < 9; turn++) {
        auto begin = std::chrono::steady_clock::now();
        for (long n = 0; n < steps; n++)
            step(n);
        std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
        best = std::min(best, took.count() / steps);
    }
    printf("%s %.3f\n", name, best);
}

int main(int argc, char **)
{
    static std::mutex never_free;
    if (argc > 1) {
        never_free.lock();
        std::thread([] { never_free.lock(); }).detach();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    unsigned long state = 1;
    measure("cpu", 4000000, [&](long) {
        state = state * 6364136223846793005UL + 1442695040888963407UL;
        asm volatile("" : "+r"(state));
    });
    void *kept[64] = {};
    measure("malloc", 2000000, [&](long n) {
        free(kept[n % 64]);
        kept[n % 64] = malloc(16 + n % 2048);
    });
    FILE *null = fopen("/dev/null", "w");
    if (!null)
        return 3;
    measure("putc", 4000000, [&](long n) { putc(static_cast<int>(n & 127), null); });
    measure("putc_unlocked", 4000000, [&](long n) { putc_unlocked(static_cast<int>(n & 127), null); });
    auto shared = std::make_shared<int>(1);
    measure("shared_ptr", 4000000, [&](long) {
        std::shared_ptr<int> copy = shared;
        asm volatile("" : : "r"(copy.get()) : "memory");
    });
    fflush(stdout);
    _Exit(0);
}
