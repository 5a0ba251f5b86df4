// A host with something beside it that most hosts do not have.
//
//   company namespace PLUGIN   a thread waits in a library that dlmopen(3) has loaded into a namespace of its own, with a C library of its own
//   company coroutine SIZE     counts on a stack of SIZE bytes with a guard page below it (makecontext(3)), and never leaves it
//   company allocator ROUNDS   threads allocate, fill, compare, resize and free so often, and so do their children
//   company plain              nothing
//
// Built with -DPLUGIN it is the library. Prints `ready pid=N`, answers each line with `count=N wrong=N`, and ends at the end of stdin, status 0.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef PLUGIN
__attribute__((noinline)) void waits_in_plugin(void) {
    poll(NULL, 0, -1);
    __asm__ volatile("");
}
#else

static volatile unsigned long count, wrong;
static volatile int is_there;
static int rounds;

static void *in_namespace(void *path) {
    void *library = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
    void (*waits)(void) = library ? (void (*)(void))dlsym(library, "waits_in_plugin") : NULL;
    if (!waits) _exit(3);
    is_there = 1;
    waits();
    return NULL;
}

static ucontext_t outside, inside;
__attribute__((noinline)) static void counts(void) {
    is_there = 1;
    for (;;) {
        unsigned long before = count;
        for (volatile int n = 0; n < 1000; n++) {}
        if (count != before) wrong++;
        count = before + 1;
    }
}
static void *on_small_stack(void *text) {
    size_t size = atoi(text), pages = (size + 4095) / 4096 * 4096;
    char *memory = mmap(NULL, 4096 + pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_NONE) || getcontext(&inside)) _exit(3);
    inside.uc_stack.ss_sp = memory + 4096 + pages - size;
    inside.uc_stack.ss_size = size;
    inside.uc_link = &outside;
    makecontext(&inside, counts, 0);
    swapcontext(&outside, &inside);
    return NULL;
}

static void use_memory(unsigned seed, int rounds) {
    char *blocks[64] = {0};
    size_t sizes[64] = {0};
    for (int round = 0; round < rounds; round++) {
        unsigned n = (seed = seed * 1103515245 + 12345) >> 16 & 63, size = (seed >> 8 & 15) == 0 ? 70000 : seed >> 20;
        for (size_t at = 0; at < sizes[n]; at++) wrong += blocks[n][at] != (char)(n + at);
        if (round % 3 == 0) {
            free(blocks[n]);
            blocks[n] = round % 2 ? calloc(1, size + 1) : aligned_alloc(64, (size + 64) / 64 * 64);
        } else {
            blocks[n] = realloc(blocks[n], size + 1);
        }
        if (!blocks[n]) _exit(4);
        for (size_t at = 0; at < size; at++) blocks[n][at] = n + at;
        sizes[n] = size;
        __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    }
    for (int n = 0; n < 64; n++) free(blocks[n]);
}
static void *allocates(void *seed) {
    use_memory((unsigned)(size_t)seed, rounds);
    return NULL;
}
static void allocate_everywhere(void) {
    pthread_t threads[4];
    for (size_t n = 0; n < 4; n++)
        if (pthread_create(&threads[n], NULL, allocates, (void *)n)) _exit(3);
    for (int n = 0; n < 5; n++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            use_memory(n + 100, rounds / 20);
            _exit(wrong != 0);
        }
        wrong += waitpid(child, &status, 0) != child || status != 0;
    }
    for (int n = 0; n < 4; n++) pthread_join(threads[n], NULL);
}

int main(int argc, char **argv) {
    pthread_t thread;
    int allocator = argc > 1 && !strcmp(argv[1], "allocator");
    if (allocator) {
        rounds = atoi(argv[2]);
        allocate_everywhere();
    } else if (argc > 2) {
        if (pthread_create(&thread, NULL, !strcmp(argv[1], "namespace") ? in_namespace : on_small_stack, argv[2])) return 3;
        while (!is_there) usleep(1000);
    }
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (allocator) allocate_everywhere();
        printf("count=%lu wrong=%lu\n", count, wrong);
        fflush(stdout);
    }
    exit(0);
}
#endif
