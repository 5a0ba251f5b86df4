// A host of many threads, each at rest in a call of its own kind, so that calls can be made on a thread of one's choice.
//
//   visited
//
// Prints `ready pid=N` when all threads rest. Each thread has a kind, a thread-local `mine` and an errno of 1000 + the number of its kind. A line
// of stdin:
//
//   end KIND   lets the thread's call come to its end; answers `ended KIND result=R errno=E mine=M stack=S took_ms=T`: the errno is the one before the call
//              when that has not failed; stack is 1 where the thread has the alternate stack that it has given itself, 0 where it has none
//   sleep      a thread sleeps for 1500 ms; answers `sleeps`, and later `ended nanosleep ...`
//   alarm      SIGUSR1 for the process: every thread but `signalled` blocks it; answers `sent`. `signalled` then ends: its read has failed, or not
//   tell       what the functions below have noted: `noted calls=N last=TID stack=S`, that of the main thread
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ, POLL, EPOLL, FUTEX, STREAM, SMALL, ALTERNATE, SIGNALLED, BLOCKING, SPIN, NANOSLEEP, KINDS };
static const char *const names[KINDS] = {"read", "poll", "epoll", "futex", "stream", "small", "alternate", "signalled", "blocking", "spin", "nanosleep"};

static struct seat { int pipe[2]; pthread_t self; int tid; int woken; pthread_mutex_t mutex; pthread_cond_t condition; } seats[KINDS];
static volatile int spins = 1;
static __thread int mine;

volatile int generation, noted_calls, noted_last;

// What is called.
int whose(void) { return mine; }
unsigned long myself(void) { return pthread_self(); }
int kernel_id(void) { return syscall(SYS_gettid); }
int note(int value) { noted_calls++, noted_last = kernel_id(); return value + 1; }
int spoil_errno(void) { errno = 5; return close(-1); }
int touch(const char *at) { return *(volatile const char *)at; }
int dive(int depth) { volatile char room[4096]; room[depth % 4096] = 1; return depth < 1 << 30 ? dive(depth + 1) + room[0] : 0; }
int deep(void) { volatile char room[100000]; memset((void *)room, 1, sizeof room); return room[99999]; }
double halved(double value) { return value / 2; }
int doze(void) { int before = generation; while (generation == before) usleep(1000); return 7; }
int burn(void) { int before = generation; while (generation == before) continue; return 8; }
int say(const char *text) { return printf("%s\n", text); }
unsigned long stack_pointer(void) { volatile int here = 0; return (unsigned long)&here; }
int fork_here(void) {
    int status = 0, child = fork();
    if (!child) return 0; // back to whoever has called
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? 100 + WEXITSTATUS(status) : -1;
}
int blocks_usr1(void) { sigset_t set; pthread_sigmask(SIG_BLOCK, NULL, &set); return sigismember(&set, SIGUSR1); }
void leave_thread(void) { pthread_exit(NULL); }

static void own_signal(int number) { (void)number; }

