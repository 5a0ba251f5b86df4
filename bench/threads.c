// The victim of the dumps: threads that are blocked fifteen frames deep, each in one of five calls.
//
//   threads COUNT [CPU]     CPU: one more thread spins there (spinner.c), and all others keep away from it
//
// Prints `ready threads=N levels=N`: how many threads there are, and how many frames of the functions level_* are in all stacks.
// A line on stdin is answered by `gap NANOSECONDS`, see spin_mark. Ends at the end of stdin.
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int spin_start(int cpu);
long spin_mark(void);

#define FRAME __attribute__((noinline, noclone, no_icf))
#define KEEP(value) __asm__ volatile("" : "+r"(value)) // no tail call

static pthread_mutex_t never_free = PTHREAD_MUTEX_INITIALIZER, quick = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never_told = PTHREAD_COND_INITIALIZER;
static int never_ready[2];
static atomic_int arrived;

static FRAME long wait_mutex(void) { return pthread_mutex_lock(&never_free); }
static FRAME long wait_condition(void)
{
    pthread_mutex_lock(&quick);
    long result = pthread_cond_wait(&never_told, &quick);
    KEEP(result);
    return result;
}
static FRAME long wait_time(void)
{
    struct timespec days = {1000000, 0};
    long failed = nanosleep(&days, NULL);
    KEEP(failed);
    return failed;
}
static FRAME long wait_pipe(void)
{
    char byte;
    long got = read(never_ready[0], &byte, 1);
    KEEP(got);
    return got;
}
static FRAME long wait_poll(void)
{
    struct pollfd one = {never_ready[0], POLLIN, 0};
    long got = poll(&one, 1, -1);
    KEEP(got);
    return got;
}

// The frames of the C library above each of them, as gdb counts without inlined ones.
static const struct { long (*wait)(void); int above; } kinds[] = {
    {wait_mutex, 3}, {wait_condition, 3}, {wait_time, 2}, {wait_pipe, 1}, {wait_poll, 1},
};

static FRAME long level_one(int kind, int more);
static FRAME long level_two(int kind, int more);
static FRAME long level_three(int kind, int more);
#define LEVEL(name, next)                                                  \
    static FRAME long name(int kind, int more)                             \
    {                                                                      \
        long result;                                                       \
        if (more > 0) {                                                    \
            result = next(kind, more - 1);                                 \
        } else {                                                           \
            arrived++;                                                     \
            result = kinds[kind].wait();                                   \
        }                                                                  \
        KEEP(result);                                                      \
        return result + 1;                                                 \
    }
LEVEL(level_one, level_two)
LEVEL(level_two, level_three)
LEVEL(level_three, level_one)

// clone3, start_thread and `work` are below the levels, `wait_*` and the C library's frames above them.
static int levels(int kind) { return 15 - 3 - 1 - kinds[kind].above; }

static void *work(void *argument)
{
    int kind = (int)(long)argument;
    long result = level_one(kind, levels(kind) - 1);
    KEEP(result);
    return (void *)result;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 10, cpu = argc > 2 ? atoi(argv[2]) : -1;
    if (pipe(never_ready))
        return 3;
    pthread_mutex_lock(&never_free);
    if (cpu >= 0) {
        cpu_set_t others;
        sched_getaffinity(0, sizeof others, &others);
        CPU_CLR(cpu, &others);
        if (sched_setaffinity(0, sizeof others, &others) || spin_start(cpu))
            return 4;
    }
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 << 10);
    long all_levels = 0;
    for (long n = 0; n < count; n++) {
        int kind = n % (sizeof kinds / sizeof *kinds);
        pthread_t thread;
        if (pthread_create(&thread, &small, work, (void *)(long)kind))
            return 5;
        all_levels += levels(kind);
    }
    while (arrived < count)
        usleep(1000);
    printf("ready threads=%d levels=%ld\n", count + 1 + (cpu >= 0), all_levels);
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        printf("gap %ld\n", cpu >= 0 ? spin_mark() : 0);
        fflush(stdout);
    }
    exit(0);
}
