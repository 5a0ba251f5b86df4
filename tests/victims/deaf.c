/* Threads that run and hear no signal that a program can block.
 *
 *   deaf threads     two threads that block all signals and count
 *   deaf both        as before, but they block nothing, and the program has handlers of its own for SIGURG and SIGWINCH
 *   deaf alone       the only thread blocks all signals and counts
 *   deaf briefly     two threads that count, and block every signal there is, the C library's own too, for 50 ms and not for 50 ms by turns
 *   deaf closed      two threads that block all signals and wait, in a process that is not dumpable
 *
 * Prints `ready pid=N`. A line `users` changes the user to what it is, on all threads, 100 times: `users wrong=N`. The end of the input ends it. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long counted;
static volatile sig_atomic_t heard;

__attribute__((noinline)) static void deaf_work(void)
{
    for (;;)
        counted++;
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

__attribute__((noinline)) static void deaf_wait(void)
{
    poll(NULL, 0, -1);
    __asm__ volatile("");
}

static void *deaf_waiter(void *unused)
{
    block_all();
    deaf_wait();
    return unused;
}

static void *deaf_thread(void *blocks)
{
    if (blocks)
        block_all();
    deaf_work();
    return NULL;
}

static double now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

__attribute__((noinline)) static void *deaf_by_turns(void *unused)
{
    for (unsigned long set = -1UL;; set = ~set) {
        /* The C library's function leaves its own signals out. */
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, sizeof set);
        for (double end = now() + 0.05; now() < end;)
            counted++;
    }
    return unused;
}

static void own(int number)
{
    heard = number;
}

int main(int count, char **arguments)
{
    char line[64];
    const char *how = count > 1 ? arguments[1] : "";
    int both = !strcmp(how, "both");
    int closed = !strcmp(how, "closed");
    int briefly = !strcmp(how, "briefly");
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (both) {
        signal(SIGURG, own);
        signal(SIGWINCH, own);
    }
    if (!strcmp(how, "alone")) {
        block_all();
        printf("ready pid=%d\n", getpid());
        deaf_work();
    }
    for (int n = 0; n < 2; n++) {
        pthread_t thread;
        pthread_create(&thread, NULL, closed ? deaf_waiter : briefly ? deaf_by_turns : deaf_thread, both ? NULL : line);
    }
    if (closed)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    printf("ready pid=%d\n", getpid());
    while (fgets(line, sizeof line, stdin)) {
        int wrong = 0;
        for (int n = 0; n < 100; n++)
            wrong += setreuid(getuid(), geteuid()) != 0;
        printf("users wrong=%d\n", wrong);
    }
    return 0;
}
