// A process of one thread, which does to itself, line by line of stdin, what a process can only do as long as it is alone, or
// what could lose a manhole that has no thread. With -DOWN_MALLOC its allocator has a lock that can be held for ever.
//
//   alone [COUNTERS]     COUNTERS: a file (counters.h), for `fork-alarm`
//
// Prints `ready pid=N`, then answers each line:
//   state         `state tasks=N single=S`: threads that the kernel counts, and __libc_single_threaded
//   unshare       unshare(CLONE_NEWUSER): `unshare result=R errno=E`
//   setns         setns(-1), which fails: `setns result=R errno=E`
//   spawn         a first thread that stays: `spawn result=R`          spawn-short  one that ends at once, joined
//   take-urg  take-urg-signal  take-both     handlers of its own for SIGURG, by sigaction or by signal, and SIGWINCH:
//                 `taken before=dfl|ign|other`, what was there before
//   got           `got urg=N winch=N`, how often those ran
//   ask           `ask urg=X winch=X signal=X`: dfl, ign or other, as sigaction and signal tell
//   block         blocks all signals: `blocked`                        unblock
//   reset         resets all dispositions, over and over until the next line: `resetting`, then `reset`
//   exec  exec-bare  exec-blocked            executes itself: as it is, without environment, with all signals blocked
//   files         makes files of its own: `files`                      check  `intact`, or `damaged N`
//   close-range  closefrom  close-loop  dup2  close-by-number (syscall)  close-unseen (the bare instruction, then a fork)  does it to all numbers from 3 (dup2: its own file over 3 … 1023), then `files`
//   vfork-exit  vfork-exec  posix-spawn  spawn-missing    20 children each, one after the other: `children=20 wrong=N`
//   setuid  setresuid  setreuid              to 65534, with the groups: `setuid result=R`
//   pthread-exit  pthread-exit-later  raw-exit  inline-exit   ends: main alone; main before a thread that returns; exit(2) with 7, by
//                                                             syscall(2) or by the bare instruction
//   burn  malloc-loop  hold-malloc           for ever: `burning`
//   fork-alarm    until the last counter is set: allocates, while a SIGALRM handler forks children that end with 5 and counts
//                 them in word 0, those with another status in word 1: `forks=N wrong=N`
#define _GNU_SOURCE
#include "counters.h"
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

extern char **environ;
static volatile int urgs, winches, held;
static int files[1100], count;
static ino_t inodes[1100];
static char *self[3] = {"/proc/self/exe", NULL, NULL};

#ifdef OWN_MALLOC
static char heap[64 << 20];
static size_t used;
void *malloc(size_t size) {
    while (held) pause();
    size_t at = __atomic_fetch_add(&used, (size + 31) / 16 * 16, __ATOMIC_RELAXED);
    if (at + size + 32 > sizeof heap) return NULL;
    *(size_t *)(heap + at) = size;
    return heap + at + 16;
}
void free(void *block) { while (block && held) pause(); }
void *calloc(size_t many, size_t size) { return malloc(many * size); } // fresh memory is zero
void *realloc(void *block, size_t size) {
    void *fresh = malloc(size);
    if (block && fresh) {
        size_t before = *(size_t *)((char *)block - 16);
        memcpy(fresh, block, before < size ? before : size);
    }
    return fresh;
}
#endif

static int tasks(void) {
    int found = 0;
    DIR *directory = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(directory));) found += *entry->d_name != '.';
    closedir(directory);
    return found;
}
static void on_urg(int number) { (void)number; urgs++; }
static void on_winch(int number) { (void)number; winches++; }
static const char *named(void (*handler)(int)) {
    return handler == SIG_DFL ? "dfl" : handler == SIG_IGN ? "ign" : "other";
}
static const char *take(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, before;
    sigaction(number, &action, &before);
    return named(before.sa_handler);
}
static const char *asked(int number) {
    struct sigaction found;
    memset(&found, 0xff, sizeof found);
    sigaction(number, NULL, &found);
    return named(found.sa_handler);
}
static void block(int how) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(how, &all, NULL);
}
static void *stay(void *nothing) {
    for (;;) pause();
    return nothing;
}
static void *end(void *nothing) { return nothing; }
static void *end_later(void *nothing) {
    usleep(300000);
    return nothing;
}

