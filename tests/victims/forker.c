// Makes children in every way, as lines of stdin ask. Some threads allocate and print all the time, so that a fork
// happens while locks are held.
//
//   forker [quiet]      quiet: no busy threads
//
// Prints `ready pid=N`, then answers each line:
//   fork forkpty daemon clone      a child that stays until the parent has ended: `child NAME PID`
//   vfork-exec spawn fork-exec     the child executes `sleep 60` (killed when the parent ends): `child NAME PID`
//   system popen                   run `echo fine`: `child NAME 0 fine`
//   fork-exit                      the child calls _exit(7) at once: `child NAME PID status=7`
//   fork-return                    the child returns from main with 5: `child NAME PID status=5`
//   fork-fork                      a grandchild that stays: `child NAME PID` (the grandchild's)
//   storm N                        N times fork with exit, fork with exec of true, in turn: `storm N failures=F`
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static int ends[2];             // closed when the parent ends
static pid_t to_kill[64];
static int kills;
static volatile int busy_runs;

static void *busy(void *unused) {
    (void)unused;
    FILE *null = fopen("/dev/null", "w");
    for (unsigned n = 0;; n++) {
        char *block = malloc(100 + n % 5000);
        fprintf(null, "%u %s\n", n, getenv("PATH"));
        free(block);
        busy_runs++;
        if (n % 64 == 0) usleep(500);
    }
    return NULL;
}

// In the child: close the write end, and end when the parent has.
static void stay(void) {
    char byte;
    close(ends[1]);
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {}
    _exit(0);
}
static void say(const char *name, pid_t pid, const char *more) {
    printf("child %s %d%s\n", name, pid, more);
    fflush(stdout);
}
// The pid of a process that is not our child, which the process itself tells through a pipe.
static pid_t told(int fd) {
    pid_t pid = -1;
    if (read(fd, &pid, sizeof pid) != sizeof pid) pid = -1;
    return pid;
}
static int status_of(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int obey(const char *line) {
    char *sleeper[] = {"sleep", "60", NULL}, *truth[] = {"true", NULL}, text[64];
    pid_t pid;
    int pipe_ends[2], terminal;
    if (!strcmp(line, "fork")) {
        if ((pid = fork()) == 0) stay();
        say(line, pid, "");
    } else if (!strcmp(line, "forkpty")) {
        if ((pid = forkpty(&terminal, NULL, NULL, NULL)) == 0) stay();
        say(line, pid, "");
    } else if (!strcmp(line, "clone")) {
        if ((pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0) stay();
        say(line, pid, "");
    } else if (!strcmp(line, "daemon") || !strcmp(line, "fork-fork")) {
        if (pipe(pipe_ends)) return 3;
        if ((pid = fork()) == 0) {
            if (*line == 'd' ? daemon(1, 1) != 0 : fork() != 0) _exit(0);
            pid = syscall(SYS_getpid);
            if (write(pipe_ends[1], &pid, sizeof pid) != sizeof pid) _exit(1);
            stay();
        }
        int status = status_of(pid);
        snprintf(text, sizeof text, " status=%d", status);
        say(line, told(pipe_ends[0]), text);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
    } else if (!strcmp(line, "vfork-exec")) {
        if ((pid = vfork()) == 0) { execvp(*sleeper, sleeper); _exit(127); }
        say(line, to_kill[kills++ % 64] = pid, "");
    } else if (!strcmp(line, "fork-exec")) {
        if ((pid = fork()) == 0) { execvp(*sleeper, sleeper); _exit(127); }
        say(line, to_kill[kills++ % 64] = pid, "");
    } else if (!strcmp(line, "spawn")) {
        if (posix_spawnp(&pid, *sleeper, NULL, NULL, sleeper, environ)) pid = -1;
        else to_kill[kills++ % 64] = pid;
        say(line, pid, "");
    } else if (!strcmp(line, "system")) {
        say(line, 0, system("exit 3") == 3 << 8 ? " fine" : " wrong status");
    } else if (!strcmp(line, "popen")) {
        FILE *output = popen("echo fine", "r");
        if (!output || !fgets(text, sizeof text, output) || strcmp(text, "fine\n")) strcpy(text, "wrong output");
        say(line, 0, pclose(output) == 0 && !strcmp(text, "fine\n") ? " fine" : " wrong output or status");
    } else if (!strcmp(line, "fork-exit") || !strcmp(line, "fork-return")) {
        if ((pid = fork()) == 0) {
            if (line[5] == 'e') _exit(7);
            return 5;
        }
        snprintf(text, sizeof text, " status=%d", status_of(pid));
        say(line, pid, text);
    } else if (!strncmp(line, "storm ", 6)) {
        int turns = atoi(line + 6), failures = 0;
        for (int i = 0; i < turns; i++) {
            int want = i % 3 == 2 ? 0 : i % 100;
            if ((pid = fork()) == 0) {
                free(malloc(1000)); // hangs if the child got a locked heap
                if (i % 3 == 2) { execvp(*truth, truth); _exit(127); }
                if (i % 3 == 1) { fflush(NULL); _exit(want); }
                _exit(want);
            }
            failures += pid < 0 || status_of(pid) != want;
        }
        printf("storm %d failures=%d\n", turns, failures);
        fflush(stdout);
    } else {
        printf("unknown %s\n", line);
        fflush(stdout);
    }
    return -1;
}

int main(int argc, char **argv) {
    if (pipe(ends)) return 3;
    int threads = argc > 1 && !strcmp(argv[1], "quiet") ? 0 : 3;
    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, busy, NULL)) return 3;
    }
    while (threads && busy_runs < 100) usleep(1000);
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    char line[64];
    int length = 0;
    while (read(0, line + length, 1) == 1) {
        if (line[length] != '\n') {
            if (length < 62) length++;
            continue;
        }
        line[length] = 0;
        length = 0;
        int status = obey(line);
        if (status >= 0) return status;
    }
    for (int i = 0; i < kills && i < 64; i++) kill(to_kill[i], SIGKILL);
    return 0;
}
