// One thread in each kind of interruptible blocking call. Each counts its calls, EINTRs, short and spurious returns, and
// the longest overrun against what it asked for. A dump that disturbs nobody leaves every count at zero.
//
//   witness forever        every call blocks without a timeout: any return at all is a disturbance
//   witness timed MS       calls with a timeout wait MS milliseconds, over and over; calls without one are fed by a
//                          feeder thread every MS milliseconds, or block for ever when nothing can feed them
//
// Prints `ready pid=N threads=N`. At the end of stdin prints one `row` line per kind, then `end`, and exits. A row's `over_us` is its third
// longest overrun: a machine that stands still for a moment hits a call or two of a kind, a dump that disturbs hits most of them.
// A row's `slack_us` is the kernel's own granularity for this kind (timeouts counted in jiffies), no part of a disturbance.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Kinds whose wait is limited by a timeout in timed mode, and kinds that are fed or block for ever.
#define TIMED_KINDS(X)                                                                                                 \
    X(nanosleep) X(clock_nanosleep_relative) X(clock_nanosleep_absolute) X(poll) X(ppoll) X(select) X(pselect)         \
    X(epoll_wait) X(epoll_pwait) X(epoll_pwait2) X(futex_wait) X(futex_wait_bitset) X(sem_timedwait)                   \
    X(cond_timedwait) X(cond_clockwait) X(mutex_timedlock) X(semtimedop) X(sigtimedwait) X(recv_timeout)               \
    X(accept_timeout) X(send_timeout) X(mq_timedreceive) X(io_getevents) X(io_uring_enter) X(read_timerfd) X(usleep)
#define FED_KINDS(X)                                                                                                   \
    X(read_pipe) X(read_tty) X(read_inotify) X(read_eventfd) X(read_signalfd) X(sigwaitinfo) X(accept) X(recv)         \
    X(recv_waitall) X(recvmsg) X(readv_pipe) X(msgrcv) X(mq_receive) X(write_pipe_full) X(poll_fed) X(epoll_fed)       \
    X(futex_fed) X(sem_fed) X(cond_fed)
#define STUCK_KINDS(X)                                                                                                 \
    X(pause) X(sigsuspend) X(flock) X(fcntl_setlkw) X(fcntl_ofd_setlkw) X(waitpid) X(waitid) X(mutex_lock) X(semop)    \
    X(connect_backlog) X(open_fifo) X(ppoll_no_fds) X(select_no_fds) X(write_tty_stopped)
enum kind {
#define NAME(k) K_##k,
    TIMED_KINDS(NAME) FED_KINDS(NAME) STUCK_KINDS(NAME) KINDS
#undef NAME
};
static const struct { const char *name; int class; } kinds[] = {
#define TIMED(k) {#k, 't'},
#define FED(k) {#k, 'f'},
#define STUCK(k) {#k, 's'},
    TIMED_KINDS(TIMED) FED_KINDS(FED) STUCK_KINDS(STUCK)
};

struct row {
    enum kind kind;
    pid_t tid;
    long calls, eintr, early, spurious;
    long over_us[3]; // the longest first
    long asked_us, slack_us;
    int last_errno, unavailable;
    long last_result;
    // What the feeder needs to make the call return.
    int feed_fd, feed_fd2;
    int futex;
    sem_t sem;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    long fed, taken;
};
static struct row rows[KINDS];
static int timed;            // 0: forever
static long asked_ns;        // the length of a timed wait
static volatile int ready_count;
static char directory[] = "/tmp/witness-XXXXXX";
static pid_t child;
static int fed_queue;

static long long now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct timespec span(long long ns) { return (struct timespec){ns / 1000000000LL, ns % 1000000000LL}; }

static void check(long result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "witness: %s: %s\n", what, strerror(errno));
        _exit(3);
    }
}

