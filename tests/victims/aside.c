// Threads that all do at once what only a process of one thread may, and are refused. Prints "ready", and after a line on standard input "done" with how many
// calls were refused.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

enum { THREADS = 8, ROUNDS = 60 };

static atomic_int refused;
static pthread_barrier_t together;

static void *asks(void *unused) {
    (void)unused;
    pthread_barrier_wait(&together);
    if (unshare(CLONE_NEWUSER) == -1 && errno == EINVAL)
        refused++;
    return NULL;
}

int main(void) {
    puts("ready");
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        refused = 0;
        for (int round = 0; round < ROUNDS; round++) {
            pthread_t threads[THREADS];
            pthread_barrier_init(&together, NULL, THREADS);
            for (int n = 0; n < THREADS; n++)
                pthread_create(&threads[n], NULL, asks, NULL);
            for (int n = 0; n < THREADS; n++)
                pthread_join(threads[n], NULL);
            pthread_barrier_destroy(&together);
        }
        printf("refused %d\n", refused);
        fflush(stdout);
    }
    return 0;
}
