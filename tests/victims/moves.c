// A host that moves: to another root, into other namespaces, to other rights, to tight limits. Prints `ready pid=N`, then does what each line says
// and answers in one line.
//
//   root DIR          chroot(2) to DIR and to its /                             `root result=R`
//   jail DIR          goes there as another user, and tries to get out by each descriptor   `jail found=N out=N`
//   unmount DIR       pivot_root(2) to DIR, where proc(5) is mounted; then umount(2) of the old root's   `unmount result=E`
//   pivot DIR         a mount namespace in which DIR is a mount and the root     `pivot result=R`
//   unshare WHAT      user, mount, pid, net, ipc or uts, by unshare(2)           `unshare result=R`
//   rights            in every order: PR_SET_KEEPCAPS, securebits, setgroups, setresgid, setresuid (to 65534), capset; each order in a child
//                     of its own                                                 `rights orders=N wrong=N`
//   undumpable        prctl(PR_SET_DUMPABLE, 0)                                  `undumpable result=R`
//   busy DIR          a tmpfs is mounted there; umount(2) after a session        `busy result=E`, the error number
//   locked            mlockall(2) of all that is and comes, under the limit of argv[2] bytes; then maps 64 KiB   `locked result=R mapped=R`
//   daemon            daemon(3), and again; the last child goes on               `daemon pid=N`
//   child DIR         a child goes to the root DIR at once, and stays              `child pid=N result=R`
//   leave             the last such child is killed, and the process ends by _exit(2), status 0
//   spawn PROGRAM     fork and exec, with PATH and environment as they are       `spawn status=S`
//
// The end of the input ends it by exit(3), status 0.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int pivot(const char *directory) {
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) return -1;
    if (mount(directory, directory, NULL, MS_BIND | MS_REC, NULL) || chdir(directory)) return -1;
    // The old root lies over the new one, and goes (pivot_root(2)).
    if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH)) return -1;
    return chdir("/");
}

// Goes there as another user, and looks how many descriptors are directories, and how many of those lead out of the root.
static void jail(const char *directory) {
    int found = 0, out = 0;
    if (chdir(directory) || chroot(".") || chdir("/") || setgroups(0, NULL) || setgid(65534) || setuid(65534)) _exit(99);
    for (int n = 3; n < 1024; n++) {
        if (fchdir(n)) continue;
        found++;
        out += chdir("..") == 0 && access("etc/passwd", F_OK) == 0;
        if (chdir("/")) _exit(98);
    }
    printf("jail found=%d out=%d\n", found, out);
}

// To a root that has its /proc, with the old one below it, whose /proc is to be unmounted then.
static int unmounts(const char *directory) {
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) return -1;
    if (mount(directory, directory, NULL, MS_BIND | MS_REC, NULL) || chdir(directory)) return -2;
    if ((mkdir("old", 0755) && errno != EEXIST) || (mkdir("proc", 0755) && errno != EEXIST)) return -3;
    if (mount("proc", "proc", "proc", 0, NULL) || syscall(SYS_pivot_root, ".", "old") || chdir("/")) return -4;
    return umount2("/old/proc", 0) ? errno : 0;
}

static int capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    data[0].permitted = data[0].effective = 1 << CAP_NET_BIND_SERVICE;
    return syscall(SYS_capset, &header, data);
}

static int keep(void) { return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0); }
static int secure(void) { return prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0); }
static int groups(void) { return setgroups(0, NULL); }
static int group(void) { return setresgid(65534, 65534, 65534); }
static int user(void) { return setresuid(65534, 65534, 65534); }
static int (*const steps[])(void) = {keep, secure, groups, group, user, capabilities};
enum { STEPS = sizeof steps / sizeof *steps };

// What the steps answer in this order, and what user and group are in the end. Some orders fail, and must fail in the same way.
static unsigned answers(const int *order) {
    unsigned answer = 0;
    for (int n = 0; n < STEPS; n++) answer = answer * 2 + (steps[order[n]]() != 0);
    return answer * 4 + (getuid() == 65534) * 2 + (getgid() == 65534);
}

static void rights(void) {
    int order[STEPS], orders = 0, wrong = 0;
    FILE *all = tmpfile();
    for (int code = 0; code < STEPS * STEPS * STEPS * STEPS * STEPS * STEPS; code++) {
        int seen = 0, rest = code;
        for (int n = 0; n < STEPS; n++, rest /= STEPS) seen |= 1 << (order[n] = rest % STEPS);
        if (seen != (1 << STEPS) - 1) continue;
        orders++;
        fflush(all);
        pid_t child = fork();
        if (child == 0) {
            // The manhole of this child comes before its rights go.
            usleep(2000);
            unsigned answer = answers(order);
            dprintf(fileno(all), "%d %u\n", code, answer);
            _exit(0);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status) wrong++;
    }
    rewind(all);
    unsigned sum = 0, answer;
    int code;
    while (fscanf(all, "%d %u", &code, &answer) == 2) sum = sum * 31 + code * 257 + answer;
    fclose(all);
    printf("rights orders=%d wrong=%d sum=%u\n", orders, wrong, sum);
}

int main(int count, char **arguments) {
    char line[4096];
    pid_t child = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready pid=%d\n", getpid());
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *what = strchr(line, ' ');
        if (what) *what++ = 0;
        if (!strcmp(line, "root")) {
            int result = chroot(what) || chdir("/");
            printf("root result=%d\n", result);
        } else if (!strcmp(line, "child")) {
            child = fork();
            if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                int result = chroot(what) || chdir("/");
                printf("child pid=%d result=%d\n", getpid(), result);
                for (;;) pause();
            }
        } else if (!strcmp(line, "leave")) {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
            _exit(0);
        } else if (!strcmp(line, "jail")) {
            jail(what);
        } else if (!strcmp(line, "unmount")) {
            printf("unmount result=%d\n", unmounts(what));
        } else if (!strcmp(line, "pivot")) {
            int result = pivot(what);
            printf("pivot result=%d\n", result);
        } else if (!strcmp(line, "unshare")) {
            const struct { const char *name; int flag; } all[] = {{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},
                                                                  {"net", CLONE_NEWNET}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}};
            int result = -2;
            for (unsigned n = 0; n < sizeof all / sizeof *all; n++)
                if (!strcmp(all[n].name, what)) result = unshare(all[n].flag);
            printf("unshare result=%d\n", result);
        } else if (!strcmp(line, "rights")) {
            rights();
        } else if (!strcmp(line, "undumpable")) {
            int result = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
            printf("undumpable result=%d\n", result);
        } else if (!strcmp(line, "busy")) {
            printf("busy result=%d\n", umount(what) ? errno : 0);
        } else if (!strcmp(line, "locked")) {
            rlim_t bytes = count > 1 ? strtoul(arguments[1], NULL, 10) : 0;
            struct rlimit limit = {bytes, bytes};
            setrlimit(RLIMIT_MEMLOCK, &limit);
            int result = mlockall(MCL_CURRENT | MCL_FUTURE);
            void *mapped = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            printf("locked result=%d mapped=%d\n", result, mapped != MAP_FAILED);
        } else if (!strcmp(line, "daemon")) {
            if (daemon(1, 1) || daemon(1, 1)) return 1;
            printf("daemon pid=%d\n", getpid());
        } else if (!strcmp(line, "spawn")) {
            int status = -1;
            pid_t child = fork();
            if (child == 0) {
                execlp(what, what, (char *)NULL);
                _exit(127);
            }
            waitpid(child, &status, 0);
            printf("spawn status=%d\n", status);
        }
    }
}
