// One blocking call in a process of one thread, timed, while somebody else interrupts it.
//
//   waits KIND MILLISECONDS [forked | closed | filtered]
//                                KIND: a row of one of the tables below; `forked`: a child makes the call; `closed`: in a process
//                                that is not dumpable; `filtered`: where restart_syscall(2) fails with EPERM
//   waits list timed|fed|endless prints the names of the rows
//
// Prints `ready pid=N`. At a line of stdin it prints `in` and makes the call; when that returns, it prints
// `done kind=K result=R errno=E right=0|1 took_us=T asked_us=A single=S`. `right` says that the call has returned what it
// returns when nobody interrupts it, `single` is __libc_single_threaded.
//
// timed kinds wait so many milliseconds; fed ones wait for one more byte of stdin; endless ones wait until the program's
// own SIGUSR1, whose handler has no SA_RESTART, makes them fail with EINTR.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long ms;
static int pair[2], fd, word, queue, ids;
static struct timespec rel, until_real, until_mono;
static struct timeval tv;
static struct epoll_event event;
static sigset_t mask, one;
static fd_set set;
static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static struct sembuf take = {0, -1, 0};
static char bytes[256];

static struct timespec after(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    long long ns = t.tv_sec * 1000000000LL + t.tv_nsec + ms * 1000000LL;
    return (struct timespec){ns / 1000000000LL, ns % 1000000000LL};
}
static int listening(void) { // at an abstract name of the kernel's choice
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s, (void *)&at, sizeof at.sun_family) || listen(s, 1)) _exit(3);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    return s;
}
static int receiving(int with_timeout) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) _exit(3);
    if (with_timeout) setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    return pair[0];
}
static int message_queue(void) {
    char name[64];
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
    snprintf(name, sizeof name, "/waits-%d", getpid());
    int q = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &attributes);
    mq_unlink(name);
    return q;
}
static int semaphores(void) { return semget(IPC_PRIVATE, 1, 0600); }
static int messages(void) { return msgget(IPC_PRIVATE, 0600); }
static int timer(void) {
    struct itimerspec once = {.it_value = rel};
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    return timerfd_settime(fd, 0, &once, NULL);
}
static int polling(int which) {
    fd = epoll_create1(EPOLL_CLOEXEC);
    event.events = EPOLLIN;
    return which < 0 ? 0 : epoll_ctl(fd, EPOLL_CTL_ADD, which, &event);
}
static int watched(int which) {
    FD_SET(which, &set);
    return 0;
}
static int piped(void) { return pipe(pair) || watched(pair[0]); }
static int locked_twice(void) { // two open files of one process exclude each other
    FILE *file = tmpfile();
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(file));
    fd = open(path, O_RDWR | O_CLOEXEC);
    return flock(fileno(file), LOCK_EX);
}
static long futex(int op, struct timespec *limit) {
    return syscall(SYS_futex, &word, op | FUTEX_PRIVATE_FLAG, 0, limit, NULL, FUTEX_BITSET_MATCH_ANY);
}

// name, what it needs, the call (r: its result, e: its error), what it gives undisturbed
#define TIMED(X)                                                                                                       \
    X(nanosleep, 0, nanosleep(&rel, NULL), r == 0)                                                                     \
    X(usleep, 0, usleep(ms * 1000), r == 0)                                                                            \
    X(clock_nanosleep, 0, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until_mono, NULL), r == 0)                  \
    X(poll, pipe(pair), poll(&(struct pollfd){pair[0], POLLIN, 0}, 1, ms), r == 0)                                     \
    X(ppoll, pipe(pair), ppoll(&(struct pollfd){pair[0], POLLIN, 0}, 1, &rel, &mask), r == 0)                          \
    X(select, piped(), select(pair[0] + 1, &set, NULL, NULL, &tv), r == 0)                                          \
    X(pselect, piped(), pselect(pair[0] + 1, &set, NULL, NULL, &rel, &mask), r == 0)                                \
    X(epoll_wait, polling(-1), epoll_wait(fd, &event, 1, ms), r == 0)                                                  \
    X(epoll_pwait, polling(-1), epoll_pwait(fd, &event, 1, ms, &mask), r == 0)                                         \
    X(futex_wait, 0, futex(FUTEX_WAIT, &rel), e == ETIMEDOUT)                                                          \
    X(futex_wait_bitset, 0, futex(FUTEX_WAIT_BITSET, &until_mono), e == ETIMEDOUT)                                     \
    X(sem_timedwait, sem_init(&semaphore, 0, 0), sem_timedwait(&semaphore, &until_real), e == ETIMEDOUT)               \
    X(cond_timedwait, pthread_mutex_lock(&mutex), pthread_cond_timedwait(&condition, &mutex, &until_real),             \
      r == ETIMEDOUT)                                                                                                  \
    X(sigtimedwait, 0, sigtimedwait(&one, NULL, &rel), e == EAGAIN)                                                    \
    X(recv_timeout, receiving(1), recv(pair[0], bytes, 1, 0), e == EAGAIN)                                             \
    X(accept_timeout, fd = listening(), accept(fd, NULL, NULL), e == EAGAIN)                                           \
    X(semtimedop, ids = semaphores(), semtimedop(ids, &take, 1, &rel), e == EAGAIN)                                    \
    X(mq_timedreceive, queue = message_queue(), mq_timedreceive(queue, bytes, 64, NULL, &until_real), e == ETIMEDOUT)  \
    X(read_timerfd, timer(), read(fd, bytes, 8), r == 8)
