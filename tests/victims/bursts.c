// One thread that works in bursts of five milliseconds, in the allocator mostly, and rests for one millisecond between them.
//
// Prints `ready`, and ends with status 0 at the end of stdin.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

volatile long bursts;

int add(int a, int b) { return a + b; }

static void work(void) {
    void *kept[64] = { 0 };
    long start = now();
    for (unsigned n = 0; now() - start < 5000; n++) {
        free(kept[n % 64]);
        kept[n % 64] = malloc(16 + n * 7919 % 4000);
    }
    for (unsigned n = 0; n < 64; n++) free(kept[n]);
    bursts++;
}

int main(void) {
    char byte;
    struct pollfd input = { 0, POLLIN, 0 };
    puts("ready");
    fflush(stdout);
    for (;;) {
        work();
        if (poll(&input, 1, 1) > 0 && read(0, &byte, 1) <= 0) return 0;
    }
}
