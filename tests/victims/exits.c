// Ends in the way that the argument names, once a line or the end of stdin arrives.
//
//   exits WAY [threads]     threads: three more threads are blocked meanwhile
//
//   exit  return  _exit  quick_exit  abort  segv  term  pthread_exit  exec  exit-in-thread  exit-in-atexit
//
// Prints `ready pid=N`; handlers print `atexit ran`, `destructor ran`, `quick ran`, the executed program `exec ran`.
// exit and its like end with status 4.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *way;
static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0) _exit(3);
}
static void at_exit(void) {
    say("atexit ran\n");
    if (!strcmp(way, "exit-in-atexit")) _exit(4);
}
static void quickly(void) { say("quick ran\n"); }
__attribute__((destructor)) static void destructor(void) { say("destructor ran\n"); }
static void *blocked(void *unused) {
    (void)unused;
    for (;;) pause();
    return NULL;
}
static void *exits(void *unused) {
    (void)unused;
    exit(4);
}
static void *exits_later(void *main_thread) {
    pthread_join(*(pthread_t *)main_thread, NULL);
    exit(4);
}

int main(int argc, char **argv) {
    way = argc > 1 ? argv[1] : "return";
    static pthread_t self, thread;
    self = pthread_self();
    atexit(at_exit);
    at_quick_exit(quickly);
    if (argc > 2)
        for (int i = 0; i < 3; i++)
            if (pthread_create(&thread, NULL, blocked, NULL)) return 3;
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    char byte;
    if (read(0, &byte, 1) < 0) return 3;
    if (!strcmp(way, "exit") || !strcmp(way, "exit-in-atexit")) exit(4);
    if (!strcmp(way, "_exit")) _exit(4);
    if (!strcmp(way, "quick_exit")) quick_exit(4);
    if (!strcmp(way, "abort")) abort();
    if (!strcmp(way, "segv")) raise(SIGSEGV);
    if (!strcmp(way, "term")) kill(getpid(), SIGTERM);
    if (!strcmp(way, "exec")) execlp("echo", "echo", "exec ran", (char *)NULL);
    if (!strcmp(way, "exit-in-thread")) {
        if (pthread_create(&thread, NULL, exits, NULL)) return 3;
        for (;;) pause();
    }
    if (!strcmp(way, "pthread_exit")) {
        if (pthread_create(&thread, NULL, exits_later, &self)) return 3;
        pthread_exit(NULL);
    }
    return 4;
}