// Judges one return. `right` says whether result and errno are what the call gives when nobody disturbs it.
static void judge(struct row *row, long long began, long result, int error, int right, int waits) {
    long long took = now_ns(CLOCK_MONOTONIC) - began;
    row->calls++;
    if (error == EINTR) row->eintr++;
    else if (!right) row->spurious++;
    else if (waits) {
        long over = (took - asked_ns) / 1000;
        if (over < -row->slack_us - 1) row->early++;
        for (int i = 0; i < 3; i++) {
            if (over <= row->over_us[i]) continue;
            long shorter = row->over_us[i];
            row->over_us[i] = over;
            over = shorter;
        }
    }
    if (error == EINTR || !right) {
        row->last_result = result;
        row->last_errno = error;
        if (row->calls > 1000) usleep(1000); // a call that fails at once must not burn a CPU
    }
}

// Repeats a call whose timeout ends it. In forever mode no return is right.
#define TIMED_LOOP(expr, expected)                                                                                     \
    for (;;) {                                                                                                         \
        long long began = now_ns(CLOCK_MONOTONIC); /* before the deadlines are set, so that none ends too early */     \
        prepare(row);                                                                                                  \
        errno = 0;                                                                                                     \
        long r = (long)(expr);                                                                                         \
        int e = r == EINTR ? EINTR : errno;                                                                            \
        judge(row, began, r, r < 0 || e == EINTR ? e : 0, timed && (expected), 1);                                     \
    }
// Repeats a call that something else makes return.
#define FED_LOOP(expr, expected)                                                                                       \
    for (;;) {                                                                                                         \
        long long began = now_ns(CLOCK_MONOTONIC);                                                                     \
        errno = 0;                                                                                                     \
        long r = (long)(expr);                                                                                         \
        int e = r == EINTR ? EINTR : errno;                                                                            \
        judge(row, began, r, r < 0 || e == EINTR ? e : 0, timed && (expected), 0);                                     \
    }
#define STUCK_LOOP(expr) FED_LOOP(expr, 0)

// Timeouts are made anew before each call, since some calls change them.
static __thread struct timespec rel, until_real, until_mono;
static __thread struct timeval tv;
static __thread int ms;
static void prepare(struct row *row) {
    rel = span(asked_ns);
    until_real = span(now_ns(CLOCK_REALTIME) + asked_ns);
    until_mono = span(now_ns(CLOCK_MONOTONIC) + asked_ns);
    tv = (struct timeval){asked_ns / 1000000000LL, asked_ns % 1000000000LL / 1000};
    ms = asked_ns / 1000000;
    row->asked_us = asked_ns / 1000;
    if (!timed) ms = -1;
}
#define REL (timed ? &rel : NULL)

static void stream_pair(int pair[2]) { check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair"); }
static void quiet_pipe(int ends[2]) { check(pipe2(ends, O_CLOEXEC), "pipe"); }

static int listening_socket(const char *name, int backlog) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s/%s", directory, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(fd, (void *)&at, sizeof at), "bind");
    check(listen(fd, backlog), "listen");
    return fd;
}
static int connect_to(const char *name, int *fd) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s/%s", directory, name);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(*fd, (void *)&at, sizeof at);
}
static int pseudo_terminal(int *master) {
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    check(*master, "posix_openpt");
    check(grantpt(*master), "grantpt");
    check(unlockpt(*master), "unlockpt");
    char name[64];
    check(ptsname_r(*master, name, sizeof name), "ptsname_r");
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    check(fd, "open pty");
    return fd;
}
static int temporary_file(const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(fd, "open");
    return fd;
}
static int queue(const char *what) {
    char name[64];
    snprintf(name, sizeof name, "/witness-%d-%s", getpid(), what);
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    int q = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
    check(q, "mq_open");
    mq_unlink(name);
    return q;
}
static long uring_enter(int ring, struct timespec *limit) {
    struct __kernel_timespec ts = {limit->tv_sec, limit->tv_nsec};
    struct io_uring_getevents_arg arg = {.ts = timed ? (unsigned long)&ts : 0};
    return syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
}
static long futex(int *word, int op, int value, struct timespec *limit) {
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, limit, NULL, FUTEX_BITSET_MATCH_ANY);
}

// What a feeder sends is numbered, so that a lost or doubled piece is seen.
static int numbered(struct row *row, long value) { return value == ++row->taken; }

