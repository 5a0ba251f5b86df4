// A host that counts, so that a test sees which of its threads go on, whatever else the process does.
//
//   counting COUNTERS THREADS [HABIT...]
//
// COUNTERS is a file (counters.h). The main thread counts in word 0, the others in words 1, 2, … Prints `ready pid=N` once
// all of them count, and ends with status 0 when the last word is set. Habits:
//
//   registers   the main thread holds known values in all registers, in flags, control words, the x87 stack and the red
//               zone, and looks after each round whether they are what they were: word 20 counts those that were not
//   term-note   SIGTERM has a handler that counts in word 21
//   term-exit   SIGTERM has a handler that ends the program with status 3
//   take SIGNAL when the test sets word 22: installs a handler for SIGNAL that counts in word 23; then sets word 24
#define _GNU_SOURCE
#include "counters.h"
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { WRONG = 20, TERMS = 21, TAKE = 22, TAKEN = 23, HAS_TAKEN = 24 };

// All that is loaded, and what was found afterwards. The offsets are those of the assembly.
struct state {
    uint64_t in[16];                   // 0
    unsigned char vectors[16][32];     // 128
    uint32_t mxcsr, control;           // 640
    uint32_t usual_mxcsr, pad;         // 648
    uint64_t out[16];                  // 656: r15 … r8, rbp, rdi, rsi, rdx, rbx, rax, flags
    uint64_t red[16];                  // 784
    unsigned char found[16][32];       // 912
    uint32_t found_mxcsr, found_control; // 1424
    double one, pi;                    // 1432
};
_Static_assert(__builtin_offsetof(struct state, one) == 1432, "the assembly's offsets");

#if defined(__x86_64__)
void hold(struct state *state, long rounds);
void hold_wide(struct state *state, long rounds);
__asm__(R"(
        .text
        .globl hold
        .type hold, @function
hold:   .cfi_startproc
        .irp reg, rbp, rbx, r12, r13, r14, r15, rdi
        push %\reg
        .cfi_adjust_cfa_offset 8
        .endr
        mov %rsi, %rcx
        ldmxcsr 640(%rdi)
        fldcw 644(%rdi)
        fldpi
        fld1
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movups 128+32*\n(%rdi), %xmm\n
        mov $(0x5a5a0000+\n), %eax
        mov %rax, -8-8*\n(%rsp)
        .endr
        .irp n, 8, 9, 10, 11, 12, 13, 14, 15
        mov 8*\n(%rdi), %r\n
        .endr
        mov 8(%rdi), %rbx
        mov 16(%rdi), %rdx
        mov 24(%rdi), %rsi
        mov 40(%rdi), %rbp
        mov 0(%rdi), %rax
        mov 32(%rdi), %rdi
        std
        stc
1:      loop 1b
        lea -128(%rsp), %rsp
        .cfi_adjust_cfa_offset 128
        pushfq
        .cfi_adjust_cfa_offset 8
        .irp reg, rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
        push %\reg
        .cfi_adjust_cfa_offset 8
        .endr
        cld
        mov 248(%rsp), %rax
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
        pop %rbx
        .cfi_adjust_cfa_offset -8
        mov %rbx, 656+8*\n(%rax)
        .endr
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        mov 120-8*\n(%rsp), %rbx
        mov %rbx, 784+8*\n(%rax)
        movups %xmm\n, 912+32*\n(%rax)
        .endr
        lea 128(%rsp), %rsp
        .cfi_adjust_cfa_offset -128
        stmxcsr 1424(%rax)
        fnstcw 1428(%rax)
        fstpl 1432(%rax)
        fstpl 1440(%rax)
        fninit
        ldmxcsr 648(%rax)
        .irp reg, rdi, r15, r14, r13, r12, rbx, rbp
        pop %\reg
        .cfi_adjust_cfa_offset -8
        .endr
        ret
        .cfi_endproc
        .size hold, .-hold

        .globl hold_wide
        .type hold_wide, @function
hold_wide:
        .cfi_startproc
        mov %rsi, %rcx
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vmovups 128+32*\n(%rdi), %ymm\n
        .endr
1:      loop 1b
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vmovups %ymm\n, 912+32*\n(%rdi)
        .endr
        vzeroupper
        ret
        .cfi_endproc
        .size hold_wide, .-hold_wide
)");

static int differs(struct state *state, long rounds) {
    static const int order[] = {15, 14, 13, 12, 11, 10, 9, 8, 5, 4, 3, 2, 1, 0}; // of `out`, in indices of `in`
    int wrong = 0;
    memset(state->out, 0, sizeof(struct state) - __builtin_offsetof(struct state, out));
    hold(state, rounds);
    for (int n = 0; n < 14; n++) wrong += state->out[n] != state->in[order[n]];
    wrong += (state->out[14] & 0x401) != 0x401; // direction and carry
    for (int n = 0; n < 16; n++) {
        wrong += state->red[n] != 0x5a5a0000u + n;
        wrong += memcmp(state->found[n], state->vectors[n], 16) != 0;
    }
    wrong += state->found_mxcsr != state->mxcsr || (state->found_control & 0xffff) != state->control;
    wrong += state->one != 1.0 || state->pi < 3.14 || state->pi > 3.15;
    if (__builtin_cpu_supports("avx")) {
        hold_wide(state, rounds);
        wrong += memcmp(state->found, state->vectors, sizeof state->found) != 0;
    }
    return wrong;
}
static void registers_round(void) {
    static struct state state;
    static unsigned long round;
    round++;
    for (unsigned n = 0; n < 16; n++) state.in[n] = 0x0101010101010101u * (n + 1) ^ round << 32;
    for (unsigned n = 0; n < sizeof state.vectors; n++) (&state.vectors[0][0])[n] = n * 7 + round;
    state.mxcsr = 0x7f80;  // towards zero
    state.control = 0x0e7f; // towards zero, double precision
    state.usual_mxcsr = 0x1f80;
    counters[WRONG] += differs(&state, 2000000);
}
#else
static void registers_round(void) { usleep(1000); }
#endif

static void note_term(int number) { (void)number; counters[TERMS]++; }
static void exit_on_term(int number) { (void)number; _exit(3); }
static void taken(int number) { (void)number; counters[TAKEN]++; }
static void on(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(number, &action, NULL);
}
static void *count(void *number) {
    while (!counters[STOP]) {
        counters[(long)number]++;
        usleep(200);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int registers = 0, take = 0;
    open_counters(argv[1]);
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "registers")) registers = 1;
        else if (!strcmp(argv[i], "term-note")) on(SIGTERM, note_term);
        else if (!strcmp(argv[i], "term-exit")) on(SIGTERM, exit_on_term);
        else if (!strcmp(argv[i], "take") && i + 1 < argc) take = atoi(argv[++i]);
        else return 2;
    }
    pthread_t threads[16];
    long others = atol(argv[2]) - 1;
    for (long n = 0; n < others && n < 16; n++) pthread_create(&threads[n], NULL, count, (void *)(n + 1));
    for (long n = 0; n < others && n < 16; n++)
        while (!counters[n + 1]) usleep(100);
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    while (!counters[STOP]) {
        counters[0]++;
        if (registers) registers_round();
        else usleep(200);
        if (take && counters[TAKE] && !counters[HAS_TAKEN]) {
            on(take, taken);
            counters[HAS_TAKEN] = 1;
        }
    }
    for (long n = 0; n < others && n < 16; n++) pthread_join(threads[n], NULL);
    return 0;
}
