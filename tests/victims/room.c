// A host that has room for so many threads and processes and no more.
//
//   room N UID     becomes the user UID, who may have N of them (RLIMIT_NPROC)
//
// Prints `ready pid=N`; then each line names a way of making one more, and the answer is `WAY result=0`, or the error number:
//
//   pthread thrd fork _Fork forkpty spawn spawnp system popen     processes end at once and are waited for, threads stay
//   shell COMMAND                                                 by system; the answer is the command's status
//   setns                                                         makes nothing: setns(-1), for which a process has to be alone
//
// The end of the input ends it, status 0.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

extern char **environ;

static void *waits(void *argument) { for (;;) pause(); return argument; }
static int waits_too(void *argument) { (void)argument; for (;;) pause(); return 0; }

static int ended(pid_t pid) {
    if (pid < 0) return errno;
    if (pid == 0) _exit(0);
    int status;
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int make(const char *way) {
    static char *const program[] = {"/bin/true", NULL};
    pthread_t thread;
    thrd_t other;
    pid_t pid = 0;
    int terminal;
    if (!strcmp(way, "pthread")) return pthread_create(&thread, NULL, waits, NULL);
    if (!strcmp(way, "thrd")) return thrd_create(&other, waits_too, NULL) == thrd_success ? 0 : EAGAIN;
    if (!strcmp(way, "fork")) return ended(fork());
    if (!strcmp(way, "_Fork")) return ended(_Fork());
    if (!strcmp(way, "forkpty")) return ended(forkpty(&terminal, NULL, NULL, NULL));
    if (!strcmp(way, "spawn") || !strcmp(way, "spawnp")) {
        int error = (way[5] ? posix_spawnp : posix_spawn)(&pid, program[0], NULL, NULL, program, environ);
        return error ? error : ended(pid);
    }
    if (!strcmp(way, "system")) {
        errno = 0;
        int status = system("exec /bin/true");
        return status ? errno : 0;
    }
    if (!strcmp(way, "setns")) return setns(-1, 0) ? errno : 0;
    if (!strncmp(way, "shell ", 6)) return system(way + 6);
    if (!strcmp(way, "popen")) {
        FILE *stream = popen("exec /bin/true", "r");
        return stream ? pclose(stream) : errno;
    }
    return -2;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct rlimit limit = {atoi(argv[1]), atoi(argv[1])};
    uid_t user = atoi(argv[2]);
    if (setrlimit(RLIMIT_NPROC, &limit) || setgroups(0, NULL) || setgid(user) || setuid(user)) return 3;
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        printf("%s result=%d\n", line, make(line));
        fflush(stdout);
    }
    _exit(0);
}
