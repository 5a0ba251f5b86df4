/*
 * A program whose commands read standard input, and whose main thread may read it as well. Preloaded; it finds the interface by weak symbols.
 *
 * argv[1]: what the main thread does: "rests"; "reads" by read(2); "polls", "selects" or "epolls" before it reads; "deaf": as "reads", with all signals
 * blocked; "waits" by a bare poll(2) of nothing, which nothing may end. What it reads, and an end, go to a copy of stderr (descriptor 9), so that they never count as output. At the end of its
 * input it exits with 3.
 */
#define _GNU_SOURCE
#define MANHOLE_WEAK
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../packaging/manhole.h"

static struct stat first;

static int ask(int argc, char **argv, void *context)
{
    char line[256] = "";
    (void)argc, (void)argv, (void)context;
    printf("Your name?\n");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) {
        printf("nobody\n");
        return 1;
    }
    line[strcspn(line, "\n")] = 0;
    printf("Hello %s!\n", line);
    fflush(stdout);
    return 0;
}

/* To the end of input, or the line "stop". */
static int count(int argc, char **argv, void *context)
{
    int c, bytes = 0;
    char last[8] = "";
    (void)argc, (void)argv, (void)context;
    while ((c = getchar()) != EOF) {
        memmove(last, last + 1, 4);
        last[4] = (char)c;
        bytes++;
        if (!strcmp(last, "stop\n"))
            break;
    }
    printf("%d bytes, %s\n", bytes, c == EOF ? "end" : "stopped");
    return 0;
}

static int letter(int argc, char **argv, void *context)
{
    (void)argc, (void)argv, (void)context;
    printf("letter %c\n", getchar());
    return 0;
}

/* By read(2), so many bytes. */
static int raw(int argc, char **argv, void *context)
{
    static char bytes[1 << 20];
    ssize_t got;
    size_t size = argc > 1 ? (size_t)atol(argv[1]) : 100;
    (void)context;
    got = read(0, bytes, size);
    printf("raw %zd %.*s\n", got, got > 0 && got < 100 ? (int)strcspn(bytes, "\n") : 0, bytes);
    return 0;
}

/* By read(2): until the end, and then once more. */
static int twice(int argc, char **argv, void *context)
{
    char bytes[256];
    ssize_t got;
    (void)argc, (void)argv, (void)context;
    while ((got = read(0, bytes, sizeof bytes)) > 0) {}
    printf("the end\n");
    fflush(stdout);
    got = read(0, bytes, sizeof bytes);
    printf("then %.*s", got > 0 ? (int)got : 0, bytes);
    return 0;
}

/* Waits for a file, and for a signal of nobody's. */
static int waits(int argc, char **argv, void *context)
{
    (void)context;
    printf("waiting\n");
    fflush(stdout);
    while (argc > 1 && access(argv[1], F_OK))
        usleep(1000);
    return 0;
}

static int runs(int argc, char **argv, void *context)
{
    (void)context;
    fflush(stdout);
    return argc > 1 ? system(argv[1]) : 1;
}

/* Children made in three ways; how many of them have the process's own input. */
static int forks(int argc, char **argv, void *context)
{
    int own = 0, i;
    (void)argc, (void)argv, (void)context;
    for (i = 0; i < 20; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            struct stat now;
            _exit(fstat(0, &now) || now.st_dev != first.st_dev || now.st_ino != first.st_ino);
        }
        waitpid(child, &status, 0);
        own += status == 0;
    }
    printf("own %d of 20\n", own);
    return 0;
}

static int leaves(int argc, char **argv, void *context)
{
    char line[256];
    (void)argc, (void)argv, (void)context;
    if (!fgets(line, sizeof line, stdin))
        return 1;
    pthread_exit(NULL);
}

static int ends(int argc, char **argv, void *context)
{
    (void)argc, (void)argv, (void)context;
    exit(getchar() == 'x' ? 7 : 8);
}

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
}

static int events;

/* A signal lets it look again. */
static void look(const char *way)
{
    int found = -1, there = 0;
    while (found < 0) {
        struct pollfd polled = {0, POLLIN, 0};
        fd_set set;
        struct epoll_event event;
        FD_ZERO(&set);
        FD_SET(0, &set);
        signalled = 0;
        if (!strcmp(way, "polls"))
            found = poll(&polled, 1, -1);
        else if (!strcmp(way, "selects"))
            found = select(1, &set, NULL, NULL, NULL);
        else if (!strcmp(way, "epolls"))
            found = epoll_wait(events, &event, 1, -1);
        else
            return;
        if (found < 0 && !(errno == EINTR && signalled))
            dprintf(9, "main: fails: %m\n");
        if (found < 0)
            dprintf(9, "main: looks again\n");
    }
    if (!ioctl(0, FIONREAD, &there) && there == 0)
        dprintf(9, "main: finds nothing\n");
}

static void reads(const char *way)
{
    char bytes[256];
    ssize_t got;
    for (;;) {
        look(way);
        got = read(0, bytes, sizeof bytes);
        if (got > 0)
            dprintf(9, "main: got %.*s", (int)got, bytes);
        else if (got == 0) {
            dprintf(9, "main: the end\n");
            exit(3);
        } else
            dprintf(9, "main: read fails: %m\n");
    }
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "rests";
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, NULL);
    dup3(2, 9, O_CLOEXEC);
    fstat(0, &first);
    manhole_add_command("ask", "ask for a name", ask, NULL);
    manhole_add_command("count", "count the bytes of the input", count, NULL);
    manhole_add_command("letter", "take one letter by stdio", letter, NULL);
    manhole_add_command("raw", "read once", raw, NULL);
    manhole_add_command("twice", "read twice", twice, NULL);
    manhole_add_command("waits", "wait for a file", waits, NULL);
    manhole_add_command("runs", "run a shell's line", runs, NULL);
    manhole_add_command("forks", "make children", forks, NULL);
    manhole_add_command("leaves", "end the thread", leaves, NULL);
    manhole_add_command("ends", "end the process", ends, NULL);
    if (!strcmp(way, "deaf")) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    if (!strcmp(way, "epolls")) {
        struct epoll_event event = {.events = EPOLLIN};
        events = epoll_create1(EPOLL_CLOEXEC);
        epoll_ctl(events, EPOLL_CTL_ADD, 0, &event);
    }
    printf("ready\n");
    fflush(stdout);
    while (!strcmp(way, "waits")) {
        syscall(SYS_poll, NULL, 0, -1);
        dprintf(9, "main: disturbed: %m\n");
    }
    if (strcmp(way, "rests"))
        reads(way);
    for (;;)
        pause();
}
