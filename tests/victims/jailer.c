// Makes a child that shares its memory and has thread-local storage of zeroes, and goes to another root: what Chromium's sandbox does.
//
// Prints `child status=S root=R`: how the child has ended (wait(2)), and what it was told.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[64 << 10] __attribute__((aligned(16)));
static char storage[16 << 10] __attribute__((aligned(16)));
static volatile long result = -1;

static int child(void *unused) {
    (void)unused;
    result = syscall(SYS_chroot, "/proc/self/fdinfo/");
    syscall(SYS_exit_group, 5);
    return 0;
}

int main(void) {
    // The child has a root of its own: without CLONE_FS.
    int flags = CLONE_VM | CLONE_VFORK | CLONE_SETTLS | SIGCHLD;
    pid_t pid = clone(child, stack + sizeof stack, flags, NULL, NULL, storage + sizeof storage / 2, NULL);
    int status = -1;
    waitpid(pid, &status, 0);
    printf("child status=%#x root=%ld\n", status, result);
    return 0;
}
