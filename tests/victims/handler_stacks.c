// Looks on which stacks its handlers would run: each thread needs one of its own, whatever was forked before.
//
// Prints `ready pid=N`, then answers each line with `shared=N missing=M` (threads that have the stack of another one, and that have
// none), of four threads that exist at the same time:
//   here       in this process                   again      after manhole_install has replaced the manhole
//   fork       in a child                        fork-fork  in a grandchild
//   fork-thread  in a child that a second thread has forked
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4 };
static void *starts[THREADS];
static pthread_barrier_t all_here;
extern int manhole_install(const char *options) __attribute__((weak));

static void *own(void) {
    stack_t now;
    sigaltstack(NULL, &now);
    return now.ss_flags & SS_DISABLE ? NULL : now.ss_sp;
}

static void *look(void *place) {
    *(void **)place = own();
    pthread_barrier_wait(&all_here);
    return NULL;
}

static void compare(void) {
    pthread_t threads[THREADS];
    int shared = 0, missing = 0;
    pthread_barrier_init(&all_here, NULL, THREADS);
    for (int i = 1; i < THREADS; i++) pthread_create(&threads[i], NULL, look, &starts[i]);
    look(&starts[0]);
    for (int i = 1; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        missing += !starts[i];
        for (int j = 0; j < i; j++) shared += starts[i] && starts[i] == starts[j];
    }
    printf("shared=%d missing=%d\n", shared, missing);
    fflush(stdout);
}

static void in_child(int generations) {
    pid_t child = fork();
    if (!child) {
        if (generations > 1) in_child(generations - 1);
        else compare();
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void *fork_here(void *nothing) {
    in_child(1);
    return nothing;
}

int main(void) {
    char line[32];
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "again") && manhole_install("oneshot_on='SEGV', strict=False")) printf("no manhole: ");
        if (!strcmp(line, "here") || !strcmp(line, "again")) compare();
        if (!strcmp(line, "fork")) in_child(1);
        if (!strcmp(line, "fork-fork")) in_child(2);
        if (!strcmp(line, "fork-thread")) {
            pthread_t thread;
            pthread_create(&thread, NULL, fork_here, NULL);
            pthread_join(thread, NULL);
        }
    }
    return 0;
}
