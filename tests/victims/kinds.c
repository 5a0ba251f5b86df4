// Threads of every kind that is hard to capture, one each. Each is named (prctl) after its kind.
//
//   kinds [zombie-leader] [no-vfork]
//
// With zombie-leader the main thread ends by pthread_exit and another thread waits for stdin. no-vfork leaves out
// vfork_parent: gdb waits for ever when it attaches to a thread in state D.
//
//   blocked_spin   all signals blocked, spinning           vfork_parent   waiting in vfork for a child that sleeps (D)
//   in_handler     blocked inside a signal handler         alt_handler    the same on an alternate stack
//   coroutine      blocked on a ucontext with a 16 KiB stack   deep       100,000 frames, blocked
//   tiny_stack     PTHREAD_STACK_MIN, blocked              alloca_frames  alloca, VLA and over-aligned frames, blocked
//   spin           running, nothing blocked                on_alt_stack   blocked in a handler on a small own stack
//   handler_in_call  a handler that interrupted read()
//
// Prints `thread NAME TID` for each, then `ready pid=N threads=N`, and ends at the end of stdin.
#define _GNU_SOURCE
#include <alloca.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define FRAME __attribute__((noinline))
static volatile int up;
static volatile pid_t tiny_tid;
static int never[2];            // a pipe that nobody writes to
static volatile pid_t vfork_child;

static void arrive(void) { __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST); }
static void announce(const char *name) {
    prctl(PR_SET_NAME, name);
    printf("thread %s %ld\n", name, syscall(SYS_gettid));
    fflush(stdout);
}
FRAME static long block(void) {
    char byte;
    arrive();
    long r = read(never[0], &byte, 1);
    __asm__ volatile("" ::: "memory"); // no tail call
    return r;
}

static void *blocked_spin(void *name) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    announce(name);
    arrive();
    for (volatile unsigned long i = 0;; i++) {}
    return name;
}
static void *spin(void *name) {
    announce(name);
    arrive();
    for (volatile unsigned long i = 0;; i++) {}
    return name;
}
static void *vfork_parent(void *name) {
    announce(name);
    arrive();
    // A raw vfork: the parent stays in state D until the child has exited.
    pid_t child = vfork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        vfork_child = syscall(SYS_getpid);
        for (;;) syscall(SYS_pause);
    }
    return NULL;
}

FRAME static void in_handler_inner(void) { block(); __asm__ volatile(""); }
static void handler(int signal) { (void)signal; in_handler_inner(); __asm__ volatile(""); }
FRAME static void raise_here(int signal) { pthread_kill(pthread_self(), signal); __asm__ volatile(""); }
static void *in_handler(void *name) {
    announce(name);
    raise_here(SIGUSR1);
    return NULL;
}
static void *alt_handler(void *name) {
    announce(name);
    stack_t stack = {.ss_size = 65536};
    stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaltstack(&stack, NULL);
    raise_here(SIGUSR2);
    return NULL;
}
static void *on_alt_stack(void *name) { // SIGSTKSZ-small, as runtimes like to have it
    announce(name);
    stack_t stack = {.ss_size = 16384};
    stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaltstack(&stack, NULL);
    raise_here(SIGUSR2);
    return NULL;
}
FRAME static long read_until_signal(void) {
    char byte;
    long r = read(never[0], &byte, 1);
    __asm__ volatile("" ::: "memory");
    return r;
}
static volatile pid_t to_interrupt;
static void *handler_in_call(void *name) {
    announce(name);
    to_interrupt = syscall(SYS_gettid);
    read_until_signal(); // main sends SIGUSR1
    return NULL;
}

static ucontext_t outside, coroutine_context;
FRAME static void coroutine_inner(int depth) {
    if (depth) coroutine_inner(depth - 1);
    else block();
    __asm__ volatile("");
}
static void coroutine_main(void) { coroutine_inner(3); __asm__ volatile(""); }
static void *coroutine(void *name) {
    announce(name);
    char *memory = mmap(NULL, 4096 + 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory, 4096, PROT_NONE);
    getcontext(&coroutine_context);
    coroutine_context.uc_stack.ss_sp = memory + 4096;
    coroutine_context.uc_stack.ss_size = 16384;
    coroutine_context.uc_link = &outside;
    makecontext(&coroutine_context, coroutine_main, 0);
    swapcontext(&outside, &coroutine_context);
    return NULL;
}

