// A handler forks while the process is in execvp(3), which fails: the child goes on behind it. With PRELOAD it is a second preload, whose
// execvp raises the signal and fails.
//
// The child prints `ready pid=N` (the parent's) and `child fork PID`, and ends with its input; the parent with the child.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef PRELOAD
int execvp(const char *file, char *const arguments[]) {
    (void)file, (void)arguments;
    raise(SIGALRM);
    errno = ENOENT;
    return -1;
}
#else
static volatile pid_t child = -1;

static void on_alarm(int number) {
    (void)number;
    child = fork();
}

int main(void) {
    char *arguments[] = {"nobody", NULL}, byte;
    signal(SIGALRM, on_alarm);
    execvp("nobody", arguments);
    if (child) return waitpid(child, NULL, 0) == child ? 0 : 1;
    printf("ready pid=%d\nchild fork %d\n", getppid(), getpid());
    fflush(stdout);
    return (int)read(0, &byte, 1);
}
#endif
