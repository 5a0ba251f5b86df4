// A host that filters its own system calls, in all the ways that the C library offers. Prints `ready pid=N`, then waits for lines:
//
//   strict               prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT): `set=R errno=E`; the next line ends it by the bare exit
//   prctl HOW            a filter HOW, by prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER)
//   seccomp HOW          the same by syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER)
//   number HOW           the same by syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER)
//   bare HOW             the same by the bare instruction
//   all HOW              by syscall(SYS_seccomp) with SECCOMP_FILTER_FLAG_TSYNC: every thread
//
//     exact    kills for all calls but those that the rest of this program makes
//     spares   kills for reboot(2) alone
//     errors   gives EPERM for process_vm_readv(2) and ptrace(2), and lets all else through
//     waits    gives EPERM for ppoll(2), nanosleep(2) and clock_gettime(2), and lets all else through
//     later    kills for process_vm_readv(2) and rt_sigprocmask(2), and lets all else through
//     traps    raises SIGSYS for bind(2), whose handler answers EPERM, and lets all else through
//     argument kills for a clone(2) whose first argument is 12345
//     broken   a program that the kernel does not take: it ends without an answer
//     nothing  a null pointer for the program
//
//   fork         the child prints `child` and ends by _exit; then `forked status=S`
//   habits       uses what is interposed and harmless in any process: `habits`
//   execute      executes a program that is not there: `executed errno=E`
//   own          a thread sets the filter `spares` for itself alone, so that there is none for all any more: `own`
//   limit KIB    no more address space than now and so many KiB, or `limit none`: `limited`
//   pend WHOM    blocks SIGWINCH, has a thread run, and SIGWINCH wait at the `thread` that asks or at the `process`: `pending`
//   take         the signal that waits: `taken S`, S -1 for none
//   open         unblocks it: `open`
//   stop         lets goes_on() come to its end: `stopped`
//   exit         ends by exit(3), status 3
//   _exit        ends by _exit(2), status 4
//
// EOF ends it by exit(3), status 0.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)
#define FOR(number, action) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), ANSWER(action)
#define SPARED(number) FOR(number, SECCOMP_RET_ALLOW)

static struct sock_filter exact[] = {
    NUMBER,
    SPARED(SYS_read), SPARED(SYS_write), SPARED(SYS_exit), SPARED(SYS_exit_group), SPARED(SYS_rt_sigprocmask),
    SPARED(SYS_clone), SPARED(SYS_wait4), SPARED(SYS_set_robust_list), SPARED(SYS_gettid), SPARED(SYS_close), SPARED(SYS_dup2),
    SPARED(SYS_rt_sigaction), SPARED(SYS_futex), SPARED(SYS_clock_nanosleep),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
};
static struct sock_filter spares[] = {NUMBER, FOR(SYS_reboot, SECCOMP_RET_KILL_PROCESS), ANSWER(SECCOMP_RET_ALLOW)};
static struct sock_filter errors[] = {
    NUMBER,
    FOR(SYS_process_vm_readv, SECCOMP_RET_ERRNO | EPERM), FOR(SYS_ptrace, SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};
static struct sock_filter traps[] = {NUMBER, FOR(SYS_bind, SECCOMP_RET_TRAP), ANSWER(SECCOMP_RET_ALLOW)};
static struct sock_filter argument[] = {
    NUMBER,
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 12345, 0, 1),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    ANSWER(SECCOMP_RET_ALLOW),
};
static struct sock_filter broken[] = {NUMBER};
static struct sock_filter waits[] = {
    NUMBER,
    FOR(SYS_ppoll, SECCOMP_RET_ERRNO | EPERM), FOR(SYS_nanosleep, SECCOMP_RET_ERRNO | EPERM),
    FOR(SYS_clock_gettime, SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};
static struct sock_filter later[] = {
    NUMBER,
    FOR(SYS_process_vm_readv, SECCOMP_RET_KILL_PROCESS), FOR(SYS_rt_sigprocmask, SECCOMP_RET_KILL_PROCESS),
    ANSWER(SECCOMP_RET_ALLOW),
};

#define PROGRAM(of) {sizeof of / sizeof *of, of}
static struct { const char *name; struct sock_fprog program; } programs[] = {
    {"exact", PROGRAM(exact)}, {"spares", PROGRAM(spares)}, {"errors", PROGRAM(errors)},
    {"argument", PROGRAM(argument)}, {"broken", PROGRAM(broken)}, {"waits", PROGRAM(waits)}, {"later", PROGRAM(later)},
    {"traps", PROGRAM(traps)},
};

static void refuse(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -EPERM;
}

static long bare(long number, long first, long second, void *third) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(third) : "rcx", "r11", "memory");
    return result;
}

