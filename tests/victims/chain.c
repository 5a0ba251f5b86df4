// A process whose first thread has ended, and which lives in a chain of threads: each makes the next one and ends by the bare system call. Prints
// `ready pid=N`, and ends by exit(3) with status 9 at the end of stdin.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *link_of(void *unused) {
    char byte;
    if (read(0, &byte, 1) == 0) exit(9);
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 65536);
    // What the ended ones leave behind is never given back, so there is room for so many only.
    usleep(200);
    while (pthread_create(&thread, &attributes, link_of, NULL)) usleep(100);
    __asm__ volatile("syscall" : : "a"(SYS_exit), "D"(0));
    return unused;
}

int main(void) {
    if (fcntl(0, F_SETFL, O_NONBLOCK)) return 3;
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    link_of(NULL);
}
