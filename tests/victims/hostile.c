// Hosts whose habits a preloaded agent meets sooner or later. Prints `ready pid=N`, then waits for `go` and does, by argument:
//
//   urgent       blocks SIGURG and takes 300 of them, sent to the process, by sigtimedwait: `got=N`
//   interrupted  200 times a handler that blocks everything interrupts a poll without a limit; in between the thread
//                computes, so that dumps find it running: `rounds=N lost=L` (lost: the poll did not end with EINTR)
//   forks        300 forks beside a spinning thread; each child looks at its SIGWINCH and SIGURG: `forks=N changed=C`
//   chained      saves the SIGWINCH handler that it finds, and calls it as a plain function: `calls=N`
//   pthread-mask  process-mask   blocks SIGURG, and lets the set that says so take what was blocked before: `blocked=B before=0`
//   locals       has 500 KB of static thread-local storage: `fine=1`
//
// EOF ends it.
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <stdlib.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef LOCALS
static __thread char large[500 * 1024];
#endif

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void burn(double seconds) {
    for (double end = now() + seconds; now() < end;) {}
}

static void urgent(void) {
    int got = 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 300; i++) {
        struct timespec limit = {2, 0};
        kill(getpid(), SIGURG);
        usleep(200);
        if (sigtimedwait(&set, NULL, &limit) != SIGURG) break;
        got++;
    }
    printf("got=%d\n", got);
}

static atomic_int polling, rounds, lost, over;

static void busy_handler(int signal) {
    (void)signal;
    burn(0.004); // the clock ticks in here, and what it raises has to wait for the end of the handler
}

static atomic_int poller_tid;

// What has only been noted may not have been done on a busy machine.
static int is_in_poll(void) {
    char path[64], call[16] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", poller_tid);
    FILE *file = fopen(path, "r");
    int is = file && fgets(call, sizeof call, file) && strtol(call, NULL, 10) == SYS_poll && isdigit(call[0]);
    if (file) fclose(file);
    return is;
}

static void *poller(void *nothing) {
    poller_tid = syscall(SYS_gettid);
    while (!over) {
        burn(0.002);
        polling = 1;
        int result = poll(NULL, 0, 3000);
        if (result != -1 || errno != EINTR) lost++;
        polling = 0;
        rounds++;
    }
    return nothing;
}

static void interrupted(void) {
    struct sigaction action = {.sa_handler = busy_handler};
    pthread_t thread;
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, poller, NULL);
    for (int i = 0; i < 200; i++) {
        int before = rounds;
        while (!polling || !is_in_poll()) usleep(50);
        pthread_kill(thread, SIGUSR1);
        while (rounds == before) usleep(100);
    }
    int counted = rounds, missed = lost;
    over = 1;
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    printf("rounds=%d lost=%d\n", counted, missed);
}

static void *spinner(void *nothing) {
    while (!over) {}
    return nothing;
}

static void forks(void) {
    pthread_t thread;
    int changed = 0;
    pthread_create(&thread, NULL, spinner, NULL);
    for (int i = 0; i < 300; i++) {
        pid_t child = fork();
        if (!child) {
            struct sigaction winch, urg;
            sigaction(SIGWINCH, NULL, &winch);
            sigaction(SIGURG, NULL, &urg);
            _exit(winch.sa_handler != SIG_DFL || urg.sa_handler != SIG_DFL);
        }
        int status;
        waitpid(child, &status, 0);
        changed += status != 0;
    }
    over = 1;
    pthread_join(thread, NULL);
    printf("forks=300 changed=%d\n", changed);
}

static void nothing_to_do(int signal) { (void)signal; }

static void chained(void) {
    int calls = 0;
    for (double end = now() + 3; now() < end;) {
        struct sigaction mine = {.sa_handler = nothing_to_do}, found;
        burn(0.002);
        sigaction(SIGWINCH, &mine, &found);
        if (found.sa_handler != SIG_DFL && found.sa_handler != SIG_IGN) {
            found.sa_handler(SIGWINCH);
            calls++;
        }
        sigaction(SIGWINCH, &found, NULL);
    }
    printf("calls=%d\n", calls);
}

static void mask(int (*change)(int, const sigset_t *, sigset_t *)) {
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    change(SIG_BLOCK, &set, &set);
    change(SIG_BLOCK, NULL, &now);
    printf("blocked=%d before=%d\n", sigismember(&now, SIGURG), sigismember(&set, SIGURG));
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    char line[16];
#ifdef LOCALS
    large[7] = 1;
#endif
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(what, "urgent")) urgent();
        else if (!strcmp(what, "interrupted")) interrupted();
        else if (!strcmp(what, "forks")) forks();
        else if (!strcmp(what, "chained")) chained();
        else if (!strcmp(what, "pthread-mask")) mask(pthread_sigmask);
        else if (!strcmp(what, "process-mask")) mask(sigprocmask);
        else printf("fine=1\n");
        fflush(stdout);
    }
    return 0;
}