static void set(const char *way, const char *how) {
    struct sock_fprog *program = NULL;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (!strcmp(programs[i].name, how)) program = &programs[i].program;
    errno = 0;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long result = -2;
    if (!strcmp(way, "strict")) result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    if (!strcmp(way, "prctl")) result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
    if (!strcmp(way, "seccomp")) result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program);
    if (!strcmp(way, "number")) result = syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
    if (!strcmp(way, "bare")) result = bare(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program);
    if (!strcmp(way, "all")) result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, program);
    char line[64];
    int length = snprintf(line, sizeof line, "set=%ld errno=%d\n", result, errno);
    if (write(1, line, length) != length) syscall(SYS_exit, 9);
}

static void *rests(void *unused) {
    char byte;
    int ends[2];
    if (pipe(ends) == 0 && read(ends[0], &byte, 1) == 0) return unused;
    return NULL;
}

static void *filters_itself(void *unused) {
    set("prctl", "spares");
    return rests(unused);
}

static volatile int is_stopped;
int goes_on(void) {
    while (!is_stopped) {}
    return 42;
}

static void *runs(void *unused) {
    goes_on();
    return unused;
}

static void say(const char *text, int number) {
    char line[64];
    int length = snprintf(line, sizeof line, text, number);
    if (write(1, line, length) != length) _exit(9);
}

static void limit(const char *more) {
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    if (strcmp(more, "none")) {
        FILE *file = fopen("/proc/self/statm", "r");
        long pages;
        if (!file || fscanf(file, "%ld", &pages) != 1) _exit(9);
        fclose(file);
        limit.rlim_cur = pages * sysconf(_SC_PAGESIZE) + atol(more) * 1024;
    }
    if (setrlimit(RLIMIT_AS, &limit)) _exit(9);
    say("limited\n", 0);
}

static void ignore(int signal) { (void)signal; }

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IONBF, 0);
    struct sigaction trap = {.sa_sigaction = refuse, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &trap, NULL);
    pthread_t thread;
    if (count > 1 && !strcmp(arguments[1], "threads")) pthread_create(&thread, NULL, rests, NULL);
    printf("ready pid=%d\n", getpid());
    char line[128];
    sigset_t waiting;
    sigemptyset(&waiting);
    while (1) {
        size_t length = 0;
        while (length < sizeof line - 1) {
            ssize_t got = read(0, line + length, 1);
            if (got <= 0) exit(0);
            if (line[length] == '\n') break;
            length++;
        }
        line[length] = 0;
        char *how = strchr(line, ' ');
        if (how) *how++ = 0;
        if (!strcmp(line, "fork")) {
            pid_t child = fork();
            if (child == 0) {
                if (write(1, "child\n", 6) != 6) _exit(1);
                _exit(0);
            }
            int status = -1;
            waitpid(child, &status, 0);
            length = snprintf(line, sizeof line, "forked status=%d\n", status);
            if (write(1, line, length) < 0) _exit(9);
        } else if (!strcmp(line, "habits")) {
            sigset_t all, before;
            sigfillset(&all);
            pthread_sigmask(SIG_BLOCK, &all, &before);
            pthread_sigmask(SIG_SETMASK, &before, NULL);
            signal(SIGUSR1, ignore);
            signal(SIGURG, ignore);
            signal(SIGURG, SIG_DFL);
            dup2(2, 77);
            close(77);
            close(200);
            if (write(1, "habits\n", 7) != 7) _exit(9);
        } else if (!strcmp(line, "execute")) {
            execl("/nonexistent", "nonexistent", NULL);
            length = snprintf(line, sizeof line, "executed errno=%d\n", errno);
            if (write(1, line, length) < 0) _exit(9);
        } else if (!strcmp(line, "own")) {
            if (pthread_create(&thread, NULL, filters_itself, NULL)) _exit(9);
        } else if (!strcmp(line, "limit") && how) {
            limit(how);
        } else if (!strcmp(line, "pend") && how) {
            sigaddset(&waiting, SIGWINCH);
            pthread_sigmask(SIG_BLOCK, &waiting, NULL);
            if (pthread_create(&thread, NULL, runs, NULL)) _exit(9);
            if (!strcmp(how, "thread"))
                pthread_kill(pthread_self(), SIGWINCH);
            else
                kill(getpid(), SIGWINCH);
            say("pending\n", 0);
        } else if (!strcmp(line, "take")) {
            say("taken %d\n", sigtimedwait(&waiting, NULL, &(struct timespec){0}));
        } else if (!strcmp(line, "open")) {
            pthread_sigmask(SIG_UNBLOCK, &waiting, NULL);
            say("open\n", 0);
        } else if (!strcmp(line, "stop")) {
            is_stopped = 1;
            if (write(1, "stopped\n", 8) != 8) _exit(9);
        } else if (!strcmp(line, "exit")) {
            exit(3);
        } else if (!strcmp(line, "_exit")) {
            _exit(4);
        } else if (!strcmp(line, "leave")) {
            syscall(SYS_exit, 5);
        } else {
            set(line, how ? how : "nothing");
        }
    }
}
