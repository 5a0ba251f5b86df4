// Starts threads and programs in every way, which say what signals they have blocked. The process blocks SIGUSR1 and nothing else.
//
// Prints `ready`, and ends with status 0 at the end of stdin.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

// What a shell starts it starts with nothing blocked, but for what takes its own place.
static char *question[] = { "cp", "/proc/self/status", NULL, NULL };
static const char *const TO_A_SHELL = "exec cp /proc/self/status \"$ANSWER\"";

// The C library has statics of this name.
long buffer = 77;

static long of_file(const char *path) {
    FILE *file = fopen(path, "r");
    unsigned long mask = -1;
    char line[200];
    while (file && fgets(line, sizeof line, file)) sscanf(line, "SigBlk: %lx", &mask);
    if (file) fclose(file);
    return (long)mask;
}

static void *look(void *mask) {
    *(long *)mask = of_file("/proc/thread-self/status");
    return NULL;
}

long of_a_thread(void) {
    pthread_t thread;
    long mask = -2;
    if (pthread_create(&thread, NULL, look, &mask) == 0) pthread_join(thread, NULL);
    return mask;
}

long of_a_fork(void) {
    pid_t child = fork();
    if (child == 0) {
        execv("/bin/cp", question);
        _exit(9);
    }
    int status;
    waitpid(child, &status, 0);
    return of_file(getenv("ANSWER"));
}

static long of_a_spawned(posix_spawnattr_t *attributes) {
    pid_t child = 0;
    int status;
    extern char **environ;
    if (posix_spawn(&child, "/bin/cp", NULL, attributes, question, environ) != 0) return -3;
    waitpid(child, &status, 0);
    return of_file(getenv("ANSWER"));
}

long of_a_spawn(void) { return of_a_spawned(NULL); }

long of_a_spawn_that_blocks_sigusr2(void) {
    posix_spawnattr_t attributes;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &set);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    return of_a_spawned(&attributes);
}

long of_system(void) { return system(TO_A_SHELL) == 0 ? of_file(getenv("ANSWER")) : -4; }

int status_of_system(void) { return WEXITSTATUS(system("exit 23")); }

long of_popen(void) {
    FILE *stream = popen("exec cat /proc/self/status", "r");
    unsigned long mask = -1;
    char line[200];
    while (stream && fgets(line, sizeof line, stream)) sscanf(line, "SigBlk: %lx", &mask);
    if (stream) pclose(stream);
    return (long)mask;
}

static int look_c11(void *mask) {
    look(mask);
    return 0;
}

long of_a_c11_thread(void) {
    thrd_t thread;
    long mask = -2;
    if (thrd_create(&thread, look_c11, &mask) == thrd_success) thrd_join(thread, NULL);
    return mask;
}

static long of_child(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? of_file(getenv("ANSWER")) : -5;
}

long of_a_vfork(void) {
    pid_t child = vfork();
    if (child == 0) {
        execv("/bin/cp", question);
        _exit(9);
    }
    return of_child(child);
}

long of_a_listed_vfork(void) {
    pid_t child = vfork();
    if (child == 0) {
        execlp("no such program", "cp", NULL);
        execlp("cp", "cp", "-f", "-p", "-u", "--", question[1], question[2], NULL);
        _exit(9);
    }
    return of_child(child);
}

// As many libraries do it: nothing may interrupt the child before it has its own handlers.
long of_a_fork_in_peace(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        execv("/bin/cp", question);
        _exit(9);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return of_child(child);
}

// As who lets the child wait for a signal that must not come too early.
long while_sigusr2_is_blocked(long (*start)(void)) {
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    long mask = start();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return mask;
}

// What a failed attempt leaves, then another program in the place of this.
int become_another(void) {
    sigset_t before, after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    execv("/no/such/program", question);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    if (memcmp(&before, &after, 8) != 0) return 1;
    execl("/bin/sleep", "sleep", "60", NULL);
    return 2;
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    question[2] = getenv("ANSWER");
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
}
