// A program with an allocator of its own, linked into it: one lock, which its only thread holds almost all the time, by functions that are called
// like nobody's allocator. Prints `ready`; `rounds` counts what it has done, and `answer()` is there to be called.
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static atomic_flag lock = ATOMIC_FLAG_INIT;
static char pool[64 << 20];
static size_t used;
volatile unsigned long rounds;

int answer(void) { return 42; }

static __attribute__((noinline)) void *from_the_pool(size_t size, size_t alignment, int is_kept) {
    while (atomic_flag_test_and_set(&lock)) {}
    for (volatile int n = 0; n < 20000; n++) {}
    size_t start = (used + alignment - 1) & ~(alignment - 1);
    if (is_kept) used = start + size;
    atomic_flag_clear(&lock);
    return start + size <= sizeof pool ? pool + start : NULL;
}
void *malloc(size_t size) { return from_the_pool(size, 16, 1); }
void *calloc(size_t count, size_t size) { return memset(malloc(count * size), 0, count * size); }
void *realloc(void *old, size_t size) {
    void *new = malloc(size);
    // Nothing is longer than what is left of the pool.
    return old && new ? memmove(new, old, size) : new;
}
void *memalign(size_t alignment, size_t size) { return from_the_pool(size, alignment < 16 ? 16 : alignment, 1); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
void free(void *old) { (void)old; }

int main(void) {
    puts("ready");
    fflush(stdout);
    for (;;) {
        from_the_pool(32, 16, 0);
        rounds++;
    }
}
