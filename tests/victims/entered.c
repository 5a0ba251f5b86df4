//! A function that a call enters, or with an argument a jump from the function that was called: what the call has passed is then not its own.
#include <stdio.h>
#include <unistd.h>

volatile int sink;

/// Needs its parameters before it waits, and not after.
__attribute__((noipa)) int waits(int a, int b) {
    sink = a + b;
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return sink;
}

/// Its last call is a jump.
__attribute__((noipa)) int passes_on(int a, int b) {
    sink += a;
    return waits(a + 1, b * 2);
}

int main(int count, char **arguments) {
    (void)arguments;
    puts("ready");
    fflush(stdout);
    int result = count == 1 ? waits(3, 5) : passes_on(4, 6);
    return result != (count == 1 ? 8 : 17);
}
