// A host that does a little of everything that a manhole takes part in, and says that all of it has worked. Prints `ready pid=N`, then waits for
// lines:
//
//   live   creates a thread and joins it, forks a child and waits for it, opens and closes a file, changes a mask, sleeps for 10 ms: `lived`, or
//          what has failed
//
// EOF ends it by exit(3), status 7, after `END`.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *rest(void *unused) {
    pause();
    return unused;
}

static void *add(void *number) {
    ++*(int *)number;
    return number;
}

static const char *live(void) {
    pthread_t thread;
    int number = 41, status = -1;
    void *result = NULL;
    if (pthread_create(&thread, NULL, add, &number) || pthread_join(thread, &result) || result != &number || number != 42) return "thread";
    pid_t child = fork();
    if (child == 0) exit(write(1, "child\n", 6) == 6 ? 6 : 1);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 6) return "fork";
    int file = open("/dev/null", O_RDWR), copy = dup(file);
    if (file < 0 || copy < 0 || write(copy, "x", 1) != 1 || close(file) || close(copy)) return "file";
    sigset_t urgent, before, now;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    if (sigprocmask(SIG_BLOCK, &urgent, &before) || sigprocmask(SIG_SETMASK, &before, &now) || !sigismember(&now, SIGURG)) return "mask";
    struct timespec time = {0, 10000000};
    if (nanosleep(&time, NULL)) return "sleep";
    return "lived";
}

int main(int count, char **arguments) {
    pthread_t thread;
    char line[64];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 1 && !strcmp(arguments[1], "threads"))
        for (int n = 0; n < 3; n++) pthread_create(&thread, NULL, rest, NULL);
    printf("ready pid=%d\n", getpid());
    while (fgets(line, sizeof line, stdin)) printf("%s\n", live());
    printf("END\n");
    exit(7);
}
