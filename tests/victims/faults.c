// Dies of a signal, in the way and in the thread that the arguments name, at the first line of stdin.
//
//   faults KIND main|thread
//
//   segv      reads address 0x10                       readonly  writes to a page that may only be read
//   bus       reads a mapping behind the end of its file         fpe       divides by zero
//   ill       executes ud2                             abrt      calls abort()
//   sys       makes a system call that a filter traps  kill      waits: the signal comes from outside
//   overflow  recurses until the stack is used up      both      reads address 0x10 in two threads at once
//   overflow-tiny, overflow-large                                the same by frames of some 50 bytes, and of more than a guard has
//   recover   50 times reads address 0x10, with a SIGSEGV handler of its own that jumps out: `recovered=50`, status 0
//
// Prints `ready pid=N tid=T`, with the thread that will do it, then `address=0xA`, where the fault will be. The limit on core
// dumps is lifted.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *kind;
static char *volatile place = (char *)0x10;
static volatile int seven = 7, zero, sink;
static sigjmp_buf out;
static int go[2], told[2];

__attribute__((noinline)) static void faulting_read(void) { sink = *place; sink++; }
__attribute__((noinline)) static void faulting_write(void) { *place = 1; sink++; }
__attribute__((noinline)) static void faulting_division(void) { sink = seven / zero; sink++; }
__attribute__((noinline)) static void faulting_instruction(void) {
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __builtin_trap();
#endif
    sink++;
}
__attribute__((noinline)) static void faulting_abort(void) { sink++; abort(); }
__attribute__((noinline)) static void faulting_call(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(3);
    syscall(SYS_getppid);
    sink++;
}
__attribute__((noinline)) static int faulting_recursion(int depth) {
    volatile char room[1000];
    room[depth % 1000] = (char)depth;
    int below = faulting_recursion(depth + 1);
    return below + room[depth % 1000];
}
__attribute__((noinline)) static int tiny_recursion(int depth) {
    volatile char room[24];
    room[0] = (char)depth;
    return tiny_recursion(depth + 1) + room[0];
}
__attribute__((noinline)) static int large_recursion(int depth) {
    volatile char room[20000];
    room[0] = (char)depth;
    return large_recursion(depth + 1) + room[0];
}
__attribute__((noinline)) static void waiting(void) {
    for (;;) pause();
}

static void jump_out(int number) {
    (void)number;
    siglongjmp(out, 1);
}
static void recover(void) {
    static volatile int recovered;
    struct sigaction action = {.sa_handler = jump_out};
    sigaction(SIGSEGV, &action, NULL);
    for (volatile int i = 0; i < 50; i++) {
        if (sigsetjmp(out, 1)) recovered++;
        else faulting_read();
    }
    printf("recovered=%d\n", recovered);
    fflush(stdout);
}

static void act(void) {
    if (!strcmp(kind, "segv") || !strcmp(kind, "both") || !strcmp(kind, "bus")) faulting_read();
    if (!strcmp(kind, "readonly")) faulting_write();
    if (!strcmp(kind, "fpe")) faulting_division();
    if (!strcmp(kind, "ill")) faulting_instruction();
    if (!strcmp(kind, "abrt")) faulting_abort();
    if (!strcmp(kind, "sys")) faulting_call();
    if (!strcmp(kind, "overflow")) sink = faulting_recursion(1);
    if (!strcmp(kind, "overflow-tiny")) sink = tiny_recursion(1);
    if (!strcmp(kind, "overflow-large")) sink = large_recursion(1);
    if (!strcmp(kind, "kill")) waiting();
    if (!strcmp(kind, "recover")) recover();
}
static void *other(void *nothing) {
    char byte;
    int tid = syscall(SYS_gettid);
    if (write(told[1], &tid, sizeof tid) != sizeof tid || read(go[0], &byte, 1) != 1) _exit(3);
    act();
    return nothing;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    kind = argv[1];
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &limit);
    if (!strcmp(kind, "readonly")) place = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!strcmp(kind, "bus")) {
        int fd = memfd_create("short", MFD_CLOEXEC);
        place = (char *)mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0) + 4096 + 64;
        close(fd);
    }
    int threads = !strcmp(kind, "both") ? 2 : !strcmp(argv[2], "thread"), tid = getpid();
    pthread_t ids[2];
    if (pipe(go) || pipe(told)) return 3;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, other, NULL) || read(told[0], &tid, sizeof tid) != sizeof tid) return 3;
    printf("ready pid=%d tid=%d\naddress=0x%lx\n", getpid(), tid, (unsigned long)place);
    fflush(stdout);
    char byte;
    if (read(0, &byte, 1) != 1) return 0;
    if (threads) {
        if (write(go[1], "gg", threads) != threads) return 3;
        for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    } else {
        act();
    }
    return 0;
}