static void *witness(void *argument) {
    struct row *row = argument;
    char name[16], bytes[512];
    snprintf(name, sizeof name, "%s", kinds[row->kind].name);
    prctl(PR_SET_NAME, name);
    row->tid = syscall(SYS_gettid);
    int pair[2], number, fd;
    long word;
    struct epoll_event event;
    struct sembuf take = {0, -1, 0};
    struct { long type; long number; } message;
    sigset_t mask, one;
    pthread_sigmask(SIG_SETMASK, NULL, &mask); // for the calls that set a mask of their own
    sigemptyset(&one);
    fd_set set;
    FD_ZERO(&set);
    prepare(row);
    __atomic_add_fetch(&ready_count, 1, __ATOMIC_SEQ_CST);
    switch (row->kind) {
    // Ended by a timeout.
    case K_nanosleep:
        TIMED_LOOP(({ struct timespec t = timed ? rel : span(1000000LL * 1000000000); nanosleep(&t, &t); }), r == 0)
    case K_usleep: TIMED_LOOP(usleep(timed ? asked_ns / 1000 : 4000000000u), r == 0)
    case K_clock_nanosleep_relative:
        TIMED_LOOP(({ struct timespec t = timed ? rel : span(1000000LL * 1000000000);
                      clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t); }), r == 0)
    case K_clock_nanosleep_absolute:
        TIMED_LOOP(({ if (!timed) until_mono.tv_sec += 1000000;
                      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until_mono, NULL); }), r == 0)
    case K_poll:
        quiet_pipe(pair);
        TIMED_LOOP(poll(&(struct pollfd){pair[0], POLLIN, 0}, 1, ms), r == 0)
    case K_ppoll:
        quiet_pipe(pair);
        TIMED_LOOP(ppoll(&(struct pollfd){pair[0], POLLIN, 0}, 1, REL, &mask), r == 0)
    case K_select:
        quiet_pipe(pair);
        TIMED_LOOP(({ FD_SET(pair[0], &set); select(pair[0] + 1, &set, NULL, NULL, timed ? &tv : NULL); }), r == 0)
    case K_pselect:
        quiet_pipe(pair);
        TIMED_LOOP(({ FD_SET(pair[0], &set); pselect(pair[0] + 1, &set, NULL, NULL, REL, &mask); }), r == 0)
    case K_epoll_wait: fd = epoll_create1(0); TIMED_LOOP(epoll_wait(fd, &event, 1, ms), r == 0)
    case K_epoll_pwait: fd = epoll_create1(0); TIMED_LOOP(epoll_pwait(fd, &event, 1, ms, &mask), r == 0)
    case K_epoll_pwait2:
        fd = epoll_create1(0);
        TIMED_LOOP(syscall(SYS_epoll_pwait2, fd, &event, 1, REL, NULL, 8), r == 0)
    case K_futex_wait: TIMED_LOOP(futex(&row->futex, FUTEX_WAIT, 0, REL), e == ETIMEDOUT)
    case K_futex_wait_bitset:
        TIMED_LOOP(futex(&row->futex, FUTEX_WAIT_BITSET, 0, timed ? &until_mono : NULL), e == ETIMEDOUT)
    case K_sem_timedwait:
        TIMED_LOOP(timed ? sem_timedwait(&row->sem, &until_real) : sem_wait(&row->sem), e == ETIMEDOUT)
    case K_cond_timedwait:
        pthread_mutex_lock(&row->mutex);
        TIMED_LOOP(timed ? pthread_cond_timedwait(&row->cond, &row->mutex, &until_real)
                         : pthread_cond_wait(&row->cond, &row->mutex), r == ETIMEDOUT)
    case K_cond_clockwait:
        pthread_mutex_lock(&row->mutex);
        TIMED_LOOP(timed ? pthread_cond_clockwait(&row->cond, &row->mutex, CLOCK_MONOTONIC, &until_mono)
                         : pthread_cond_wait(&row->cond, &row->mutex), r == ETIMEDOUT)
    case K_mutex_timedlock: // the main thread holds it
        TIMED_LOOP(timed ? pthread_mutex_timedlock(&row->mutex, &until_real) : pthread_mutex_lock(&row->mutex),
                   r == ETIMEDOUT)
    case K_semtimedop: TIMED_LOOP(semtimedop(row->feed_fd, &take, 1, REL), e == EAGAIN)
    case K_sigtimedwait:
        sigaddset(&one, SIGRTMIN + 9);
        TIMED_LOOP(sigtimedwait(&one, NULL, REL), e == EAGAIN)
    case K_recv_timeout:
        stream_pair(pair);
        if (timed) setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        TIMED_LOOP(recv(pair[0], bytes, 1, 0), e == EAGAIN)
    case K_accept_timeout:
        fd = listening_socket("accept_timeout", 1);
        if (timed) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        TIMED_LOOP(accept(fd, NULL, NULL), e == EAGAIN)
    case K_send_timeout:
        stream_pair(pair);
        while (send(pair[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0) {}
        while (send(pair[0], bytes, 1, MSG_DONTWAIT) > 0) {}
        if (timed) setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
        TIMED_LOOP(send(pair[0], bytes, sizeof bytes, 0), e == EAGAIN)
    case K_mq_timedreceive:
        fd = queue("timed");
        TIMED_LOOP(timed ? mq_timedreceive(fd, bytes, 64, NULL, &until_real) : mq_receive(fd, bytes, 64, NULL),
                   e == ETIMEDOUT)
    case K_io_getevents: {
        aio_context_t context = 0;
        struct io_event done;
        if (syscall(SYS_io_setup, 4, &context) < 0) { row->unavailable = 1; return NULL; }
        TIMED_LOOP(syscall(SYS_io_getevents, context, 1, 1, &done, REL), r == 0)
    }
    case K_io_uring_enter: {
        struct io_uring_params params = {0};
        fd = syscall(SYS_io_uring_setup, 4, &params);
        if (fd < 0) { row->unavailable = 1; return NULL; }
        TIMED_LOOP(uring_enter(fd, &rel), e == ETIME)
    }
    case K_read_timerfd:
        fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        TIMED_LOOP(({ struct itimerspec once = {.it_value = timed ? rel : span(0)};
                      timerfd_settime(fd, 0, &once, NULL); read(fd, &word, 8); }), r == 8 && word == 1)
    // Fed, or for ever.
    case K_read_pipe: FED_LOOP(read(row->feed_fd, &word, 8), r == 8 && numbered(row, word))
    case K_readv_pipe: {
        struct iovec parts[2] = {{&word, 4}, {(char *)&word + 4, 4}};
        FED_LOOP(readv(row->feed_fd, parts, 2), r == 8 && numbered(row, word))
    }
    case K_read_tty: FED_LOOP(read(row->feed_fd, bytes, sizeof bytes), r == 2 && bytes[0] == 'x')
    case K_read_inotify: FED_LOOP(read(row->feed_fd, bytes, sizeof bytes), r >= (long)sizeof(struct inotify_event))
    case K_read_eventfd: FED_LOOP(read(row->feed_fd, &word, 8), r == 8 && word >= 1)
    case K_read_signalfd:
        FED_LOOP(read(row->feed_fd, bytes, sizeof(struct signalfd_siginfo)), r == sizeof(struct signalfd_siginfo))
    case K_sigwaitinfo:
        sigaddset(&one, SIGRTMIN + 10);
        FED_LOOP(sigwaitinfo(&one, NULL), r == SIGRTMIN + 10)
    case K_accept: FED_LOOP(({ long got = accept(row->feed_fd, NULL, NULL); if (got >= 0) close(got); got; }), r >= 0)
    case K_recv: FED_LOOP(recv(row->feed_fd, &word, 8, 0), r == 8 && numbered(row, word))
    case K_recv_waitall: // fed in two halves: a signal between them makes the return short
        FED_LOOP(recv(row->feed_fd, bytes, 16, MSG_WAITALL), r == 16 && (row->taken += 2) == *(long *)(bytes + 8))
    case K_recvmsg: {
        struct iovec part = {&word, 8};
        struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
        FED_LOOP(recvmsg(row->feed_fd, &header, 0), r == 8 && numbered(row, word))
    }
    case K_msgrcv: FED_LOOP(msgrcv(fed_queue, &message, 8, 1, 0), r == 8 && numbered(row, message.number))
    case K_mq_receive: FED_LOOP(mq_receive(row->feed_fd, bytes, 64, NULL), r == 8 && numbered(row, *(long *)bytes))
    case K_write_pipe_full: { // drained slowly: a signal makes the return short
        static char much[150000];
        FED_LOOP(write(row->feed_fd2, much, sizeof much), r == sizeof much)
    }
    case K_poll_fed:
        FED_LOOP(({ long got = poll(&(struct pollfd){row->feed_fd, POLLIN, 0}, 1, -1);
                    if (got == 1) got = read(row->feed_fd, &word, 8); got; }), r == 8 && numbered(row, word))
    case K_epoll_fed:
        fd = epoll_create1(0);
        event.events = EPOLLIN;
        epoll_ctl(fd, EPOLL_CTL_ADD, row->feed_fd, &event);
        FED_LOOP(({ long got = epoll_wait(fd, &event, 1, -1);
                    if (got == 1) got = read(row->feed_fd, &word, 8); got; }), r == 8 && numbered(row, word))
    case K_futex_fed: // EAGAIN: fed between two waits
        FED_LOOP(({ long got = futex(&row->futex, FUTEX_WAIT, 0, NULL);
                    if (got == 0 || errno == EAGAIN) { got = __atomic_exchange_n(&row->futex, 0, __ATOMIC_SEQ_CST); errno = 0; }
                    got; }), r >= 1)
    case K_sem_fed: FED_LOOP(sem_wait(&row->sem), r == 0)
    case K_cond_fed:
        pthread_mutex_lock(&row->mutex);
        FED_LOOP(({ long got = 0; while (row->taken == row->fed && got == 0) got = pthread_cond_wait(&row->cond, &row->mutex);
                    row->taken = row->fed; got; }), r == 0)
    // For ever.
    case K_pause: STUCK_LOOP(pause())
    case K_sigsuspend: STUCK_LOOP(sigsuspend(&mask))
    case K_flock: fd = temporary_file("flock"); STUCK_LOOP(flock(fd, LOCK_EX))
    case K_fcntl_setlkw: { // the child holds it
        fd = temporary_file("setlkw");
        struct flock all = {.l_type = F_WRLCK};
        STUCK_LOOP(fcntl(fd, F_SETLKW, &all))
    }
    case K_fcntl_ofd_setlkw: {
        fd = temporary_file("ofd_setlkw");
        struct flock all = {.l_type = F_WRLCK};
        STUCK_LOOP(fcntl(fd, F_OFD_SETLKW, &all))
    }
    case K_waitpid: STUCK_LOOP(waitpid(child, &number, 0))
    case K_waitid: { siginfo_t info; STUCK_LOOP(waitid(P_PID, child, &info, WEXITED)) }
    case K_mutex_lock: STUCK_LOOP(pthread_mutex_lock(&row->mutex))
    case K_semop: STUCK_LOOP(semop(row->feed_fd, &take, 1))
    case K_connect_backlog:
        while (connect_to("backlog", &fd) == 0) { // fill it without blocking, then block
            if (fcntl(fd, F_GETFL) >= 0 && row->fed++ >= 1) break;
        }
        STUCK_LOOP(connect_to("backlog", &fd))
    case K_open_fifo: snprintf(bytes, sizeof bytes, "%s/fifo", directory); STUCK_LOOP(open(bytes, O_RDONLY))
    case K_ppoll_no_fds: STUCK_LOOP(ppoll(NULL, 0, NULL, NULL))
    case K_select_no_fds: STUCK_LOOP(select(0, NULL, NULL, NULL, NULL))
    case K_write_tty_stopped: STUCK_LOOP(write(row->feed_fd, "output that is stopped", 22))
    case KINDS: break;
    }
    return NULL;
}

