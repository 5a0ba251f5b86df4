// Holds the locks of libc and the loader for ever, each in a thread that is stopped in the middle of an ordinary call.
//
//   locks NAME...      NAME: malloc stdio loader phdr env atfork, or `all`; or `preloaded`, the lock of an allocator that is preloaded
//
// Built three ways from this file:
//   locks          with a malloc of its own (a mutex around a static heap): `malloc` stops inside it
//   locks_glibc    -DGLIBC_MALLOC: glibc's malloc, or the one that is preloaded; `malloc` stops a thread at its brk system call, main_arena
//                  locked; `preloaded` stops threads at random in calls of malloc, until one of them has the lock
//   locks_plugin.so  -DPLUGIN: the shared object whose constructor does not return (for `loader`)
//
// Prints `ready pid=N threads=N` with write(2), as stdio may be locked, and ends at the end of stdin with _exit.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef PLUGIN
extern void locks_block(void);
__attribute__((constructor)) static void never_returns(void) { locks_block(); }
#else

static volatile int held;   // how many locks are held by now
static int never[2];        // a pipe that nobody writes to

__attribute__((noinline)) void locks_block(void) {
    char byte;
    __atomic_add_fetch(&held, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        if (read(never[0], &byte, 1) < 0 && errno != EINTR) _exit(3);
    }
}

#ifndef GLIBC_MALLOC
// A simple allocator, as programs bring their own. `stop_inside` stops the calling thread with the mutex held;
// `stop_before` without it, to be stopped inside whatever called malloc.
static pthread_mutex_t heap_mutex = PTHREAD_MUTEX_INITIALIZER;
static char heap[64 << 20] __attribute__((aligned(64)));
static size_t used;
static __thread int stop_inside, stop_before;

static void *take(size_t alignment, size_t size) {
    if (stop_before) locks_block();
    pthread_mutex_lock(&heap_mutex);
    if (stop_inside) locks_block();
    if (alignment < 16) alignment = 16;
    size_t at = (used + 16 + alignment - 1) / alignment * alignment;
    void *block = NULL;
    if (at + size <= sizeof heap) {
        used = at + size;
        *(size_t *)(heap + at - 16) = size;
        block = heap + at;
    }
    pthread_mutex_unlock(&heap_mutex);
    if (!block) errno = ENOMEM;
    return block;
}
void *malloc(size_t size) { return take(16, size); }
void free(void *block) {
    if (!block) return;
    if (stop_before) locks_block();
    pthread_mutex_lock(&heap_mutex); // nothing is given back, but the lock is taken as a real one does
    if (stop_inside) locks_block();
    pthread_mutex_unlock(&heap_mutex);
}
void *calloc(size_t n, size_t size) {
    void *block = take(16, n * size);
    if (block) memset(block, 0, n * size);
    return block;
}
void *realloc(void *old, size_t size) {
    void *block = take(16, size);
    if (block && old) {
        size_t before = *(size_t *)((char *)old - 16);
        memcpy(block, old, before < size ? before : size);
    }
    return block;
}
void *memalign(size_t alignment, size_t size) { return take(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return take(alignment, size); }
int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = take(alignment, size);
    return *block ? 0 : ENOMEM;
}
#endif

// Each holder waits for its turn, which the main thread gives by writing a byte.
static int turns[8][2];
static void wait_for_turn(int n) {
    char byte;
    if (read(turns[n][0], &byte, 1) != 1) _exit(3);
}

static void *hold_stdio(void *n) {
    wait_for_turn((intptr_t)n);
    flockfile(stdout);
    flockfile(stderr);
    flockfile(stdin);
    locks_block();
    return NULL;
}
static volatile pid_t flusher;
static void *hold_stdio_list(void *n) { // takes the list of all streams, then waits for a locked one
    wait_for_turn((intptr_t)n);
    flusher = syscall(SYS_gettid);
    fflush(NULL);
    return NULL;
}
static void *hold_loader(void *n) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    if (length < 0) _exit(3);
    path[length] = 0;
    strcpy(strrchr(path, '/'), "/locks_plugin.so");
    wait_for_turn((intptr_t)n);
    if (!dlopen(path, RTLD_NOW)) _exit(4);
    return NULL;
}
static int callback(struct dl_phdr_info *info, size_t size, void *data) {
    (void)info, (void)size, (void)data;
    locks_block();
    return 0;
}
static void *hold_phdr(void *n) {
    wait_for_turn((intptr_t)n);
    dl_iterate_phdr(callback, NULL);
    return NULL;
}
static void *hold_env(void *n) {
    wait_for_turn((intptr_t)n);
#ifdef GLIBC_MALLOC
    _exit(5); // main says so before
#else
    stop_before = 1;
    setenv("HELD", "a value that needs memory", 1);
#endif
    return NULL;
}
static __thread int i_fork;
static void prepare(void) {
    if (i_fork) locks_block();
}
static void *hold_atfork(void *n) {
    wait_for_turn((intptr_t)n);
    i_fork = 1;
    fork();
    return NULL;
}
#ifdef GLIBC_MALLOC
static void trapped(int signal) { (void)signal; locks_block(); }
#endif
static void *hold_malloc(void *n) {
    wait_for_turn((intptr_t)n);
#ifdef GLIBC_MALLOC
    // brk traps in this thread only: malloc calls it with the arena's lock held, and the handler does not return.
    struct sigaction action = {.sa_handler = trapped};
    sigaction(SIGSYS, &action, NULL);
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_brk, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) _exit(5);
    for (;;) *(volatile char *)malloc(100000) = 1;
