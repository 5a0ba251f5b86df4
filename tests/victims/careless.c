// A host with functions that leave everything behind: a stack that is written over, a mask, a rounding mode, a lock, a thread that ends,
// a child that comes back.
//
//   careless FILE
//
// Creates FILE, which is removed at exit, blocks SIGABRT, prints `ready`, and obeys the lines of its standard input:
//
//   say       prints `said`
//   pending   prints `pending N`: whether SIGABRT waits for the process
//   vfork     a child of vfork gives SIGSEGV its default action, and ends; prints `vforked`
//   crash     reads where nothing is
//   handled   the same, with a handler that wants no other stack than the thread's own, on a thread that has another one, and that
//             leaps out of it; prints `handled on its own stack` or where else
//
// It ends with status 0 at the end of stdin. What is called from outside is below.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *file;
static volatile int length = 400, generation;

int touch(volatile char *address) { return *address; }
__attribute__((noinline)) int overwrite(void) {
    volatile char room[16];
    for (volatile char *at = room, *end = room + length; at < end; at++) *at = 'A';
    return room[3];
}
int block_all(void) {
    sigset_t set;
    sigfillset(&set);
    return pthread_sigmask(SIG_SETMASK, &set, NULL);
}
// Rounds down, and has an inexact result raise SIGFPE.
int round_down(void) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((__builtin_ia32_stmxcsr() | 0x2000) & ~0x1000u);
#endif
    return 0;
}
double third(double number) { return number / 3; }
int end_thread(void) { pthread_exit(NULL); }
int ask_and_touch(volatile char *address) {
    struct sigaction action;
    sigaction(SIGSEGV, NULL, &action);
    return action.sa_handler == SIG_DFL ? touch(address) : -1;
}
// The disposition is another one by then.
int set_and_touch(volatile char *address) {
    signal(SIGSEGV, SIG_DFL);
    return touch(address);
}
int branch(void) { return fork(); }
int doze(void) {
    int mine = generation;
    while (generation == mine) usleep(2000);
    return 1234;
}

static char other_stack[64 * 1024];
static sigjmp_buf before;
static volatile int is_elsewhere;

static void on_fault(int number) {
    char here;
    is_elsewhere = number && &here >= other_stack && &here < other_stack + sizeof other_stack;
    siglongjmp(before, 1);
}

static void handled(void) {
    stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof other_stack };
    sigaltstack(&stack, NULL);
    signal(SIGSEGV, on_fault);
    if (!sigsetjmp(before, 1)) touch((char *)8);
    signal(SIGSEGV, SIG_DFL);
    printf("handled on %s stack\n", is_elsewhere ? "the other" : "its own");
}

static void tidy(void) { unlink(file); }

int main(int argc, char **argv) {
    char line[64];
    sigset_t set;
    if (argc < 2 || !(file = argv[1])) return 2;
    FILE *stream = fopen(file, "w");
    if (!stream || fclose(stream) || atexit(tidy)) return 3;
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strncmp(line, "say", 3)) {
            printf("said\n");
        } else if (!strncmp(line, "pending", 7)) {
            sigpending(&set);
            printf("pending %d\n", sigismember(&set, SIGABRT));
        } else if (!strncmp(line, "vfork", 5)) {
            pid_t child = vfork();
            if (child == 0) {
                signal(SIGSEGV, SIG_DFL);
                _exit(0);
            }
            printf(waitpid(child, NULL, 0) == child ? "vforked\n" : "no child\n");
        } else if (!strncmp(line, "handled", 7)) {
            handled();
        } else if (!strncmp(line, "crash", 5)) {
            touch((char *)8);
        }
        fflush(stdout);
    }
    (void)third(1);
    return 0;
}