static void make_file(int onto) {
    struct stat data;
    int fd = memfd_create("own", MFD_CLOEXEC);
    if (fd >= 0 && onto >= 0 && fd != onto) {
        dup2(fd, onto);
        close(fd);
        fd = onto;
    }
    if (fd < 0 || write(fd, &count, sizeof count) != sizeof count || fstat(fd, &data)) _exit(3);
    inodes[count] = data.st_ino;
    files[count++] = fd;
}
static void check(void) {
    for (int i = 0, found; i < count; i++) {
        struct stat data;
        if (fstat(files[i], &data) || data.st_ino != inodes[i] || pread(files[i], &found, sizeof found, 0) != sizeof found ||
            found != i || data.st_size != sizeof found) {
            printf("damaged %d (descriptor %d)\n", i, files[i]);
            return;
        }
    }
    printf("intact\n");
}
static void close_all(const char *how) {
    count = 0;
    if (!strcmp(how, "close-range") && close_range(3, ~0U, 0)) _exit(3);
    if (!strcmp(how, "closefrom")) closefrom(3);
    if (!strcmp(how, "close-by-number")) {
        for (int fd = 3; fd < 1024; fd++) syscall(SYS_close, fd);
        for (int fd = 3; fd < 1024; fd++) syscall(SYS_dup3, 0, fd, O_CLOEXEC);
        if (syscall(SYS_close_range, 3, ~0U, 0)) _exit(3);
    }
    if (!strcmp(how, "close-unseen")) {
        long number = SYS_close_range;
        __asm__ volatile("syscall" : "+a"(number) : "D"(3L), "S"(0xffffffffL), "d"(0L) : "rcx", "r11", "memory");
        if (number) _exit(3);
    }
    if (!strcmp(how, "close-loop"))
        for (int fd = 3; fd < 65536; fd++) close(fd);
    if (!strcmp(how, "dup2"))
        for (int fd = 3; fd < 1024; fd++) make_file(fd);
    else
        for (int i = 0; i < 8; i++) make_file(-1);
    if (!strcmp(how, "close-unseen")) {
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        if (pid < 0 || waitpid(pid, NULL, 0) != pid) _exit(3);
    }
    printf("files\n");
}

static int child(const char *how) {
    char *truth[] = {"true", NULL}, *missing[] = {"/nonexistent", NULL};
    int status = -1;
    pid_t pid = -1;
    if (!strcmp(how, "vfork-exit")) {
        if ((pid = vfork()) == 0) _exit(7);
    } else if (!strcmp(how, "vfork-exec")) {
        if ((pid = vfork()) == 0) {
            execvp(*truth, truth);
            _exit(127);
        }
    } else if (!strcmp(how, "posix-spawn")) {
        if (posix_spawnp(&pid, *truth, NULL, NULL, truth, environ)) return 1;
    } else {
        return posix_spawn(&pid, *missing, NULL, NULL, missing, environ) != ENOENT;
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 1;
    return WEXITSTATUS(status) != (strcmp(how, "vfork-exit") ? 0 : 7);
}

static void fork_in_handler(int number) {
    int status = -1, saved = errno;
    pid_t pid = fork();
    if (!pid) _exit(5);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 5) counters[1]++;
    counters[0]++;
    errno = saved;
    (void)number;
}
static void fork_alarm(void) {
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 2000}, {0, 2000}}, never = {0};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    for (unsigned n = 0; !counters[STOP]; n++) {
        char *volatile blocks[16];
        for (unsigned i = 0; i < 16; i++) blocks[i] = malloc(10 + n * 7 % 2000 + i * 100);
        for (unsigned i = 0; i < 16; i++) free(blocks[i]);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("forks=%lu wrong=%lu\n", counters[0], counters[1]);
}

