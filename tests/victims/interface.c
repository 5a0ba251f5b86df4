/*
 * A program that uses the C interface, told on stdin what to call; one line of answer for each line.
 *
 *   -DLINKED  linked with -lmanhole    -DWEAK  weak symbols, for a process that is preloaded    otherwise dlopen of argv[1]; argv[2] becomes
 * LD_PRELOAD before that
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef WEAK
#define MANHOLE_WEAK
#endif
#include "../../packaging/manhole.h"

static manhole_install_t install;
static manhole_uninstall_t uninstall;
static manhole_log_t log_line;
static manhole_dump_t dump;
static manhole_add_command_t add_command;
static manhole_strerror_t error_text;

static void find_interface(const char *path)
{
#if defined(LINKED) || defined(WEAK)
    (void)path;
    install = manhole_install;
    uninstall = manhole_uninstall;
    log_line = manhole_log;
    dump = manhole_dump;
    add_command = manhole_add_command;
    error_text = manhole_strerror;
#else
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        printf("dlopen: %s\n", dlerror());
        exit(1);
    }
    *(void **)&install = dlsym(library, "manhole_install");
    *(void **)&uninstall = dlsym(library, "manhole_uninstall");
    *(void **)&log_line = dlsym(library, "manhole_log");
    *(void **)&dump = dlsym(library, "manhole_dump");
    *(void **)&add_command = dlsym(library, "manhole_add_command");
    *(void **)&error_text = dlsym(library, "manhole_strerror");
#endif
}

static int entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static int mappings(void)
{
    char line[4096];
    int count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, file))
        count++;
    fclose(file);
    return count;
}

/* Handlers, timers and pending signals, as the kernel has them. */
static void traces(char *text, size_t size)
{
    char line[512], timers[8] = "";
    FILE *file = fopen("/proc/self/status", "r");
    text[0] = 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "SigCgt:", 7) || !strncmp(line, "SigBlk:", 7)) {
            line[strcspn(line, "\n")] = 0;
            strncat(text, line + 8, size - strlen(text) - 2);
            strcat(text, " ");
        }
    fclose(file);
    file = fopen("/proc/self/timers", "r");
    if (file) {
        if (fgets(timers, sizeof timers, file))
            strcat(text, "timer");
        fclose(file);
    }
}

static int stats(int argc, char **argv, void *context)
{
    FILE *file = fopen((const char *)context, "w");
    int i;
    for (i = 0; i < argc; i++)
        fprintf(file, "%s|", argv[i]);
    fprintf(file, "%s\n", argv[argc] ? "no end" : "end");
    fclose(file);
    return argc - 1;
}

static int speaks(int argc, char **argv, void *context)
{
    (void)argc, (void)argv, (void)context;
    printf("by stdio\n");
    if (write(1, "by write\n", 9) + write(2, "on stderr\n", 10) != 19)
        return 1;
    return 0;
}

static volatile int released;

static int slow(int argc, char **argv, void *context)
{
    (void)argc, (void)argv, (void)context;
    while (!released)
        usleep(1000);
    released = 0;
    return 5;
}

static int leaves(int argc, char **argv, void *context)
{
    (void)argc, (void)argv, (void)context;
    pthread_exit(NULL);
}

/* What a worker's thread blocks. */
static int mask(int argc, char **argv, void *context)
{
    sigset_t set;
    int signal, open = 0;
    (void)argc, (void)argv, (void)context;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    for (signal = 1; signal <= 64; signal++)
        if (signal != 32 && signal != 33 && signal != SIGKILL && signal != SIGSTOP && !sigismember(&set, signal))
            open++;
    return open;
}

static int deep(int argc, char **argv, void *context)
{
    volatile char room[6 << 20];
    (void)argv, (void)context;
    memset((char *)room, argc, sizeof room);
    return room[4 << 20];
}

static int reinstalls(int argc, char **argv, void *context)
{
    (void)argc, (void)argv, (void)context;
    return install("strict=False, verbose=True") * 10 + dump(2);
}

static pthread_barrier_t barrier;

