// A host of one thread that has to do with the manhole all the time, so that signals find it in there.
//
//   caller COUNTERS HABIT
//
// COUNTERS is a file (counters.h); counts its rounds in word 0, prints `ready pid=N` after the first, and ends with status 0
// when the last word is set. Habits:
//
//   user   changes its user, to the same one
//   once   activates its manhole by SIGUSR1, stops itself, blocks the signals that can wake the manhole, lets them through
//          again, changes its user, and ends
//   depth  how much of an alternate stack handlers need: one of its own for SIGUSR1, and whoever has SIGUSR2; says
//          `depth own=N other=N` in bytes, and ends
#define _GNU_SOURCE
#include "counters.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 64 << 10 };
static unsigned char room[ROOM];

static void nothing(int number, siginfo_t *info, void *context) { (void)number, (void)info, (void)context; }

static int depth_of(int number) {
    int untouched = 0;
    memset(room, 0xa5, sizeof room);
    raise(number);
    while (untouched < ROOM && room[untouched] == 0xa5) untouched++;
    return ROOM - untouched;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    open_counters(argv[1]);
    if (!strcmp(argv[2], "depth")) {
        stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
        struct sigaction action = {.sa_sigaction = nothing, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        if (sigaltstack(&stack, NULL) || sigaction(SIGUSR1, &action, NULL)) return 3;
        int own = depth_of(SIGUSR1);
        printf("depth own=%d other=%d\n", own, depth_of(SIGUSR2));
        return 0;
    }
    if (!strcmp(argv[2], "once")) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGURG);
        sigaddset(&set, SIGWINCH);
        raise(SIGUSR1);
        raise(SIGSTOP);
        return sigprocmask(SIG_BLOCK, &set, NULL) || sigprocmask(SIG_UNBLOCK, &set, NULL) || setresuid(-1, -1, -1);
    }
    while (!counters[STOP]) {
        if (setresuid(-1, -1, -1)) return 4;
        if (!counters[0]++) {
            printf("ready pid=%d\n", getpid());
            fflush(stdout);
        }
    }
    return 0;
}
