// No victim: runs a program and sends its first thread a signal at one of its system calls.
//
//   injector SIGNAL PROGRAM [ARGUMENT...]
//
// The program stops itself (SIGSTOP) where the calls begin to count. It is run over and over: the signal comes at the first
// stop at a system call, at the second, and so on (each call has two), until it ends before its turn. LD_PRELOAD and MANHOLE
// of the program are PRELOAD and OPTIONS here. Prints `runs=N hung=N failed=N first=N`, the last being the first bad run or -1.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OVER, FINE, HUNG, FAILED };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

// The next thing that happens to the child; -1 when that is nothing for five seconds.
static int next(pid_t child) {
    int status;
    for (double end = now() + 5; now() < end; usleep(20))
        if (waitpid(child, &status, WNOHANG) == child) return status;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

static int run(char **program, int signal, int turn) {
    pid_t child = fork();
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        setenv("LD_PRELOAD", getenv("PRELOAD"), 1);
        setenv("MANHOLE", getenv("OPTIONS"), 1);
        execv(*program, program);
        _exit(127);
    }
    int counts = 0, stops = 0, sent = 0;
    for (;;) {
        int status = next(child), pass = 0;
        if (status < 0) return HUNG;
        if (WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status))) return FAILED;
        if (WIFEXITED(status)) return sent ? FINE : OVER;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            if (counts && !sent && stops++ == turn) sent = !syscall(SYS_tgkill, child, child, signal);
        } else if (WSTOPSIG(status) == SIGSTOP) {
            counts = 1;
        } else if (WSTOPSIG(status) == SIGTRAP) {
            ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
        } else {
            pass = WSTOPSIG(status);
        }
        ptrace(counts && !sent ? PTRACE_SYSCALL : PTRACE_CONT, child, 0, pass);
    }
}

int main(int argc, char **argv) {
    int results[4] = {0}, first = -1, runs = 0, result;
    if (argc < 3 || !getenv("PRELOAD") || !getenv("OPTIONS")) return 2;
    while ((result = run(argv + 2, atoi(argv[1]), runs)) != OVER && results[HUNG] < 3) {
        if (result != FINE && first < 0) first = runs;
        results[result]++;
        runs++;
    }
    printf("runs=%d hung=%d failed=%d first=%d\n", runs, results[HUNG], results[FAILED], first);
    return 0;
}
