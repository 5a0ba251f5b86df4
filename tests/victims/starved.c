// A process that is not dumpable, with a thread that waits on the CPU of its own, in a call that a signal ends for good: recv(2) with a limit of time. A second one waits after it
// on the first CPU.
//
//   starved CPU UID SIGNALS     the waiting thread stays on CPU, the main one on the first; SIGNALS is `all`: SIGURG and SIGWINCH are handled, or `none`
//
// Prints `ready pid=N`; then each line of stdin has a byte sent to the thread, which prints `received result=R errno=E` for whatever ends its call.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int ends[2];

static void stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void ignore(int signal) { (void)signal; }

static void *starved_wait(void *cpu) {
    stay_on(*(int *)cpu);
    for (;;) {
        char byte;
        errno = 0;
        ssize_t result = recv(ends[0], &byte, 1, 0);
        printf("received result=%zd errno=%d\n", result, errno);
    }
    return NULL;
}

static void *waits(void *unused) {
    for (;;) pause();
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int cpu = atoi(argv[1]), user = atoi(argv[2]);
    struct timeval limit = {60, 0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    stay_on(0);
    if (argv[3][0] == 'a' && (signal(SIGURG, ignore) == SIG_ERR || signal(SIGWINCH, ignore) == SIG_ERR)) return 6;
    if (setresgid(user, user, user) || setresuid(user, user, user) || prctl(PR_SET_DUMPABLE, 0)) return 3;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit)) return 4;
    pthread_t thread, other;
    pthread_create(&thread, NULL, starved_wait, &cpu);
    pthread_create(&other, NULL, waits, NULL);
    printf("ready pid=%d\n", getpid());
    char line[64];
    while (fgets(line, sizeof line, stdin))
        if (write(ends[1], "x", 1) != 1) return 5;
    return 0;
}