// What each kind needs before its thread starts. Runs in the main thread.
static void furnish(struct row *row) {
    int pair[2];
    static int jiffy_us;
    if (!jiffy_us) jiffy_us = 2 * 10000; // two jiffies of the coarsest kernel: the finer ones only do better
    pthread_mutex_init(&row->mutex, NULL);
    pthread_cond_init(&row->cond, NULL);
    sem_init(&row->sem, 0, 0);
    switch (row->kind) {
    case K_mutex_timedlock: case K_mutex_lock: pthread_mutex_lock(&row->mutex); break;
    case K_semtimedop: case K_semop:
        check(row->feed_fd = semget(IPC_PRIVATE, 1, 0600), "semget");
        break;
    case K_recv_timeout: case K_accept_timeout: case K_send_timeout: row->slack_us = jiffy_us; break;
    case K_read_pipe: case K_readv_pipe: case K_poll_fed: case K_epoll_fed: case K_write_pipe_full:
        quiet_pipe(pair); row->feed_fd = pair[0]; row->feed_fd2 = pair[1]; break;
    case K_read_tty: row->feed_fd = pseudo_terminal(&row->feed_fd2); break;
    case K_write_tty_stopped:
        row->feed_fd = pseudo_terminal(&row->feed_fd2);
        check(ioctl(row->feed_fd, TCXONC, 0), "tcflow"); // as ^S does
        break;
    case K_read_inotify:
        row->feed_fd = inotify_init1(IN_CLOEXEC);
        row->feed_fd2 = temporary_file("watched");
        { char path[PATH_MAX]; snprintf(path, sizeof path, "%s/watched", directory);
          check(inotify_add_watch(row->feed_fd, path, IN_MODIFY), "inotify_add_watch"); }
        break;
    case K_read_eventfd: row->feed_fd = eventfd(0, EFD_CLOEXEC); break;
    case K_read_signalfd: {
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, SIGRTMIN + 11);
        check(row->feed_fd = signalfd(-1, &one, SFD_CLOEXEC), "signalfd");
        break;
    }
    case K_accept: row->feed_fd = listening_socket("accept", 4); break;
    case K_recv: case K_recv_waitall: case K_recvmsg:
        stream_pair(pair); row->feed_fd = pair[0]; row->feed_fd2 = pair[1]; break;
    case K_mq_receive: row->feed_fd = queue("fed"); break;
    case K_msgrcv: check(fed_queue = msgget(IPC_PRIVATE, 0600), "msgget"); break;
    case K_connect_backlog: listening_socket("backlog", 0); break;
    case K_open_fifo: {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/fifo", directory);
        check(mkfifo(path, 0600), "mkfifo");
        break;
    }
    default: break;
    }
}

