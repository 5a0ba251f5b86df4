// No victim: a second preload, which lets system calls of the first one fail.
//
//   LD_PRELOAD="libmanhole.so failing.so" FAILING="NUMBER:ERRNO:FIRST:COUNT" program
//
// The FIRST-th call (from 1) of that number whose instruction lies in libmanhole.so fails with ERRNO, and COUNT in all from there on. The
// constructors of what is preloaded last run first (dl-init.c), so those of libmanhole.so are counted from its very first one. A process
// apart decides on each call (seccomp_unotify(2)); it is nobody's child, has no descriptor of the program's, and ends when the last process
// under the filter has ended.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_up(const char *what) {
    dprintf(2, "failing.so: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void decide(int listener, int error, long first, long count) {
    struct seccomp_notif_sizes sizes;
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes)) _exit(98);
    struct seccomp_notif *asked = malloc(sizes.seccomp_notif);
    struct seccomp_notif_resp *answer = malloc(sizes.seccomp_notif_resp);
    for (long n = 1;; n++) {
        struct pollfd wait = {listener, POLLIN, 0};
        if (poll(&wait, 1, -1) < 0 || wait.revents & (POLLHUP | POLLERR)) _exit(0);
        memset(asked, 0, sizes.seccomp_notif);
        memset(answer, 0, sizes.seccomp_notif_resp);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, asked)) {
            n--; // interrupted, or the caller has been killed
            continue;
        }
        answer->id = asked->id;
        if (asked->data.nr == SYS_futex && (asked->data.args[1] & FUTEX_CMD_MASK) != FUTEX_WAIT) {
            n--; // to wake neither waits nor fails (futex(2))
            answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
            ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, answer);
            continue;
        }
        if (n >= first && n - first < count)
            answer->error = -error;
        else
            answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, answer);
    }
}

static int received(int socket) {
    char byte, room[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    int fd = -1;
    if (recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message)) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void send_over(int socket, int fd) {
    char byte = 0, room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(socket, &message, 0) != 1) give_up("sendmsg");
}

// Where the code of libmanhole.so is.
static void code(uint64_t *start, uint64_t *end) {
    char line[4096], access[8];
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps) give_up("maps");
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "libmanhole.so") && sscanf(line, "%lx-%lx %7s", start, end, access) == 3 && access[2] == 'x') break;
    fclose(maps);
    if (!*end) give_up("no libmanhole.so");
    // A filter compares halves of 64 bits; of code that lies across a multiple of 4 GiB, only the larger part counts.
    uint64_t border = (*end - 1) >> 32 << 32;
    if (border > *start) border - *start > *end - border ? (*end = border) : (*start = border);
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAILING");
    int number, error, pair[2];
    long first, count;
    if (!text || sscanf(text, "%d:%d:%ld:%ld", &number, &error, &first, &count) != 4) return;
    unsetenv("FAILING"); // what it executes is not meant
    uint64_t start = 0, end = 0;
    code(&start, &end);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) give_up("socketpair");
    pid_t child = fork();
    if (child == 0) {
        if (fork()) _exit(0);
        int listener = received(pair[0]);
        if (listener != 3) dup2(listener, 3), listener = 3;
        close_range(4, ~0u, 0);
        close(0), close(1), close(2);
        decide(listener, error, first, count);
    }
    waitpid(child, NULL, 0);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, start >> 32, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)start, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(end - 1), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) give_up("no_new_privs");
    int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) give_up("seccomp");
    send_over(pair[1], listener);
    close(listener), close(pair[0]), close(pair[1]);
}
