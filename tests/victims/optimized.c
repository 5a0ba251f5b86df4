//! What optimizers and linkers leave of a program: functions that are called in another way than they are declared, and what is discarded.
#include <stdio.h>
#include <unistd.h>

struct large { long a, b, c; };

volatile int sink;
int kept = 7;
int discarded[4] = {1, 2, 3, 4};

int discarded_too(int a) {
    static int inside = 5;
    return inside += a + discarded[a & 3];
}

/// The second and the third are always the same.
static __attribute__((noinline)) int scaled(int a, int b, int c) {
    sink += a;
    return a * b + c;
}

/// Gets the one member that it uses, and not the address.
static __attribute__((noinline)) long through(const struct large *large, int by) {
    sink += by;
    return large->b + by;
}

__attribute__((noinline)) int as_declared(int a, int b) {
    sink += a;
    return a - b;
}

int main(int count, char **arguments) {
    (void)arguments;
    struct large large = {count, count + 1, count + 2};
    int s = count + 41;
    sink = scaled(count, 7, 9) + through(&large, count) + as_declared(count, 2);
    sink += scaled(count + 1, 7, 9) + through(&large, 3) + kept;
    puts("ready");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return scaled(sink, 7, 9) + through(&large, sink) == s - 1000;
}