static void send_number(int fd, long number) {
    if (write(fd, &number, 8) != 8) _exit(4);
}
// Makes each fed call return once every `asked_ns`.
static void *feeder(void *unused) {
    (void)unused;
    prctl(PR_SET_NAME, "feeder");
    static char drain[150000];
    for (long n = 1;; n++) {
        long long until = now_ns(CLOCK_MONOTONIC) + asked_ns;
        struct timespec at = span(until);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
        send_number(rows[K_read_pipe].feed_fd2, n);
        send_number(rows[K_readv_pipe].feed_fd2, n);
        send_number(rows[K_poll_fed].feed_fd2, n);
        send_number(rows[K_epoll_fed].feed_fd2, n);
        send_number(rows[K_recv].feed_fd2, n);
        send_number(rows[K_recvmsg].feed_fd2, n);
        send_number(rows[K_recv_waitall].feed_fd2, n);
        if (write(rows[K_read_tty].feed_fd2, "x\n", 2) != 2) _exit(4);
        { // the terminal's echo would fill its buffer
            struct pollfd echo = {rows[K_read_tty].feed_fd2, POLLIN, 0};
            if (poll(&echo, 1, 0) == 1 && read(echo.fd, drain, sizeof drain) < 0) _exit(4);
        }
        if (pwrite(rows[K_read_inotify].feed_fd2, "x", 1, 0) != 1) _exit(4);
        send_number(rows[K_read_eventfd].feed_fd, 1);
        kill(getpid(), SIGRTMIN + 11);
        kill(getpid(), SIGRTMIN + 10);
        int fd;
        if (connect_to("accept", &fd) == 0) close(fd);
        struct { long type; long number; } message = {1, n};
        msgsnd(fed_queue, &message, 8, 0);
        mq_send(rows[K_mq_receive].feed_fd, (char *)&n, 8, 0);
        if (read(rows[K_write_pipe_full].feed_fd, drain, 60000) < 0) _exit(4);
        __atomic_store_n(&rows[K_futex_fed].futex, 1, __ATOMIC_SEQ_CST);
        futex(&rows[K_futex_fed].futex, FUTEX_WAKE, 1, NULL);
        sem_post(&rows[K_sem_fed].sem);
        pthread_mutex_lock(&rows[K_cond_fed].mutex);
        rows[K_cond_fed].fed++;
        pthread_cond_signal(&rows[K_cond_fed].cond);
        pthread_mutex_unlock(&rows[K_cond_fed].mutex);
    }
    return NULL;
}

