// A process that shows clients what they look for from outside, in place of an agent: a libmanhole.so that is mapped,
// handlers, blocked signals, a mark that names a handler, a listening socket that raises a signal.
//
//   awaits WORD...      prints `ready pid=N` and ends at the end of stdin
//
//   library=FILE        maps FILE, whose name is to end in libmanhole.so
//   catch, ignore, block, late    what it does with SIGUSR2; `late` catches it 300 ms after `ready`
//   opens               the handler of SIGUSR2 opens a manhole and serves there
//   mark                publishes app_on_usr2 as the successor of the agent's handler of SIGUSR2
//   leaves              goes on in a second thread, when the first one has ended
//   threads             has a second thread, with the mask of the first
//   asleep              has a socket that raises SIGURG, whose handler looks after the socket and serves
//   lost                removes that socket's file; `closed` the descriptor too
//   urgblock            blocks SIGURG
//   urgmark             publishes app_on_usr2 as its handler
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int listener = -1;
static char path[64];

static void bind_again(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    unlink(path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 5);
    struct f_owner_ex owner = {F_OWNER_PID, getpid()};
    fcntl(listener, F_SETOWN_EX, &owner);
    fcntl(listener, F_SETSIG, SIGURG);
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_ASYNC);
}

// A hello, and `PID` as the answer to each line.
static void serve(int client) {
    char text[4096];
    int length = snprintf(text, sizeof text, "{\"hello\":{\"protocol\":1,\"pid\":%d,\"uid\":%d,\"program\":\"awaits\"}}\n",
                          getpid(), (int)geteuid());
    FILE *lines = fdopen(client, "r");
    // A client that has given up meanwhile must not end the process by SIGPIPE.
    if (send(client, text, length, MSG_NOSIGNAL) != length) return (void)(lines ? fclose(lines) : close(client));
    while (lines && fgets(text, sizeof text, lines)) {
        char *id = strstr(text, "\"id\":");
        if (!id) continue;
        int number = atoi(id + 5);
        char answer[256];
        length = snprintf(answer, sizeof answer, "{\"id\":%d,\"text\":\"I am %d\\n\"}\n{\"id\":%d,\"done\":\"ok\"}\n", number,
                          getpid(), number);
        if (send(client, answer, length, MSG_NOSIGNAL) != length) break;
    }
    if (lines) fclose(lines);
}

static void on_urg(int signal) {
    (void)signal;
    struct stat found;
    if (listener < 0 || stat(path, &found)) {
        if (listener >= 0) close(listener);
        bind_again();
    }
    // Several connections may have raised one signal.
    for (int client; (client = accept(listener, 0, 0)) >= 0;) serve(client);
}

__attribute__((noinline)) void app_on_usr2(int signal) { (void)signal; }

static void open_on_usr2(int signal) {
    (void)signal;
    bind_again();
    fcntl(listener, F_SETFL, 0);
    int client = accept(listener, 0, 0);
    if (client >= 0) serve(client);
}

static void mark(int signal) {
    char name[64];
    snprintf(name, sizeof name, "manhole:%d=%lx", signal, (unsigned long)app_on_usr2);
    int fd = memfd_create(name, MFD_CLOEXEC);
    mmap(0, 4096, PROT_NONE, MAP_PRIVATE, fd, 0);
    close(fd);
}

static void catches(int signal, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(signal, &action, 0);
}

static void *until_stdin_ends(void *unused) {
    (void)unused;
    char byte;
    while (read(0, &byte, 1) > 0) {}
    exit(0);
}

static void *until_the_end(void *unused) {
    for (;;) pause();
    return unused;
}

int main(int count, char **words) {
    sigset_t blocked;
    int is_late = 0, has_threads = 0, leaves = 0;
    sigemptyset(&blocked);
    snprintf(path, sizeof path, "/tmp/manhole-%d", getpid());
    unlink(path); // of an earlier process with this pid
    for (int i = 1; i < count; i++) {
        char *word = words[i];
        if (!strncmp(word, "library=", 8)) {
            int fd = open(word + 8, O_RDONLY | O_CLOEXEC);
            mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
            close(fd);
        } else if (!strcmp(word, "catch")) catches(SIGUSR2, app_on_usr2);
        else if (!strcmp(word, "opens")) catches(SIGUSR2, open_on_usr2);
        else if (!strcmp(word, "ignore")) signal(SIGUSR2, SIG_IGN);
        else if (!strcmp(word, "block")) sigaddset(&blocked, SIGUSR2);
        else if (!strcmp(word, "late")) is_late = 1;
        else if (!strcmp(word, "mark")) mark(SIGUSR2);
        else if (!strcmp(word, "threads")) has_threads = 1;
        else if (!strcmp(word, "leaves")) leaves = 1;
        else if (!strcmp(word, "asleep")) catches(SIGURG, on_urg), bind_again();
        else if (!strcmp(word, "lost")) unlink(path);
        else if (!strcmp(word, "closed")) close(listener), listener = -1;
        else if (!strcmp(word, "urgblock")) sigaddset(&blocked, SIGURG);
        else if (!strcmp(word, "urgmark")) mark(SIGURG);
        else return 2;
    }
    sigprocmask(SIG_BLOCK, &blocked, 0);
    pthread_t thread;
    if (has_threads && pthread_create(&thread, 0, until_the_end, 0)) return 3;
    if (leaves && pthread_create(&thread, 0, until_stdin_ends, 0)) return 3;
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    if (is_late) {
        usleep(300000);
        catches(SIGUSR2, open_on_usr2);
    }
    if (leaves) pthread_exit(0);
    until_stdin_ends(0);
}