static void obey(const char *line) {
    pthread_t thread;
    if (!strcmp(line, "state")) {
        printf("state tasks=%d single=%d\n", tasks(), __libc_single_threaded);
    } else if (!strcmp(line, "unshare")) {
        errno = 0;
        int result = unshare(CLONE_NEWUSER);
        printf("unshare result=%d errno=%d\n", result, errno);
    } else if (!strcmp(line, "setns")) {
        errno = 0;
        int result = setns(-1, 0);
        printf("setns result=%d errno=%d\n", result, errno);
    } else if (!strcmp(line, "spawn")) {
        printf("spawn result=%d\n", pthread_create(&thread, NULL, stay, NULL));
    } else if (!strcmp(line, "spawn-short")) {
        int result = pthread_create(&thread, NULL, end, NULL);
        printf("spawn result=%d\n", result ? result : pthread_join(thread, NULL));
    } else if (!strcmp(line, "take-urg")) {
        printf("taken before=%s\n", take(SIGURG, on_urg));
    } else if (!strcmp(line, "take-urg-signal")) {
        printf("taken before=%s\n", named(signal(SIGURG, on_urg)));
    } else if (!strcmp(line, "take-both")) {
        take(SIGWINCH, on_winch);
        printf("taken before=%s\n", take(SIGURG, on_urg));
    } else if (!strcmp(line, "got")) {
        printf("got urg=%d winch=%d\n", urgs, winches);
    } else if (!strcmp(line, "ask")) {
        const char *urg = asked(SIGURG), *winch = asked(SIGWINCH), *before = named(signal(SIGURG, SIG_DFL));
        printf("ask urg=%s winch=%s signal=%s\n", urg, winch, before);
    } else if (!strcmp(line, "block") || !strcmp(line, "unblock")) {
        block(*line == 'b' ? SIG_BLOCK : SIG_UNBLOCK);
        printf("%sed\n", line);
    } else if (!strcmp(line, "reset")) {
        printf("resetting\n");
        fflush(stdout);
        while (poll(&(struct pollfd){0, POLLIN, 0}, 1, 1) == 0)
            for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
    } else if (!strncmp(line, "exec", 4)) {
        static char *nothing[] = {NULL};
        if (!strcmp(line, "exec-blocked")) block(SIG_BLOCK);
        execve(*self, self, strcmp(line, "exec-bare") ? environ : nothing);
        _exit(3);
    } else if (!strcmp(line, "check")) {
        check();
    } else if (!strcmp(line, "files") || !strncmp(line, "close", 5) || !strcmp(line, "dup2")) {
        close_all(line);
    } else if (!strncmp(line, "vfork-", 6) || !strcmp(line, "posix-spawn") || !strcmp(line, "spawn-missing")) {
        int wrong = 0;
        for (int i = 0; i < 20; i++) wrong += child(line);
        printf("children=20 wrong=%d\n", wrong);
    } else if (!strncmp(line, "set", 3)) {
        const uid_t nobody = 65534;
        int result = setgroups(0, NULL) | setgid(nobody);
        if (!strcmp(line, "setuid")) result |= setuid(nobody);
        else if (!strcmp(line, "setreuid")) result |= setreuid(nobody, nobody);
        else result |= setresuid(nobody, nobody, nobody);
        printf("setuid result=%d\n", result);
    } else if (!strcmp(line, "pthread-exit")) {
        pthread_exit(NULL);
    } else if (!strcmp(line, "pthread-exit-later")) {
        pthread_create(&thread, NULL, end_later, NULL);
        pthread_exit(NULL);
    } else if (!strcmp(line, "raw-exit")) {
        syscall(SYS_exit, 7);
    } else if (!strcmp(line, "inline-exit")) {
        __asm__ volatile("syscall" : : "a"(SYS_exit), "D"(7) : "rcx", "r11", "memory");
    } else if (!strcmp(line, "burn") || !strcmp(line, "malloc-loop") || !strcmp(line, "hold-malloc")) {
        printf("burning\n");
        fflush(stdout);
        held = *line == 'h';
        for (volatile unsigned n = 0;; n++) {
            if (*line == 'm') free(malloc(10 + n % 3000));
            if (held) pause();
        }
    } else if (!strcmp(line, "fork-alarm")) {
        fork_alarm();
    } else {
        printf("unknown %s\n", line);
    }
    if (!strcmp(line, "reset")) printf("reset\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc > 1) open_counters(self[1] = argv[1]);
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    char line[64];
    int length = 0;
    // One byte at a time, and again after an interruption: by the program's own handlers, in `take-…`.
    for (ssize_t got; (got = read(0, line + length, 1)) == 1 || (got < 0 && errno == EINTR);) {
        if (got < 0) continue;
        if (line[length] != '\n') {
            if (length < 62) length++;
            continue;
        }
        line[length] = 0;
        length = 0;
        obey(line);
    }
    return 0;
}