// Holds the file locks that the stuck kinds wait for. A raw clone, so that nobody's fork handlers take part.
static void lock_holder(void) {
    int told[2];
    quiet_pipe(told);
    int f = temporary_file("flock"), s = temporary_file("setlkw"), o = temporary_file("ofd_setlkw");
    child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    check(child, "clone");
    if (child == 0) {
        struct flock all = {.l_type = F_WRLCK};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (flock(f, LOCK_EX) < 0 || fcntl(s, F_SETLKW, &all) < 0 || fcntl(o, F_OFD_SETLKW, &all) < 0) _exit(1);
        if (write(told[1], "x", 1) != 1) _exit(1);
        for (int fd = 0; fd < 3; fd++) close(fd); // nobody waits for the end of our output because of it
        for (;;) pause();
    }
    char x;
    check(read(told[0], &x, 1) == 1 ? 0 : -1, "lock holder");
    close(o); // the child's open file description is the one that holds
    close(f);
}

int main(int argc, char **argv) {
    timed = argc > 2 && !strcmp(argv[1], "timed");
    asked_ns = timed ? atol(argv[2]) * 1000000L : 0;
    if (argc < 2 || (!timed && strcmp(argv[1], "forever"))) {
        fprintf(stderr, "usage: witness forever | timed MS\n");
        return 2;
    }
    sigset_t blocked; // the signals that signalfd, sigwaitinfo and sigtimedwait wait for
    sigemptyset(&blocked);
    for (int s = 9; s <= 11; s++) sigaddset(&blocked, SIGRTMIN + s);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    if (!mkdtemp(directory)) return 3;
    lock_holder();
    int threads = 0;
    for (int k = 0; k < KINDS; k++) {
        rows[k].kind = k;
        furnish(&rows[k]);
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    for (int k = 0; k < KINDS; k++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, witness, &rows[k])) return 3;
        threads++;
    }
    while (__atomic_load_n(&ready_count, __ATOMIC_SEQ_CST) < threads) usleep(1000);
    pthread_t thread;
    if (timed && pthread_create(&thread, &attributes, feeder, NULL)) return 3;
    printf("ready pid=%d threads=%d\n", getpid(), threads + 1 + timed);
    fflush(stdout);

    char line[256];
    while (read(0, line, sizeof line) > 0) {}
    for (int k = 0; k < KINDS; k++) {
        struct row *r = &rows[k];
        const char *class = kinds[k].class == 't' ? "timed" : kinds[k].class == 'f' ? "fed" : "stuck";
        printf("row kind=%s class=%s tid=%d calls=%ld eintr=%ld early=%ld spurious=%ld asked_us=%ld over_us=%ld "
               "slack_us=%ld last_result=%ld last_errno=%d unavailable=%d\n",
               kinds[k].name, class, r->tid, r->calls, r->eintr, r->early, r->spurious, r->asked_us, r->over_us[2],
               r->slack_us, r->last_result, r->last_errno, r->unavailable);
    }
    printf("end\n");
    fflush(stdout);
    kill(child, SIGKILL);
    semctl(rows[K_semtimedop].feed_fd, 0, IPC_RMID);
    semctl(rows[K_semop].feed_fd, 0, IPC_RMID);
    msgctl(fed_queue, IPC_RMID, NULL);
    const char *files[] = {"flock", "setlkw", "ofd_setlkw", "watched", "accept", "accept_timeout", "backlog", "fifo"};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
    _exit(0);
}
