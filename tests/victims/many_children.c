// Starts children without a pause, several drivers in parallel, as a supervisor does with programs that end at once.
//
//   storm DRIVERS TURNS KIND...
//
//   fork-exec  vfork-exec  posix_spawn  system   a child executes /bin/true
//   fork-_exit                                   a forked child leaves by _exit at once
//   grown-exit  grown-_exit  grown-exec          a forked child waits until its manhole is open, then ends so: by exit, by
//                                                _exit, or by executing /bin/true. The manhole is at SOCKETS/PID.
//
// For each KIND prints `storm KIND turns=N failures=N`, with the children of all drivers, a failure being a child that
// could not be started or did not end with status 0. Then `ready pid=N`, and it waits for the end of its stdin.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static char *const true_arguments[] = {"/bin/true", NULL};

static int has_manhole(void) {
    char path[256];
    const struct timespec pause = {.tv_nsec = 5000000};
    snprintf(path, sizeof path, "%s/%d", getenv("SOCKETS"), (int)getpid());
    for (int tries = 0; tries < 2000; tries++) {
        struct stat unused;
        if (!stat(path, &unused)) return 1;
        nanosleep(&pause, NULL);
    }
    return 0;
}
static int fails(const char *kind) {
    int status = -1;
    pid_t pid = -1;
    if (!strcmp(kind, "system")) {
        return system("/bin/true") != 0;
    } else if (!strcmp(kind, "posix_spawn")) {
        if (posix_spawn(&pid, "/bin/true", NULL, NULL, true_arguments, environ)) return 1;
    } else if (!strcmp(kind, "vfork-exec")) {
        pid = vfork();
        if (pid == 0) {
            execv("/bin/true", true_arguments);
            _exit(127);
        }
    } else {
        pid = fork();
        if (pid == 0) {
            if (!strncmp(kind, "grown-", 6) && !has_manhole()) _exit(126);
            if (strstr(kind, "-_exit")) _exit(0);
            if (strstr(kind, "-exit")) exit(0);
            execv("/bin/true", true_arguments);
            _exit(127);
        }
    }
    return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}
static int storm(const char *kind, int drivers, int turns) {
    int ends[2], failures = 0;
    if (pipe2(ends, O_CLOEXEC)) return -1;
    fflush(stdout);
    for (int n = 0; n < drivers; n++) {
        pid_t pid = fork();
        if (pid < 0) return -1;
        if (pid > 0) continue;
        int mine = 0;
        for (int turn = 0; turn < turns; turn++) mine += fails(kind);
        if (write(ends[1], &mine, sizeof mine) != sizeof mine) _exit(1);
        exit(0);
    }
    close(ends[1]);
    for (int n = 0; n < drivers; n++) {
        int theirs = 0, status = 0;
        if (read(ends[0], &theirs, sizeof theirs) != sizeof theirs) theirs = turns;
        failures += theirs + (wait(&status) < 0 || status != 0);
    }
    close(ends[0]);
    return failures;
}

int main(int argc, char **argv) {
    int drivers = atoi(argv[1]), turns = atoi(argv[2]);
    for (int n = 3; n < argc; n++) {
        int failures = storm(argv[n], drivers, turns);
        printf("storm %s turns=%d failures=%d\n", argv[n], drivers * turns, failures);
    }
    printf("ready pid=%d\n", (int)getpid());
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return 0;
}
