// An optimized program with a pointer that is in no register and nowhere in memory (DWARF 5, 2.6.1.1.4).
//
// Prints `ready pid=N`, then waits in wait_here, which twice calls, which is inlined in work.
#include <stdio.h>
#include <unistd.h>

__attribute__((noinline)) static int wait_here(void) {
    char byte;
    return (int)read(0, &byte, 1);
}

static inline __attribute__((always_inline)) int twice(const int *number) {
    int before = *number;
    return wait_here() + before + *number;
}

__attribute__((noinline)) static int work(int start) {
    int local = start + 1;
    return twice(&local);
}

int main(int argc, char **argv) {
    (void)argv;
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    return work(argc) == 4 ? 0 : 1;
}
