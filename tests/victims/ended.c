// Waits that the program's own signal ends, each together with another signal, which a preload handles and which is to end none.
//
//   ended COUNT
//
// Prints `ready pid=N`. At a line of stdin a child does the following COUNT times, each time once the parent waits, in read(2), poll(2) and
// sem_wait(3) by turns: it stops the parent, sends it SIGUSR1 and SIGUSR2, and lets it continue. Of what has come meanwhile the kernel
// takes the lowest number first, so that SIGUSR2 waits while SIGUSR1 is handled, if that is done with all signals blocked. SIGUSR2 is the
// program's own, and its handler has no SA_RESTART: each ends one wait. Prints `ended=N of=COUNT last=KIND`, with N less than COUNT where a
// wait was not ended within ten seconds.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

static const char *const kinds[] = {"read", "poll", "sem_wait"};
static volatile long *ended;

static void heard(int signal) { (void)signal; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int is(int stat, char state) { // whether the parent is in this state, which stands behind its name (proc_pid_stat(5))
    char line[512] = "";
    if (pread(stat, line, sizeof line - 1, 0) <= 0) _exit(9);
    char *end = strrchr(line, ')');
    return end && end[2] == state;
}

static void send_all(pid_t parent, long count) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", parent);
    int stat = open(path, O_RDONLY);
    for (long i = 0; i < count; i++) {
        while (*ended != i || !is(stat, 'S')) {}
        kill(parent, SIGSTOP);
        while (!is(stat, 'T')) {}
        kill(parent, SIGUSR1);
        kill(parent, SIGUSR2);
        kill(parent, SIGCONT);
        for (double began = now(); *ended == i;)
            if (now() - began > 10) kill(parent, SIGKILL), _exit(9);
    }
    _exit(0);
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1000;
    int pipes[2];
    sem_t semaphore;
    struct sigaction action = {.sa_handler = heard};
    sigaction(SIGUSR2, &action, NULL);
    ended = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ended == MAP_FAILED || pipe(pipes) || sem_init(&semaphore, 0, 0)) return 1;
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    char line[16];
    if (!fgets(line, sizeof line, stdin)) return 2;
    pid_t reporter = fork();
    if (reporter > 0) { // the child waits, so that this process can tell what has become of it
        int status;
        waitpid(reporter, &status, 0);
        printf("ended=%ld of=%ld last=%s\n", *ended, count, kinds[*ended % 3]);
        return 0;
    }
    pid_t waiting = getpid();
    if (fork() == 0) send_all(waiting, count);
    struct pollfd one = {pipes[0], POLLIN, 0};
    while (*ended < count) {
        int result = *ended % 3 == 0 ? (int)read(pipes[0], line, 1) : *ended % 3 == 1 ? poll(&one, 1, -1) : sem_wait(&semaphore);
        if (result != -1 || errno != EINTR) return 3;
        ++*ended;
    }
    return 0;
}
