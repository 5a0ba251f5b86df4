// Units with classes of the same name, each its unit's own. Built of three: UNIT=1, UNIT=2, UNIT=3.
#include <cstdio>
#include <unistd.h>

#if UNIT == 1
// Declared and never defined: the others' is none of its.
namespace { struct Own { static int number, told; int first; }; int Own::told = 11; Own of_one{1}; }
int *two(), *three();
int main()
{
    std::printf("ready\n");
    std::fflush(stdout);
    char line[8];
    while (read(0, line, sizeof line) > 0) { }
    return of_one.first + Own::told + *two() + *three();
}
#elif UNIT == 2
namespace {
struct Own { static int number, told; int second; struct In { static inline int deep = 5; int d; } in; };
int Own::number = 22, Own::told = 23;
Own of_two{2, {3}};
}
int *two() { return of_two.second + Own::In::deep > 1 ? &Own::number : &Own::told; }
#else
namespace {
template <class T> struct Of { static T number; int third; };
template <class T> T Of<T>::number = 34;
struct Own { static int number, told; int third; };
int Own::number = 32;
Own of_three{3};
Of<int> of_own{3};
}
int *three() { return of_own.third + of_three.third > 1 ? &Own::number : &Of<int>::number; }
#endif