#define FED(X)                                                                                                         \
    X(read_pipe, 0, read(0, bytes, 1), r == 1)                                                                         \
    X(readv_pipe, 0, readv(0, &(struct iovec){bytes, 1}, 1), r == 1)                                                   \
    X(poll_pipe, 0, poll(&(struct pollfd){0, POLLIN, 0}, 1, -1), r == 1)                                               \
    X(select_pipe, watched(0), select(1, &set, NULL, NULL, NULL), r == 1)                                         \
    X(epoll_pipe, polling(0), epoll_wait(fd, &event, 1, -1), r == 1)
#define ENDLESS(X)                                                                                                     \
    X(pause, 0, pause(), e == EINTR)                                                                                   \
    X(sigsuspend, 0, sigsuspend(&mask), e == EINTR)                                                                    \
    X(flock, locked_twice(), flock(fd, LOCK_EX), e == EINTR)                                                           \
    X(sem_wait, sem_init(&semaphore, 0, 0), sem_wait(&semaphore), e == EINTR)                                          \
    X(msgrcv, ids = messages(), msgrcv(ids, bytes, 8, 1, 0), e == EINTR)                                               \
    X(recv, receiving(0), recv(pair[0], bytes, 1, 0), e == EINTR)                                                      \
    X(sigwaitinfo, 0, sigwaitinfo(&one, NULL), e == EINTR)                                                             \
    X(read_eventfd, fd = eventfd(0, EFD_CLOEXEC), read(fd, bytes, 8), e == EINTR)

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}
static void own_signal(int number) { (void)number; }

static int wait_once(const char *kind) {
    long r = 0;
    int e = 0, right = 0;
    long long began = 0, took = 0;
#define ROW(name, needs, call, expected)                                                                               \
    else if (!strcmp(kind, #name)) {                                                                                   \
        if ((long)(needs) == -1) { fprintf(stderr, "waits: %s: %s\n", kind, strerror(errno)); return 3; }              \
        if (write(1, "in\n", 3) != 3) return 3;                                                                        \
        rel = (struct timespec){ms / 1000, ms % 1000 * 1000000};                                                       \
        began = now_us(); /* before the deadlines are set, so that none ends too early */                              \
        until_real = after(CLOCK_REALTIME);                                                                            \
        until_mono = after(CLOCK_MONOTONIC);                                                                           \
        errno = 0;                                                                                                     \
        r = (long)(call);                                                                                              \
        e = errno;                                                                                                     \
        took = now_us() - began;                                                                                       \
        right = expected;                                                                                              \
    }
    if (!*kind) return 2;
    TIMED(ROW) FED(ROW) ENDLESS(ROW)
    else return 2;
    printf("done kind=%s result=%ld errno=%d right=%d took_us=%lld asked_us=%ld single=%d\n", kind, r, e, right, took,
           ms * 1000, __libc_single_threaded);
    fflush(stdout);
    return 0;
}

static void filter(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(3);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
#define NAME(name, needs, call, expected) puts(#name);
    if (!strcmp(argv[1], "list")) {
        if (*argv[2] == 't') { TIMED(NAME) }
        if (*argv[2] == 'f') { FED(NAME) }
        if (*argv[2] == 'e') { ENDLESS(NAME) }
        puts("end");
        return 0;
    }
    struct sigaction action = {.sa_handler = own_signal};
    sigaction(SIGUSR1, &action, NULL);
    ms = atol(argv[2]);
    rel = (struct timespec){ms / 1000, ms % 1000 * 1000000};
    tv = (struct timeval){ms / 1000, ms % 1000 * 1000};
    sigprocmask(SIG_SETMASK, NULL, &mask);
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 9);
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    while (read(0, bytes, 1) == 1)
        if (*bytes == '\n') {
            int status = 0;
            if (argc > 3 && !strcmp(argv[3], "closed")) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
            if (argc > 3 && !strcmp(argv[3], "filtered")) filter();
            pid_t child = argc > 3 && !strcmp(argv[3], "forked") ? fork() : 0;
            if (child) {
                waitpid(child, &status, 0);
                return WEXITSTATUS(status);
            }
            status = wait_once(argv[1]);
            if (status) return status;
            break;
        }
    while (read(0, bytes, sizeof bytes) > 0) {} // until the test has seen enough
    if (!strcmp(argv[1], "semtimedop")) semctl(ids, 0, IPC_RMID);
    if (!strcmp(argv[1], "msgrcv")) msgctl(ids, IPC_RMID, NULL);
    return 0;
}
