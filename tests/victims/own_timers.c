// The program's own timers (timer_create with SIGEV_THREAD_ID, handler without SA_RESTART) interrupt read, poll, pause
// and others. Each expiry that finds its thread blocked must give exactly one EINTR: whoever swallows one, by making the
// call go on, hangs programs that wait for it. The period is long against the loop, so each expiry finds it blocked.
//
//   own_timers [PERIOD_MS]
//
// Prints `ready pid=N threads=N`. At the end of stdin prints a `row` line per thread, then `end`, and exits.
// `missed` = handler runs that were not answered by an EINTR; `extra` = EINTRs without a handler run before them.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static const char *names[] = {"read", "poll", "pause", "epoll_wait", "select", "recv", "nanosleep", "sigsuspend", "ppoll"};
enum { KINDS = sizeof names / sizeof *names };
struct row {
    int kind;
    pid_t tid;
    volatile long handled;   // runs of the handler
    volatile int inside;     // between just before and just after the call
    volatile long outside;   // runs of the handler that cannot be said to have found it blocked
    long eintr, missed, extra, spurious;
} __attribute__((aligned(128)));
static struct row rows[KINDS];
static __thread struct row *mine;
static volatile int up;
static long period_ms = 7;

static void expired(int signal) {
    (void)signal;
    if (!mine) return;
    mine->handled++;
    if (!mine->inside) mine->outside++;
}

static void *blocked(void *argument) {
    struct row *row = argument;
    char name[16];
    snprintf(name, sizeof name, "%s", names[row->kind]);
    prctl(PR_SET_NAME, name);
    row->tid = syscall(SYS_gettid);
    mine = row;
    int ends[2], pair[2], epoll = epoll_create1(EPOLL_CLOEXEC);
    if (pipe(ends) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) _exit(3);
    struct epoll_event event;
    fd_set set;
    char byte;
    sigset_t none;
    sigemptyset(&none);
    struct sigevent notify = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    notify.sigev_notify_thread_id = row->tid;
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &notify, &timer)) _exit(3);
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        // One shot a turn: armed with room to be blocked by then, however slowly this thread is scheduled between;
        // a shot that still came too soon is seen by `handled` and left out.
        long before = row->handled;
        struct itimerspec shot = {.it_value = {0, period_ms * 1000000}};
        timer_settime(timer, 0, &shot, NULL);
        row->inside = 1;
        if (row->handled != before) { row->inside = 0; continue; }
        long r = -1;
        // The safety net: a swallowed EINTR must not hang the witness. Its length is far above the period.
        struct timespec net = {3, 0};
        struct timeval net_tv = {3, 0};
        FD_ZERO(&set);
        FD_SET(ends[0], &set);
        errno = 0;
        switch (row->kind) {
        case 0: r = read(ends[0], &byte, 1); break;
        case 1: r = poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, 3000); break;
        case 2: r = pause(); break;
        case 3: r = epoll_wait(epoll, &event, 1, 3000); break;
        case 4: r = select(ends[0] + 1, &set, NULL, NULL, &net_tv); break;
        case 5: r = recv(pair[0], &byte, 1, 0); break;
        case 6: r = nanosleep(&net, NULL); break;
        case 7: r = sigsuspend(&none); break;
        case 8: r = ppoll(NULL, 0, &net, &none); break;
        }
        int error = errno;
        row->inside = 0;
        if (r < 0 && error == EINTR) {
            row->eintr++;
            if (row->handled == before) row->extra++;
        } else if (row->handled > before) {
            row->missed++;
        } else {
            row->spurious++;
        }
    }
    return NULL;
}

// For the kinds that have no timeout of their own, a swallowed EINTR shows as a handler run that is long past while the
// thread is still inside its call.
static void find_hung(void) {
    long handled[KINDS];
    long answers[KINDS];
    for (int k = 0; k < KINDS; k++) { handled[k] = rows[k].handled; answers[k] = rows[k].eintr; }
    usleep(period_ms * 20 * 1000 + 300000);
    for (int k = 0; k < KINDS; k++)
        if (rows[k].handled == handled[k] && rows[k].eintr == answers[k] && rows[k].inside) rows[k].missed++;
}

int main(int argc, char **argv) {
    if (argc > 1) period_ms = atol(argv[1]);
    struct sigaction action = {.sa_handler = expired};
    sigaction(SIGALRM, &action, NULL);
    for (int k = 0; k < KINDS; k++) {
        pthread_t thread;
        rows[k].kind = k;
        if (pthread_create(&thread, NULL, blocked, &rows[k])) return 3;
    }
    while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < KINDS) usleep(1000);
    printf("ready pid=%d threads=%d\n", getpid(), KINDS + 1);
    fflush(stdout);
    char line[64];
    while (read(0, line, sizeof line) > 0) {}
    find_hung();
    for (int k = 0; k < KINDS; k++) {
        struct row *r = &rows[k];
        printf("row kind=%s tid=%d handled=%ld eintr=%ld missed=%ld extra=%ld spurious=%ld outside=%ld\n", names[k],
               r->tid, r->handled, r->eintr, r->missed, r->extra, r->spurious, r->outside);
    }
    printf("end\n");
    fflush(stdout);
    _exit(0);
}
