// A program whose main loop is its signals, and the one who sends them.
//
//   signal_loop WAY [threads]         threads: two more threads are blocked meanwhile
//     signalfd                        blocks a few signals and reads them with epoll on a signalfd
//     sigwait                         blocks all and waits for all with sigwaitinfo
//     stkflt                          so too, and is sent SIGSTKFLT as well, which nobody else sends
//   signal_loop send WAY PID ROUND    sends each signal of the way once, and BURST queued ones with values
//
// Prints `ready pid=N`. At SIGRTMAX, which the sender sends last, it prints `counts S=N S=N ... disorder=N foreign=N`: how
// often each signal has come, how many queued ones were not the next one, and how many signals no process has sent.
// SIGRTMAX-1 ends it with status 0.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { BURST = 20 };
#define QUEUED (SIGRTMIN + 1)

static const int few[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCHLD};
static int counts[65], disorder, foreign, expected;

static int is_few(int number) {
    for (unsigned n = 0; n < sizeof few / sizeof *few; n++)
        if (few[n] == number) return 1;
    return 0;
}
// SIGCONT takes pending stop signals away, as they do it.
static int is_sent(int number, const char *way) {
    if (!strcmp(way, "signalfd")) return is_few(number);
    if (number == SIGSTKFLT) return !strcmp(way, "stkflt");
    return number != SIGKILL && number != SIGSTOP && number != SIGCONT;
}
static void say(void) {
    char line[2048];
    int length = snprintf(line, sizeof line, "counts");
    for (int number = 1; number <= 64; number++)
        if (counts[number] && number != SIGRTMAX)
            length += snprintf(line + length, sizeof line - (size_t)length, " %d=%d", number, counts[number]);
    length += snprintf(line + length, sizeof line - (size_t)length, " disorder=%d foreign=%d\n", disorder, foreign);
    if (write(1, line, (size_t)length) != length) _exit(3);
}
static void count(int number, int value, int code) {
    counts[number]++;
    if (code != SI_USER && code != SI_QUEUE) foreign++;
    if (number == QUEUED && value != expected++) disorder++;
    if (number == SIGRTMAX) say();
    if (number == SIGRTMAX - 1) exit(0);
}
static void *blocked(void *unused) {
    (void)unused;
    for (;;) pause();
    return NULL;
}
static int send_round(const char *way, pid_t pid, int round) {
    for (int number = 1; number < 32; number++)
        if (is_sent(number, way) && kill(pid, number)) return 1;
    for (int n = 0; n < BURST; n++)
        if (sigqueue(pid, QUEUED, (union sigval){.sival_int = round * BURST + n})) return 1;
    return kill(pid, SIGRTMAX) != 0;
}
static void read_descriptor(const sigset_t *set) {
    int signals = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC), loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (signals < 0 || loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, signals, &event)) exit(3);
    for (;;) {
        if (epoll_wait(loop, &event, 1, -1) != 1) exit(5); // EINTR: somebody has disturbed it
        struct signalfd_siginfo info;
        while (read(signals, &info, sizeof info) == sizeof info) count((int)info.ssi_signo, info.ssi_int, info.ssi_code);
        if (errno != EAGAIN) exit(6);
    }
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "send"))
        return send_round(argv[2], atoi(argv[3]), atoi(argv[4]));
    int all = strcmp(argv[1], "signalfd") != 0;
    sigset_t set;
    if (all) {
        sigfillset(&set);
    } else {
        sigemptyset(&set);
        for (unsigned n = 0; n < sizeof few / sizeof *few; n++) sigaddset(&set, few[n]);
        sigaddset(&set, QUEUED);
        sigaddset(&set, SIGRTMAX - 1);
        sigaddset(&set, SIGRTMAX);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    pthread_t thread;
    for (int n = 0; argc > 2 && n < 2; n++)
        if (pthread_create(&thread, NULL, blocked, NULL)) return 3;
    printf("ready pid=%d\n", (int)getpid());
    fflush(stdout);
    if (!all) read_descriptor(&set);
    for (;;) {
        siginfo_t info;
        if (sigwaitinfo(&set, &info) < 0) return 5; // EINTR: somebody has disturbed it
        count(info.si_signo, info.si_int, info.si_code);
    }
}
