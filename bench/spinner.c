// A thread that has a CPU for itself, reads the time stamp counter and keeps its longest gap: what a dump stops a running thread for.
// Compiled into threads.c, and as a shared library for a Python that is looked at.
//
//   spin_start(cpu)   0, or an errno; returns when the thread runs on that CPU
//   spin_mark()       the longest gap since the last mark, in nanoseconds; negative if the scheduler has taken the CPU away meanwhile
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

static atomic_ullong longest;
static atomic_int reset, thread_id;
static double cycles_per_ns;

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static void *spin(void *nothing)
{
    (void)nothing;
    // The counter against the clock, over 50 ms.
    double begin = now_ns();
    unsigned long long first = __rdtsc();
    while (now_ns() - begin < 50e6)
        ;
    cycles_per_ns = (__rdtsc() - first) / (now_ns() - begin);
    setpriority(PRIO_PROCESS, 0, -20); // if allowed; a real-time thread that never waits would be throttled
    thread_id = gettid();
    unsigned long long last = __rdtsc(), most = 0;
    for (;;) {
        unsigned long long here = __rdtsc();
        if (here - last > most) {
            most = here - last;
            atomic_store_explicit(&longest, most, memory_order_relaxed);
        }
        last = here;
        if (atomic_load_explicit(&reset, memory_order_relaxed)) {
            most = 0;
            atomic_store_explicit(&longest, 0, memory_order_relaxed);
            atomic_store_explicit(&reset, 0, memory_order_relaxed);
            last = __rdtsc();
        }
    }
    return NULL;
}

static long switches(void)
{
    char path[64], line[256];
    long count = -1;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", thread_id);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "nonvoluntary_ctxt_switches: %ld", &count);
    if (file)
        fclose(file);
    return count;
}

int spin_start(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, spin, NULL);
    if (error)
        return error;
    while (!thread_id)
        usleep(1000);
    return 0;
}

long spin_mark(void)
{
    static long before;
    long gap = longest / cycles_per_ns, after = switches();
    if (after != before)
        gap = -gap;
    before = after;
    reset = 1;
    while (reset)
        usleep(10);
    return gap;
}
