// Ends while another of its threads lets the manhole look whether its socket is still there, over and over.
//
// The manhole is installed anew when the thread exists already, so that it listens without a thread of its own. Prints `ready pid=N`, then
// obeys one line: `exit` or `_exit`.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int manhole_install(const char *options) __attribute__((weak));
static pthread_barrier_t both;

static void *ask(void *nothing) {
    pthread_barrier_wait(&both);
    for (;;) pthread_kill(pthread_self(), SIGURG);
    return nothing;
}

int main(void) {
    pthread_t thread;
    char line[16];
    pthread_barrier_init(&both, NULL, 2);
    pthread_create(&thread, NULL, ask, NULL);
    int result = manhole_install("strict=False");
    pthread_barrier_wait(&both);
    printf("ready pid=%d result=%d\n", getpid(), result);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return 1;
    if (*line == '_') _exit(0);
    exit(0);
}
