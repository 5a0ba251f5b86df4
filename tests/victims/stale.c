// Stacks that lead astray: system calls made inline in functions with frames of their own, over stacks that are full of
// stale copies of real frames. A guess from the stack's content gives complete, plausible, wrong stacks here.
//
//   stale       prints `ready pid=N threads=N` and ends at the end of stdin
//
// Build with and without -fno-omit-frame-pointer, at -O0 to -O3.
#define _GNU_SOURCE
#include <alloca.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FRAME __attribute__((noinline, noclone))
#if defined(__x86_64__)
static inline long call(long nr, long a, long b, long c, long d) {
    long r;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return r;
}
#else
static inline long call(long nr, long a, long b, long c, long d) { return syscall(nr, a, b, c, d); }
#endif
static int never[2], word;
static volatile int up;
static __thread int real;

// While the stack is being filled, a leaf returns at once and leaves its callers' frames behind on the stack.
static inline int arrive(void) {
    if (!real) return 0;
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    return 1;
}
FRAME static long in_read(long n) {
    char bytes[300];
    memset(bytes, (int)n, sizeof bytes);
    if (!arrive()) return bytes[n & 63];
    return call(SYS_read, never[0], (long)bytes, 200, 0) + bytes[n & 63];
}
FRAME static long in_alloca(long n) {
    char *bytes = alloca(n * 16 + 40);
    memset(bytes, 1, n * 16 + 40);
    __asm__ volatile("" ::"r"(bytes) : "memory");
    if (!arrive()) return bytes[3];
    return call(SYS_read, never[0], (long)bytes, 8, 0) + bytes[3];
}
FRAME static long in_large(long n) {
    char bytes[70000];
    bytes[n] = 1;
    __asm__ volatile("" ::"r"(bytes) : "memory");
    if (!arrive()) return bytes[n];
    return call(SYS_read, never[0], (long)bytes, 8, 0) + bytes[n];
}
FRAME static long in_futex(long n) {
    if (!arrive()) return n;
    return call(SYS_futex, (long)&word, FUTEX_WAIT_PRIVATE, 0, 0) + n;
}
FRAME static long in_sleep(long n) {
    struct timespec long_time = {1000000, 0}, left = {0, 0};
    if (!arrive()) return n;
    return call(SYS_nanosleep, (long)&long_time, (long)&left, 0, 0) + left.tv_sec;
}
FRAME static long in_switch(long n) {
    if (n % 3 == 0) return in_futex(n) + 1;
    char bytes[100];
    __asm__ volatile("" ::"r"(bytes) : "memory");
    return in_read(n) + bytes[3];
}
FRAME static long in_libc(long n) { // through libc's own wrapper
    if (!arrive()) return n;
    return pause() + n;
}
typedef long leaf(long);
static leaf *const leaves[] = {in_read, in_alloca, in_large, in_futex, in_sleep, in_switch, in_libc};
enum { LEAVES = sizeof leaves / sizeof *leaves };

FRAME static long small_frame(leaf *f, long n) {
    volatile char pad[40];
    pad[0] = 1;
    return f(n) + pad[0];
}
FRAME static long dynamic_frame(leaf *f, long n) {
    char *pad = alloca(n % 100 + 50);
    memset(pad, 0, 50);
    __asm__ volatile("" ::"r"(pad) : "memory");
    return small_frame(f, n) + pad[3];
}
FRAME static long recursive(int depth, leaf *f, long n) {
    if (depth == 0) return dynamic_frame(f, n);
    volatile char pad[24];
    pad[0] = (char)depth;
    return recursive(depth - 1, f, n) + pad[0];
}
static void *lead_astray(void *argument) {
    long n = (intptr_t)argument;
    for (int i = 0; i < LEAVES; i++)
        for (int depth = 1; depth < 14; depth++) recursive(depth, leaves[i], n);
    real = 1;
    return (void *)recursive(n / LEAVES % 6, leaves[n % LEAVES], n);
}

int main(void) {
    enum { THREADS = 6 * LEAVES };
    if (pipe(never)) return 3;
    for (intptr_t n = 0; n < THREADS; n++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, lead_astray, (void *)n)) return 3;
    }
    while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < THREADS) usleep(1000);
    printf("ready pid=%d threads=%d\n", getpid(), THREADS + 1);
    fflush(stdout);
    char line[64];
    while (read(0, line, sizeof line) > 0) {}
    _exit(0);
}