static void *competitor(void *options)
{
    pthread_barrier_wait(&barrier);
    return (void *)(long)install(options);
}

static volatile int forever = 1;

/* Each has a stack of its own depth, so that a dump shows them one by one. */
static __attribute__((noinline)) void *waiter(void *depth)
{
    if (depth)
        waiter((char *)depth - 1);
    else
        while (forever)
            pause();
    __asm__ volatile("" ::: "memory");
    return depth;
}

static int connects(void)
{
    struct sockaddr_un address = {AF_UNIX, ""};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sprintf(address.sun_path, "/tmp/manhole-%d", getpid());
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Reads what was said until the end of the connection; 1 when that comes. */
static int ends(int fd)
{
    static char all[1 << 20];
    size_t length = 0;
    ssize_t count;
    while ((count = recv(fd, all + length, sizeof all - 1 - length, 0)) > 0)
        length += count;
    all[length] = 0;
    close(fd);
    return count == 0 && (length == 0 || strstr(all, "taken its manhole out") != NULL);
}

static void heard(int signal) { (void)signal; }

static void answer(char *line)
{
    char word[64] = "", rest[512] = "";
    int number = 0;
    sscanf(line, "%63s %511[^\n]", word, rest);
    sscanf(rest, "%d", &number);
    if (!strcmp(word, "install"))
        printf("%d\n", install(*rest ? rest : NULL));
    else if (!strcmp(word, "uninstall"))
        printf("%d\n", uninstall());
    else if (!strcmp(word, "there"))
        printf("%d\n", install != NULL);
    else if (!strcmp(word, "log"))
        printf("%d\n", log_line(strcmp(rest, "NULL") ? rest : NULL));
    else if (!strcmp(word, "log2"))
        printf("%d\n", log_line("first\nsecond\n"));
    else if (!strcmp(word, "error"))
        printf("%s\n", error_text(number));
    else if (!strcmp(word, "count"))
        printf("fd=%d task=%d maps=%d\n", entries("/proc/self/fd"), entries("/proc/self/task"), mappings());
    else if (!strcmp(word, "traces")) {
        char text[256];
        traces(text, sizeof text);
        printf("%s\n", text);
    } else if (!strcmp(word, "own")) { // whether sigaction says of SIGUSR1 what this program has made of it
        struct sigaction action = {.sa_handler = heard, .sa_flags = SA_NODEFER}, now;
        if (!*rest)
            sigaction(SIGUSR1, &action, NULL);
        sigaction(SIGUSR1, NULL, &now);
        printf("%d\n", now.sa_handler == heard && (now.sa_flags & SA_NODEFER) != 0);
    } else if (!strcmp(word, "reinstall")) {
        /* number times, a client connected every tenth time; what went wrong first */
        int i, bad = 0, fd;
        char options[512], *comma = strchr(rest, ' ');
        snprintf(options, sizeof options, "strict=False%s%s", comma ? "," : "", comma ? comma : "");
        for (i = 0; i < number && !bad; i++) {
            int code = install(options);
            if (code)
                bad = 1000 + code;
            else if (i % 10 == 3) {
                fd = connects();
                if (fd < 0)
                    bad = 2000 + errno;
                else if (i % 20 == 3) {
                    char first;
                    /* it is being served */
                    if (recv(fd, &first, 1, 0) != 1)
                        bad = 3000;
                }
                if (!bad && (code = install(options)))
                    bad = 4000 + code;
                else if (!bad && !ends(fd))
                    bad = 5000;
            }
        }
        printf("%d bad=%d\n", i, bad);
    } else if (!strcmp(word, "compete")) {
        pthread_t threads[8];
        int i, ok = 0, other = 0;
        pthread_barrier_init(&barrier, NULL, 8);
        for (i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, competitor, rest);
        for (i = 0; i < 8; i++) {
            void *code;
            pthread_join(threads[i], &code);
            if (code == NULL)
                ok++;
            else if (code != (void *)MANHOLE_ALREADY_INSTALLED && code != (void *)MANHOLE_BUSY)
                other++;
        }
        printf("ok=%d other=%d\n", ok, other);
    } else if (!strcmp(word, "threads")) {
        pthread_t thread;
        while (number--)
            pthread_create(&thread, NULL, waiter, (void *)(long)number);
        printf("ready\n");
    } else if (!strcmp(word, "dump")) {
        int fd = open(rest, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int code;
        if (write(fd, "before\n", 7) != 7)
            exit(2);
        code = dump(fd);
        if (write(fd, "after\n", 6) != 6)
            exit(2);
        close(fd);
        printf("%d\n", code);
    } else if (!strcmp(word, "slowdump")) {
        /* to a full small pipe whose reader takes a little at a time; how much came, and whether the last line did */
        int ends_of_pipe[2], status, nonblocking = number;
        pid_t pid;
        if (pipe2(ends_of_pipe, nonblocking ? O_NONBLOCK : 0))
            exit(2);
        fcntl(ends_of_pipe[1], F_SETPIPE_SZ, 4096);
        pid = fork();
        if (!pid) {
            static char all[1 << 22];
            size_t length = 0;
            ssize_t count;
            close(ends_of_pipe[1]);
            fcntl(ends_of_pipe[0], F_SETFL, 0);
            while ((count = read(ends_of_pipe[0], all + length, 512)) > 0) {
                length += count;
                usleep(200);
            }
            _exit(length > 20000 && strstr(all, "waiter") && strstr(all + length - 200, "#########\n") ? 0 : 1);
        }
        close(ends_of_pipe[0]);
        number = dump(ends_of_pipe[1]);
        close(ends_of_pipe[1]);
        waitpid(pid, &status, 0);
        printf("%d complete=%d\n", number, status == 0);
    } else if (!strcmp(word, "baddump")) {
        int ends_of_pipe[2], first, second;
        if (pipe(ends_of_pipe))
            exit(2);
        close(ends_of_pipe[0]);
        first = dump(ends_of_pipe[1]) == MANHOLE_SYSTEM ? errno : -1;
        second = dump(999) == MANHOLE_SYSTEM ? errno : -1;
        close(ends_of_pipe[1]);
        printf("%d %d\n", first == EPIPE, second == EBADF);
    } else if (!strcmp(word, "add")) {
        static char path[512];
        manhole_command_t function = NULL;
        char name[64] = "", which[64] = "";
        sscanf(rest, "%63s %63s %511s", name, which, path);
        if (!strcmp(which, "speaks"))
            function = speaks;
        else if (!strcmp(which, "stats"))
            function = stats;
        else if (!strcmp(which, "slow"))
            function = slow;
        else if (!strcmp(which, "leaves"))
            function = leaves;
        else if (!strcmp(which, "mask"))
            function = mask;
        else if (!strcmp(which, "deep"))
            function = deep;
        else if (!strcmp(which, "reinstalls"))
            function = reinstalls;
        printf("%d\n", add_command(strcmp(name, "NULL") ? name : NULL, "what it shows\nand more of it", function, path));
    } else if (!strcmp(word, "release")) {
        released = 1;
        printf("released\n");
    } else if (!strcmp(word, "fork")) {
        /* the child does the rest of the lines; the parent waits */
        pid_t pid = fork();
        int status;
        if (pid) {
            waitpid(pid, &status, 0);
            exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
        }
        printf("child %d\n", getpid());
    } else if (!strcmp(word, "nomemory")) {
        struct rlimit before, none;
        int first, second;
        getrlimit(RLIMIT_AS, &before);
        none = before;
        none.rlim_cur = 4096;
        setrlimit(RLIMIT_AS, &none);
        first = install("");
        second = dump(1);
        setrlimit(RLIMIT_AS, &before);
        printf("%d %d\n", first, second);
    } else
        printf("?\n");
}

int main(int argc, char **argv)
{
    char line[1024];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2)
        setenv("LD_PRELOAD", argv[2], 1);
    find_interface(argc > 1 ? argv[1] : NULL);
    printf("ready\n");
    while (fgets(line, sizeof line, stdin))
        answer(line);
    return 0;
}
