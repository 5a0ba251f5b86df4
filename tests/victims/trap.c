// Traps what the manhole's thread must not call: the host's allocator, and __tls_get_addr, which may call it.
//
// Prints `ready pid=N` and waits on stdin. `arm`: from now on calls by any thread but the main one are counted, answered by
// `armed`. `count`: `trapped malloc=N tls=M`. EOF ends it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static atomic_int armed, mallocs, tls;

static void trap(atomic_int *count) {
    if (armed && syscall(SYS_gettid) != syscall(SYS_getpid)) ++*count;
}

void *malloc(size_t n) { trap(&mallocs); return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { trap(&mallocs); return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { trap(&mallocs); return __libc_realloc(p, n); }
void free(void *p) { if (p) trap(&mallocs); __libc_free(p); }

void *__tls_get_addr(void *index) {
    static void *(*real)(void *);
    if (!real) real = dlsym(RTLD_NEXT, "__tls_get_addr");
    trap(&tls);
    return real(index);
}

int main(void) {
    char line[64];
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "arm\n")) armed = 1, puts("armed");
        else printf("trapped malloc=%d tls=%d\n", mallocs, tls);
        fflush(stdout);
    }
    return 0;
}
