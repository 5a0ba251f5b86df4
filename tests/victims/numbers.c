/* Numbers of every format, and layouts that compilers describe in several ways: gdb and the manhole look at the same program. */
#include <complex.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

float complex fc = 1.0f + 2.0f * I, fc_set;
double complex dc = -1.5 + 0.25 * I, dc_set;
long double complex lc = 1.0L / 3 + 2 * I;
double complex dcs[2] = { 1, 2 * I };
struct { int tag; double complex z; } with_complex = { 3, 4 - 5 * I };
long double ld = 2.7182818284590452354L, least = 3.6e-4951L, big = 1e4000L, ld_set = 1;
float f = 1.5f, third = 1.0f / 3, fnan;
double d = 0.1, dnan, dinf;
int i = 16777217;
long l = 9007199254740993;
unsigned long ul = 18446744073709551615ul;
_Bool b = 1;
__float128 q = 0.333333333333333333333333333333333333q;

struct bits { unsigned a : 3; int b : 5; unsigned long c : 33; _Bool d : 1; unsigned char e : 4; };
struct packed { char lead; unsigned long wide : 40; long next : 21; unsigned short last : 9; } __attribute__((packed));
struct holes { int a : 2; int : 0; unsigned b : 7; int : 3; signed char c : 4; long long d : 1; };
enum flags { READ = 1, WRITE = 2, EXECUTE = 4, ALL = 7, SPARE = 64 };
struct flagged { enum flags mode : 8; bool ready : 1, done : 1; };
struct bits bits = { 5, -7, 0x1ffffffffUL, true, 9 }, *pbits = &bits, many_bits[2] = { { 1, -1, 2, 0, 3 }, { 2, -2, 4, 1, 5 } };
struct packed packed = { 'p', 0xfedcba9876UL, -12345, 300 };
struct holes holes = { -2, 99, -8, -1 };
struct flagged flagged = { READ | WRITE, true, false };
enum flags flags = READ | EXECUTE, all = ALL, strange = READ | SPARE | 256, none;
_Bool bools[4] = { 1, 0, 1, 1 };

struct flexible { int count; short items[]; };
struct zero { int count; int items[0]; };
struct one { int count; char text[1]; };
struct flexible flexible = { 3, { 1, 2, 3 } };
struct flexible *pflexible = &flexible;
struct zero zero = { 4 };
struct one one = { 5, "x" };

struct nested {
    int kind;
    union { int whole; float part; struct { short low, high; }; };
    struct { char first; union { long wide; char narrow[8]; } named; };
    union { struct { int deep; } inside; };
} nested = { 1, { .whole = 0x20001 }, { 'f', { 77 } }, { { 88 } } };
union { int number; unsigned char bytes[4]; } loose = { 0x01020304 };

/* A function between that saves the frame pointer, by which the arrays of hold are found. */
static void stay(void)
{
    printf("ready\n");
    fflush(stdout);
    for (;;) pause();
}

_Complex _Float128 quads(_Complex _Float128 by)
{
    return (1 + 2 * I) * by;
}

static int hold(int count)
{
    int vla[count];
    char grid[count][2];
    struct bits local = { 1, 2, 3, 0, 4 };
    for (int n = 0; n < count; n++) {
        vla[n] = n * n;
        grid[n][0] = 'a' + n;
        grid[n][1] = 0;
    }
    stay();
    return vla[0] + grid[0][0] + local.a;
}

int main(void)
{
    fnan = NAN;
    dnan = NAN;
    dinf = INFINITY;
    return hold(4);
}
