// Two threads that wait, and a signal of the program's own for either, each time together with another one, which a preload handles.
//
//   ended_of_two COUNT
//
// Prints `ready pid=N`. At a line of stdin it forks a child of two threads that wait, and does the following COUNT times: it stops the
// child, sends it SIGUSR1 and SIGUSR2, and lets it continue. The thread that the kernel has SIGUSR1 handled by, with all signals blocked, sees SIGUSR2 wait, which the other thread may be
// about to take. SIGUSR2 is the program's own, and its handler has no SA_RESTART: it ends the read(2) of the thread that it runs on, and no
// other. Prints `heard=N without=N`: how often the handler has run, and how often a read has failed on whose thread it has not run.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile long *heard, *without, *other; // shared by both processes; the last is the other thread's number
static __thread volatile long own;
static int pipes[2];

static void hear(int signal) {
    (void)signal;
    own++;
    __atomic_add_fetch(heard, 1, __ATOMIC_SEQ_CST);
}

static void *wait_for_ever(void *is_other) {
    char byte;
    if (is_other) *other = gettid();
    for (;;) {
        long before = own;
        if (read(pipes[0], &byte, 1) != -1 || errno != EINTR) _exit(3);
        if (own == before) __atomic_add_fetch(without, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void await(const int *stats, char state) { // until both threads are in this state, which stands behind the name (proc_pid_stat(5))
    for (int i = 0; i < 2;) {
        char line[512] = "";
        if (pread(stats[i], line, sizeof line - 1, 0) <= 0) _exit(9);
        char *end = strrchr(line, ')');
        if (!end || end[2] == 'Z') _exit(9);
        if (end[2] == state) i++;
    }
}

static void send_all(pid_t child, long count) {
    int stats[2];
    while (!*other) {}
    for (int i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", child, i ? (int)*other : child);
        stats[i] = open(path, O_RDONLY);
    }
    for (long i = 0; i < count; i++) {
        await(stats, 'S');
        kill(child, SIGSTOP);
        await(stats, 'T');
        kill(child, SIGUSR1);
        kill(child, SIGUSR2);
        kill(child, SIGCONT);
        for (time_t began = time(NULL); *heard == i;)
            if (time(NULL) - began > 10) _exit(9);
    }
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1000;
    char line[16];
    heard = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    without = heard + 1, other = heard + 2;
    struct sigaction action = {.sa_handler = hear};
    sigaction(SIGUSR2, &action, NULL);
    if (heard == MAP_FAILED || pipe(pipes)) return 1;
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return 2;
    pid_t waiting = fork();
    if (waiting == 0) { // it waits, and this process sends and counts
        pthread_t thread;
        if (pthread_create(&thread, NULL, wait_for_ever, "")) return 1;
        wait_for_ever(NULL);
    }
    send_all(waiting, count);
    kill(waiting, SIGKILL);
    waitpid(waiting, NULL, 0);
    printf("heard=%ld without=%ld\n", *heard, *without);
    return 0;
}
