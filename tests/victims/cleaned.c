/* Threads that are cancelled while a signal has them on the way back into a sleep: each has something to clean up.
 *
 *   cleaned COUNT     prints `cancelled=N cleaned=N` */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile long cleaned;
static volatile int is_in;

static void clean(int *unused)
{
    (void)unused;
    cleaned++;
}

static void *run(void *unused)
{
    int owned __attribute__((cleanup(clean))) = 0;
    struct timespec time = {0, 50000000};
    (void)owned;
    is_in = 1;
    for (;;)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
    return unused;
}

int main(int count, char **arguments)
{
    int times = count > 1 ? atoi(arguments[1]) : 1;
    unsigned seed = 1;
    for (int n = 0; n < times; n++) {
        struct timespec moment = {0, 60000};
        pthread_t thread;
        is_in = 0;
        pthread_create(&thread, NULL, run, NULL);
        while (!is_in)
            sched_yield();
        nanosleep(&moment, NULL);
        pthread_kill(thread, SIGUSR2);
        for (volatile int turns = rand_r(&seed) % 6000; turns > 0; turns--) {}
        if (rand_r(&seed) & 1)
            pthread_kill(thread, SIGUSR2);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    printf("cancelled=%d cleaned=%ld\n", times, cleaned);
    return 0;
}