static __thread stack_t given = {.ss_flags = SS_DISABLE};
// 1 for the one that was given, 0 for none, -1 for somebody else's.
static int alternate(void) {
    stack_t stack;
    sigaltstack(NULL, &stack);
    return stack.ss_flags & SS_DISABLE ? 0 : stack.ss_sp == given.ss_sp && stack.ss_size == given.ss_size ? 1 : -1;
}

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *live(void *argument) {
    int kind = (int)(long)argument;
    struct seat *seat = &seats[kind];
    char byte;
    long result = -1, began = now_ms();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (kind == BLOCKING) sigaddset(&set, SIGWINCH), sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (kind == SIGNALLED) pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (kind == ALTERNATE) {
        given = (stack_t){.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
        sigaltstack(&given, NULL);
    }
    seat->self = pthread_self();
    seat->tid = kernel_id();
    mine = 1000 + kind;
    errno = 1000 + kind;
    switch (kind) {
    case POLL: result = poll(&(struct pollfd){seat->pipe[0], POLLIN, 0}, 1, -1); break;
    case EPOLL: {
        int fd = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN};
        epoll_ctl(fd, EPOLL_CTL_ADD, seat->pipe[0], &event);
        errno = 1000 + kind;
        result = epoll_wait(fd, &event, 1, -1);
        break;
    }
    case FUTEX:
        pthread_mutex_lock(&seat->mutex);
        while (!seat->woken) result = pthread_cond_wait(&seat->condition, &seat->mutex);
        pthread_mutex_unlock(&seat->mutex);
        break;
    case STREAM: {
        FILE *stream = fdopen(seat->pipe[0], "r");
        errno = 1000 + kind;
        result = fgetc(stream) == 'x';
        break;
    }
    case NANOSLEEP: result = nanosleep(&(struct timespec){1, 500000000}, NULL); break;
    case SPIN: while (spins) result = 1; break;
    default: result = read(seat->pipe[0], &byte, 1);
    }
    int error = errno;
    printf("ended %s result=%ld errno=%d mine=%d stack=%d took_ms=%ld\n", names[kind], result, error, mine, alternate(), now_ms() - began);
    fflush(stdout);
    return NULL;
}

static void start(int kind) {
    pthread_t id;
    pthread_attr_t attributes;
    struct seat *seat = &seats[kind];
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (kind == SMALL) pthread_attr_setstacksize(&attributes, 64 << 10);
    if (pipe(seat->pipe) || pthread_mutex_init(&seat->mutex, NULL) || pthread_cond_init(&seat->condition, NULL)) exit(3);
    if (pthread_create(&id, &attributes, live, (void *)(long)kind)) exit(4);
}

// Whether the thread waits in the kernel (proc_pid_stat(5)).
static int rests(int tid) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    char *end = n ? strrchr(text, ')') : NULL;
    return end && end[2] == 'S';
}

int main(void) {
    char line[128], word[64];
    struct sigaction action = {.sa_handler = own_signal};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (int kind = 0; kind < NANOSLEEP; kind++) start(kind);
    for (int kind = 0; kind < NANOSLEEP; kind++)
        while (!seats[kind].tid || (kind != SPIN && !rests(seats[kind].tid))) usleep(1000);
    printf("ready pid=%d", getpid());
    for (int kind = 0; kind < NANOSLEEP; kind++) printf(" %s=%d %s_self=%lu", names[kind], seats[kind].tid, names[kind], seats[kind].self);
    printf("\n");
    fflush(stdout);
    for (size_t length = 0;;) {
        ssize_t n = read(0, line + length, 1); // not by stdio: main rests in a call that may be visited too
        if (n <= 0) break;
        if (line[length] != '\n') { length += length < sizeof line - 2; continue; }
        line[length + 1] = 0, length = 0;
        if (sscanf(line, "end %63s", word) == 1) {
            for (int kind = 0; kind < KINDS; kind++)
                if (!strcmp(word, names[kind])) {
                    struct seat *seat = &seats[kind];
                    if (kind == SPIN) spins = 0;
                    pthread_mutex_lock(&seat->mutex);
                    seat->woken = 1;
                    pthread_cond_signal(&seat->condition);
                    pthread_mutex_unlock(&seat->mutex);
                    if (write(seat->pipe[1], "x", 1) != 1) exit(5);
                }
            continue; // the thread answers
        }
        if (!strncmp(line, "sleep", 5)) {
            start(NANOSLEEP);
            while (!seats[NANOSLEEP].tid || !rests(seats[NANOSLEEP].tid)) usleep(1000);
            printf("sleeps nanosleep=%d\n", seats[NANOSLEEP].tid);
        } else if (!strncmp(line, "alarm", 5)) {
            kill(getpid(), SIGUSR1);
            printf("sent\n");
        } else if (!strncmp(line, "tell", 4)) {
            printf("noted calls=%d last=%d stack=%d\n", noted_calls, noted_last, alternate());
        }
        fflush(stdout);
    }
    return 0;
}
