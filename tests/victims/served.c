// Serves sums with a pool of two threads, while somebody at the prompt does what nobody should.
//
//   served [alone]      alone: nobody serves, and there is one thread
//
// A client connects to 127.0.0.1, sends `sum N\n`, and gets `N=<the sum of 1 to N> <N letters>\n` and the end of the connection;
// malloc and stdio are in its way. Prints `ready port=N`, and ends with status 0 at the end of stdin, when both threads have ended;
// the last line is `served=N`. What the expressions of the tests call and change is below.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

struct item { int number; const char *name; struct item *next; double weight; unsigned flag : 3; };

int scratch = 1;
long numbers[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
char text[64] = "some text";
struct item second = { 2, "second", NULL, 2.5, 5 };
struct item first = { 1, "first", &second, 1.5, 2 };
struct item *list = &first;
const int constant = 77;
int (*nothing_yet)(int);
char *read_only, *behind_the_end;
volatile int generation, zero, depth_reached;

int add(int a, int b) { return a + b; }
double half(double number) { return number / 2; }
int quotient(int a, int b) { return a / b; }
int follow(struct item *item) { return item->next->next->number; }
int twice(int number) { return add(number, number); }
int through(int (*function)(int, int), int a, int b) { return function(a, b); }
// Returns when the generation changes.
int spin(void) {
    int mine = generation;
    while (generation == mine) sched_yield();
    return 4321;
}
int doze(void) {
    int mine = generation;
    while (generation == mine) usleep(2000);
    return 1234;
}
#pragma GCC diagnostic ignored "-Winfinite-recursion"
__attribute__((noinline)) int dive(int depth) {
    volatile char room[4000];
    room[depth % 4000] = (char)depth;
    depth_reached = depth;
    return dive(depth + 1) + room[depth % 4000];
}
int wrong_instruction(void) {
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#endif
    return 1;
}
int trap(void) {
#if defined(__x86_64__)
    __asm__ volatile("int3");
#endif
    return 1;
}
int touch(volatile char *address) { return *address; }
void put(volatile char *address, int value) { *address = (char)value; }
void give_up(void) { abort(); }
int fork_and_wait(void) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) _exit(7);
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    return WEXITSTATUS(status);
}

// The program's own handler of SIGSEGV: it notes the address, and lets the reading go on behind a page that is there.
volatile unsigned long seen_address, seen_count;
static unsigned long page_size = 4096;
static void on_segv(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    seen_address = (unsigned long)info->si_addr;
    seen_count++;
    void *page = (void *)(seen_address & ~(page_size - 1));
    if (mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page) _exit(9);
}

static int listener;
static volatile unsigned long served;

static void serve(int connection) {
    char *line = NULL, *letters;
    size_t room = 0;
    FILE *stream = fdopen(connection, "r+");
    if (!stream) { close(connection); return; }
    if (getline(&line, &room, stream) > 0) {
        long count = strncmp(line, "sum ", 4) ? -1 : atol(line + 4), sum = 0;
        if (count >= 0 && count < 100000 && (letters = malloc((size_t)count + 1))) {
            for (long i = 1; i <= count; i++) sum += i;
            memset(letters, 'l', (size_t)count);
            letters[count] = 0;
            fseek(stream, 0, SEEK_CUR);
            fprintf(stream, "%ld=%ld %s\n", count, sum, letters);
            free(letters);
        }
    }
    free(line);
    fclose(stream);
    __atomic_add_fetch(&served, 1, __ATOMIC_SEQ_CST);
}
static void *pool(void *nothing) {
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0) serve(connection);
        else if (errno != EINTR && errno != ECONNABORTED) return nothing;
    }
}

int main(int argc, char **argv) {
    int servers = argc > 1 && !strcmp(argv[1], "alone") ? 0 : 2;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    pthread_t threads[2];
    signal(SIGPIPE, SIG_IGN);
    read_only = mmap(NULL, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int file = memfd_create("short", MFD_CLOEXEC);
    behind_the_end = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    behind_the_end += page_size;
    close(file);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 64)) return 3;
    if (getsockname(listener, (struct sockaddr *)&address, &length)) return 3;
    for (int i = 0; i < servers; i++)
        if (pthread_create(&threads[i], NULL, pool, NULL)) return 3;
    printf("ready port=%d\n", ntohs(address.sin_port));
    fflush(stdout);
    char line[128];
    while (fgets(line, sizeof line, stdin)) {
        if (!strncmp(line, "handle", 6)) { // a handler of its own from here on
            struct sigaction action = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
            sigaction(SIGSEGV, &action, NULL);
            printf("handles\n");
        } else if (!strncmp(line, "fault ", 6)) { // where: this thread reads there, and tells what its handler has seen
            unsigned long where = strtoul(line + 6, NULL, 0), before = seen_count;
            int value = touch((char *)where);
            printf("fault address=%#lx seen=%lu value=%d\n", seen_address, seen_count - before, value);
        } else if (!strncmp(line, "ask", 3)) { // whose is the disposition
            struct sigaction action;
            sigaction(SIGSEGV, NULL, &action);
            printf("asked %s\n", action.sa_sigaction == on_segv ? "own" : action.sa_handler == SIG_DFL ? "default" : "other");
        } else if (!strncmp(line, "fork", 4)) { // a child that lives a moment
            printf("forked %d\n", fork_and_wait());
        } else {
            printf("? %s", line);
        }
        fflush(stdout);
    }
    shutdown(listener, SHUT_RDWR);
    for (int i = 0; i < servers; i++) pthread_join(threads[i], NULL);
    printf("served=%lu\n", served);
    (void)twice(zero), (void)half(constant), (void)nothing_yet;
    return 0;
}
