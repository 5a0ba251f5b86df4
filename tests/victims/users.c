// Changes its user in ways that are hard to follow. Prints `ready pid=N`, then answers each line:
//
//   together   four threads change nothing, 100 times each and all at once: `changes failed=F longest=MS`
//   handler    so does a handler, every 100 microseconds, while the only thread does the same, 20,000 times: the same answer
//   leaving    so does the main thread, 160 times, while the manhole's thread, which a dump has called, is about to leave
//   effective  acts for user 65534: `user result=R`            effective-back  acts for root again
//   partly     real and effective user 65534, saved user root's: `user result=R`
//   lower      gives CAP_SETUID up for a while: `user result=R`    raise  takes it back and becomes user 65534
//   exchange   without CAP_SETUID: a child puts another file in the place of /tmp/manhole-PID and back, over and over, while the process
//              tries to become user 65534, 20,000 times: `exchange failed=N taken=N lost=N`, how often the other file, and the socket, were not root's after it
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 65534 };
static long failed, longest;
extern int manhole_dump(int fd) __attribute__((weak));

static long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

// A change that changes nothing, which all threads have to follow nevertheless.
static void change(void) {
    long start = now_us();
    if (setresgid(-1, -1, -1)) __atomic_fetch_add(&failed, 1, __ATOMIC_RELAXED);
    long took = now_us() - start, before = longest;
    while (took > before && !__atomic_compare_exchange_n(&longest, &before, took, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

static void *change_often(void *nothing) {
    for (int i = 0; i < 100; i++) change();
    return nothing;
}

static void together(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, change_often, NULL);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

static void on_alarm(int number) {
    int saved = errno;
    change();
    errno = saved;
    (void)number;
}

static void handler(void) {
    struct itimerval often = {{0, 100}, {0, 100}}, never = {0};
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 20000; i++) change();
    setitimer(ITIMER_REAL, &never, NULL);
}

static void leaving(void) {
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 160; i++) {
        if (manhole_dump(nothing)) failed++;
        for (long end = now_us() + i % 40 * 5; now_us() < end;) {}
        change();
    }
    close(nothing);
}

// Puts the right to become anybody into force, or out of it, for good if told so.
static int may_change(int may, int for_good) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    const unsigned right = 1U << CAP_SETUID;
    if (syscall(SYS_capget, &header, sets)) return -1;
    sets[0].effective = may ? sets[0].effective | right : sets[0].effective & ~right;
    if (for_good) sets[0].permitted &= ~right;
    return (int)syscall(SYS_capset, &header, sets);
}

static void exchange(void) {
    char path[64], other[64];
    struct stat socket, file;
    snprintf(path, sizeof path, "/tmp/manhole-%d", getpid());
    snprintf(other, sizeof other, "/tmp/manhole-%d.other", getpid());
    int socket_fd = open(path, O_PATH | O_NOFOLLOW), file_fd = open(other, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (socket_fd < 0 || file_fd < 0 || may_change(0, 1)) abort();
    pid_t child = fork();
    if (!child)
        for (;;) renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE);
    int taken = 0, lost = 0;
    for (int i = 0; i < 20000; i++) {
        failed += setuid(NOBODY) != 0;
        fstat(file_fd, &file);
        fstat(socket_fd, &socket);
        taken += file.st_uid != 0;
        lost += socket.st_uid != 0;
        if (file.st_uid) fchownat(file_fd, "", 0, -1, AT_EMPTY_PATH);
        if (socket.st_uid) fchownat(socket_fd, "", 0, -1, AT_EMPTY_PATH);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    struct stat there;
    if (!lstat(path, &there) && there.st_ino != socket.st_ino)
        renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE);
    unlink(other);
    printf("exchange failed=%ld taken=%d lost=%d\n", failed, taken, lost);
}

int main(void) {
    char line[32];
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        failed = longest = 0;
        void (*changes)(void) = !strcmp(line, "together") ? together : !strcmp(line, "handler") ? handler :
            !strcmp(line, "leaving") ? leaving : NULL;
        if (changes) {
            changes();
            printf("changes failed=%ld longest=%ld\n", failed, longest / 1000);
        } else if (!strcmp(line, "effective") || !strcmp(line, "effective-back")) {
            printf("user result=%d\n", seteuid(line[9] ? 0 : NOBODY));
        } else if (!strcmp(line, "partly")) {
            printf("user result=%d\n", setresuid(NOBODY, NOBODY, 0));
        } else if (!strcmp(line, "lower")) {
            printf("user result=%d\n", may_change(0, 0));
        } else if (!strcmp(line, "raise")) {
            printf("user result=%d\n", may_change(1, 0) | setresuid(NOBODY, NOBODY, NOBODY));
        } else if (!strcmp(line, "exchange")) {
            exchange();
        }
        fflush(stdout);
    }
    return 0;
}