#else
    stop_inside = 1;
    free(malloc(100));
    return NULL;
#endif
}

#ifdef GLIBC_MALLOC
enum { ALLOCATING = 4, TRIES = 3000 };
static int gates[ALLOCATING][2], on[2];
static volatile int is_stopped;
static volatile unsigned long allocations; // of the thread that tells whether the lock is free

static void stops(int signal) {
    char byte;
    (void)signal;
    __atomic_add_fetch(&is_stopped, 1, __ATOMIC_SEQ_CST);
    while (read(on[0], &byte, 1) != 1) {}
}
static void use_memory(size_t size) { // of sizes that no thread keeps for itself
    char *block = malloc(size);
    if (!block) _exit(6);
    *(volatile char *)block = 1;
    free(block);
}
static void *allocate(void *gate) {
    char byte;
    if (read(*(int *)gate, &byte, 1) != 1) _exit(3);
    for (size_t size = 300000;; size = size * 5 / 4 % 3000000 + 300000) use_memory(size);
}
static void *tell(void *n) {
    (void)n;
    for (;; allocations++) use_memory(300000 + allocations % 7 * 100000);
}
static void *hold_preloaded(void *n) {
    struct sigaction action = {.sa_handler = stops};
    pthread_t threads[ALLOCATING], teller;
    sigaction(SIGUSR1, &action, NULL);
    // All threads begin now: that needs memory too.
    if (pipe(on)) _exit(3);
    for (int i = 0; i < ALLOCATING; i++)
        if (pipe(gates[i]) || pthread_create(&threads[i], NULL, allocate, &gates[i][0])) _exit(3);
    if (pthread_create(&teller, NULL, tell, NULL)) _exit(3);
    wait_for_turn((intptr_t)n);
    for (int i = 0; i < ALLOCATING; i++)
        if (write(gates[i][1], "x", 1) != 1) _exit(3);
    for (int i = 0; i < TRIES; i++) {
        usleep(500 + i % 100 * 17);
        pthread_kill(threads[i % ALLOCATING], SIGUSR1);
        while (is_stopped <= i) usleep(100);
        unsigned long before = allocations;
        for (int waited = 0; waited < 500 && allocations == before; waited++) usleep(1000);
        if (allocations == before) locks_block();
        // It did not have the lock, and goes on.
        if (write(on[1], "x", 1) != 1) _exit(3);
    }
    _exit(7); // no thread was stopped with the lock
}
#endif

// Malloc last: the others may need it on their way.
static const struct { const char *name; void *(*hold)(void *); } holders[] = {
    {"loader", hold_loader}, {"phdr", hold_phdr}, {"env", hold_env},      {"stdio", hold_stdio},
    {"stdio", hold_stdio_list}, {"atfork", hold_atfork}, {"malloc", hold_malloc},
#ifdef GLIBC_MALLOC
    {"preloaded", hold_preloaded},
#endif
};
enum { HOLDERS = sizeof holders / sizeof *holders };

static void wait_until_blocked(pid_t tid) { // in a futex: waiting for the stream that another thread holds
    for (;;) {
        char path[64], call[16] = {0};
        snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
        int fd = open(path, O_RDONLY);
        if (fd >= 0 && read(fd, call, 15) > 3 && !strncmp(call, "202 ", 4)) { close(fd); return; }
        close(fd);
        usleep(1000);
    }
}

int main(int argc, char **argv) {
    int wanted = 0, threads = 1, all = argc > 1 && !strcmp(argv[1], "all");
    if (pipe(never)) return 3;
    mallopt(M_ARENA_MAX, 1); // so that there is one lock, which everybody needs
    pthread_atfork(prepare, NULL, NULL);
    int chosen[HOLDERS] = {0};
    for (int i = 0; i < HOLDERS; i++) {
        for (int a = 1; a < argc; a++) chosen[i] |= !strcmp(argv[a], holders[i].name);
        chosen[i] |= all && strcmp(holders[i].name, "preloaded");
#ifdef GLIBC_MALLOC
        if (!strcmp(holders[i].name, "env")) chosen[i] = 0;
#endif
        if (!chosen[i]) continue;
        pthread_t thread;
        if (pipe(turns[i]) || pthread_create(&thread, NULL, holders[i].hold, (void *)(intptr_t)i)) return 3;
        threads++;
    }
    for (int i = 0; i < HOLDERS; i++) {
        if (!chosen[i]) continue;
        if (write(turns[i][1], "x", 1) != 1) return 3;
        if (holders[i].hold == hold_stdio_list) {
            while (!flusher) usleep(1000);
            wait_until_blocked(flusher);
            continue;
        }
        wanted++;
        while (__atomic_load_n(&held, __ATOMIC_SEQ_CST) < wanted) usleep(1000);
    }
    char line[64];
    int length = snprintf(line, sizeof line, "ready pid=%d threads=%d\n", getpid(), threads);
    if (write(1, line, length) != length) return 3;
    while (read(0, line, sizeof line) > 0) {}
    _exit(0);
}
#endif
