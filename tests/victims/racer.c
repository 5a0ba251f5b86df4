// The race of a dump: threads that run when they are looked at and block when the signal lands. Each thread alternates
// about 100 microseconds of computing with a wait of 0.4 to 1 ms, in one kind of call each.
//
//   racer [THREADS_PER_KIND]
//
// Prints `ready pid=N threads=N`. At the end of stdin prints one `row` line per thread, then `end`, and exits.
// `early` counts waits that ended more than 1 us too soon; `late` those more than 2 ms + 5 % too late (the scheduler of
// a busy machine causes some of these by itself: compare with a run without dumps).
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *names[] = {"nanosleep", "clock_nanosleep_relative", "clock_nanosleep_absolute", "futex_wait",
                              "futex_wait_bitset", "select", "pselect", "ppoll", "sigtimedwait", "poll", "epoll_wait",
                              "epoll_pwait2", "cond_timedwait"};
enum { KINDS = sizeof names / sizeof *names };
struct row {
    int kind;
    pid_t tid;
    long calls, eintr, early, late, spurious, max_over_us;
} __attribute__((aligned(128)));
static struct row *rows;
static volatile int up;

static long long now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((noinline)) static unsigned compute(unsigned seed) {
    long long until = now_ns(CLOCK_MONOTONIC) + 100000;
    while (now_ns(CLOCK_MONOTONIC) < until)
        for (int i = 0; i < 200; i++) seed = seed * 1664525 + 1013904223;
    return seed;
}

static void *race(void *argument) {
    struct row *row = argument;
    char name[16];
    snprintf(name, sizeof name, "%s", names[row->kind]);
    prctl(PR_SET_NAME, name);
    row->tid = syscall(SYS_gettid);
    unsigned seed = row->tid;
    int epoll = epoll_create1(EPOLL_CLOEXEC), word = 0;
    struct epoll_event event;
    sigset_t none;
    sigemptyset(&none);
    sigset_t one = none;
    sigaddset(&one, SIGRTMIN + 9);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        seed = compute(seed);
        long long asked = 400000 + seed % 600000; // ns
        if (row->kind == 9 || row->kind == 10) asked = 1000000; // whole milliseconds only
        struct timespec rel = {0, asked};
        struct timeval tv = {0, asked / 1000};
        if (row->kind == 5) asked = asked / 1000 * 1000;
        // One reading for deadline and judgement: between two of them the scheduler may take the processor away.
        clockid_t clock = row->kind == 12 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        long long began = now_ns(clock), until = began + asked;
        struct timespec deadline = {until / 1000000000, until % 1000000000};
        long r = 0;
        int right = 1;
        errno = 0;
        switch (row->kind) {
        case 0: r = nanosleep(&rel, NULL); right = r == 0; break;
        case 1: r = clock_nanosleep(CLOCK_MONOTONIC, 0, &rel, NULL); right = r == 0; break;
        case 2: r = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL); right = r == 0; break;
        case 3: r = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &rel); right = errno == ETIMEDOUT; break;
        case 4:
            r = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
            right = errno == ETIMEDOUT;
            break;
        case 5: r = select(0, NULL, NULL, NULL, &tv); right = r == 0; break;
        case 6: r = pselect(0, NULL, NULL, NULL, &rel, &none); right = r == 0; break;
        case 7: r = ppoll(NULL, 0, &rel, &none); right = r == 0; break;
        case 8: r = sigtimedwait(&one, NULL, &rel); right = r < 0 && errno == EAGAIN; break;
        case 9: r = poll(NULL, 0, 1); right = r == 0; break;
        case 10: r = epoll_wait(epoll, &event, 1, 1); right = r == 0; break;
        case 11: r = syscall(SYS_epoll_pwait2, epoll, &event, 1, &rel, NULL, 8); right = r == 0; break;
        case 12: r = pthread_cond_timedwait(&cond, &mutex, &deadline); right = r == ETIMEDOUT; break;
        }
        int interrupted = r == EINTR || (r < 0 && errno == EINTR);
        long long over = now_ns(clock) - until;
        row->calls++;
        if (interrupted) row->eintr++;
        else if (!right) row->spurious++;
        else {
            if (over < -1000) row->early++;
            if (over > 2000000 + asked / 20) row->late++;
            if (over / 1000 > row->max_over_us) row->max_over_us = over / 1000;
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    int each = argc > 1 ? atoi(argv[1]) : 1, threads = each * KINDS;
    rows = aligned_alloc(128, threads * sizeof *rows);
    memset(rows, 0, threads * sizeof *rows);
    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        rows[i].kind = i % KINDS;
        if (pthread_create(&thread, NULL, race, &rows[i])) return 3;
    }
    while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < threads) usleep(1000);
    printf("ready pid=%d threads=%d\n", getpid(), threads + 1);
    fflush(stdout);
    char line[64];
    while (read(0, line, sizeof line) > 0) {}
    for (int i = 0; i < threads; i++) {
        struct row *r = &rows[i];
        printf("row kind=%s tid=%d calls=%ld eintr=%ld early=%ld late=%ld spurious=%ld max_over_us=%ld\n",
               names[r->kind], r->tid, r->calls, r->eintr, r->early, r->late, r->spurious, r->max_over_us);
    }
    printf("end\n");
    fflush(stdout);
    _exit(0);
}