FRAME static long descend(int depth) {
    long r = depth ? descend(depth - 1) : block();
    __asm__ volatile("" : "+r"(r)); // a real frame at every depth
    return r + depth;
}
static void *deep(void *name) {
    announce(name);
    descend(100000 - 1);
    return NULL;
}
static void *tiny_stack(void *name) { // stdio on this stack would be brave
    prctl(PR_SET_NAME, name);
    tiny_tid = syscall(SYS_gettid);
    block();
    return NULL;
}
FRAME static long aligned_frame(void) {
    _Alignas(256) char much[512];
    memset(much, 1, sizeof much);
    __asm__ volatile("" ::"r"(much) : "memory");
    return block() + much[3];
}
FRAME static long vla_frame(int n) {
    char much[n];
    memset(much, 2, n);
    __asm__ volatile("" ::"r"(much) : "memory");
    return aligned_frame() + much[n - 1];
}
FRAME static long alloca_frame(int n) {
    char *much = alloca(n);
    memset(much, 3, n);
    __asm__ volatile("" ::"r"(much) : "memory");
    return vla_frame(n / 3) + much[n - 1];
}
static void *alloca_frames(void *name) {
    announce(name);
    alloca_frame(1000 + getpid() % 100);
    return NULL;
}

static void start(void *(*body)(void *), const char *name, size_t stack) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    if (stack) pthread_attr_setstacksize(&attributes, stack);
    if (pthread_create(&thread, &attributes, body, (void *)name)) _exit(3);
}

static void *until_the_end(void *name) { // as a thread of its own it has a name
    if (name) {
        announce(name);
        arrive();
    }
    char line[64];
    while (read(0, line, sizeof line) > 0) {}
    if (vfork_child) kill(vfork_child, SIGKILL);
    _exit(0);
}

int main(int argc, char **argv) {
    int zombie_leader = 0, with_vfork = 1;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "zombie-leader")) zombie_leader = 1;
        if (!strcmp(argv[i], "no-vfork")) with_vfork = 0;
    }
    if (pipe(never)) return 3;
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR2, &action, NULL);
    start(blocked_spin, "blocked_spin", 0);
    start(spin, "spin", 0);
    start(in_handler, "in_handler", 0);
    start(alt_handler, "alt_handler", 0);
    start(on_alt_stack, "on_alt_stack", 0);
    start(handler_in_call, "handler_in_call", 0);
    start(coroutine, "coroutine", 0);
    start(deep, "deep", 64 << 20);
    start(alloca_frames, "alloca_frames", 0);
    pthread_attr_t tiny;
    pthread_t thread;
    pthread_attr_init(&tiny);
    pthread_attr_setstacksize(&tiny, PTHREAD_STACK_MIN);
    if (pthread_create(&thread, &tiny, tiny_stack, (void *)"tiny_stack")) return 3;
    if (with_vfork) start(vfork_parent, "vfork_parent", 0);
    // All but handler_in_call arrive by themselves; it is sent its signal once it is blocked in read.
    while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < 9 + with_vfork || !to_interrupt || (with_vfork && !vfork_child) || !tiny_tid) usleep(1000);
    for (;;) {
        char path[64], state[256] = {0};
        snprintf(path, sizeof path, "/proc/self/task/%d/syscall", to_interrupt);
        FILE *file = fopen(path, "r");
        if (file && fgets(state, sizeof state, file) && !strncmp(state, "0 ", 2)) { fclose(file); break; }
        if (file) fclose(file);
        usleep(1000);
    }
    syscall(SYS_tgkill, getpid(), to_interrupt, SIGUSR1);
    while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < 10 + with_vfork) usleep(1000);
    printf("thread tiny_stack %d\n", tiny_tid);
    int threads = 11 + with_vfork;
    if (zombie_leader) {
        start(until_the_end, "stdin", 0);
        threads++;
        while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < 11 + with_vfork) usleep(1000);
    }
    printf("ready pid=%d threads=%d vfork_child=%d\n", getpid(), threads, vfork_child);
    fflush(stdout);
    if (zombie_leader) pthread_exit(NULL);
    until_the_end(NULL);
}
