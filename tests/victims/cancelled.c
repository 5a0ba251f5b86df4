// Threads that are cancelled inside calls which are cancellation points and which a preload may have taken the place of: a line for each, with what
// its handler has seen. Arguments: none. It ends by itself.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int locked;
static sigset_t set;

static void in_fcntl(void) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    fcntl(locked, F_SETLKW, &lock);
}
static void in_sigwait(void) { int number; sigwait(&set, &number); }
static void in_sigwaitinfo(void) { siginfo_t info; sigwaitinfo(&set, &info); }
static void in_sigtimedwait(void) { struct timespec long_time = {100, 0}; sigtimedwait(&set, 0, &long_time); }
static void in_system(void) { system("exec sleep 100"); }
static void in_close(void) { close(dup(1)); }

static const struct { const char *name; void (*run)(void); int is_pending; } calls[] = {
    {"fcntl", in_fcntl, 0}, {"sigwait", in_sigwait, 0}, {"sigwaitinfo", in_sigwaitinfo, 0}, {"sigtimedwait", in_sigtimedwait, 0},
    {"system", in_system, 0}, {"close", in_close, 1},
};

static void clean(void *name) { printf("%s: its handler has run\n", (const char *)name); }

static void *start(void *argument) {
    int number = *(int *)argument, old;
    if (calls[number].is_pending) {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
        pthread_cancel(pthread_self());
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    }
    pthread_cleanup_push(clean, (void *)calls[number].name);
    calls[number].run();
    pthread_cleanup_pop(0);
    return 0;
}

// Whether the process's only other thread waits in the kernel; the one that is to be cancelled has got where it was to get.
static int is_asleep(pid_t thread) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
    fclose(file);
    return state == 'S';
}

static pid_t thread_id;
static void *announced(void *argument) {
    __atomic_store_n(&thread_id, gettid(), __ATOMIC_SEQ_CST);
    return start(argument);
}

int main(void) {
    setbuf(stdout, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    locked = fileno(tmpfile());
    int told[2];
    char byte;
    if (pipe(told)) return 1;
    pid_t child = fork();
    if (!child) {
        in_fcntl();
        if (write(told[1], "x", 1) != 1) return 1;
        for (;;) pause();
    }
    if (read(told[0], &byte, 1) != 1) return 1;
    for (int i = 0; i < (int)(sizeof calls / sizeof *calls); i++) {
        pthread_t thread;
        void *result;
        thread_id = 0;
        pthread_create(&thread, 0, announced, &i);
        // Seen asleep several times in a row: on its way there it may sleep for a moment.
        for (int times = 0; !calls[i].is_pending && times < 20; usleep(5000))
            times = __atomic_load_n(&thread_id, __ATOMIC_SEQ_CST) && is_asleep(thread_id) ? times + 1 : 0;
        pthread_cancel(thread);
        pthread_join(thread, &result);
        printf("%s: %s\n", calls[i].name, result == PTHREAD_CANCELED ? "cancelled" : "returned");
    }
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
}
