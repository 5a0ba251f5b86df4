/* Values of every kind that C has, for expressions: gdb and the manhole look at the same process. */
#include <complex.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

enum color { RED, GREEN = 5, BLUE };
enum flags { READABLE = 1, WRITABLE = 2, LOCKED = 4, HIDDEN = 16 };
enum negative { BELOW = -3, ZERO = 0, ABOVE = 3 };

struct point { int x, y; };
struct bits { unsigned a : 3; int b : 5; unsigned long c : 33; bool d : 1; enum color e : 4; };
union number { int i; float f; unsigned char bytes[4]; };
struct node { int value; struct node *next; const char *name; };
struct inner { short s[3]; struct point at; };
struct outer {
    struct inner in;
    union number u;
    struct { int hidden; union { long wide; char narrow; }; };
    enum flags flags;
    int (*compare)(const void *, const void *);
    char text[12];
    double ratio;
};
struct opaque;
typedef struct point point_t;
typedef int (*callback)(struct point *, double);
typedef unsigned char byte;
typedef int matrix[2][3];
struct large { long words[5]; };
struct floats { float a, b; };
struct mixed { double d; int i; };
struct four { float v[4]; };
typedef int vector4 __attribute__((vector_size(16)));

char g_char = 'A', g_newline = '\n', g_high = '\377', g_zero = 0;
signed char g_schar = -5;
unsigned char g_uchar = 200;
short g_short = -12345;
unsigned short g_ushort = 54321;
int g_int = -42, g_other = 7;
unsigned g_unsigned = 4000000000u;
long g_long = -1234567890123L;
unsigned long g_ulong = 18446744073709551615ul;
long long g_longlong = 1LL << 40;
__int128 g_int128 = (__int128)1 << 100;
unsigned __int128 g_uint128 = ~(unsigned __int128)0;
bool g_true = true, g_false = false;
float g_float = 1.5f, g_tenth = 0.1f;
double g_double = 3.14159265358979, g_tiny = 1e-300, g_huge = 1e300, g_negative = -0.0;
long double g_longdouble = 2.7182818284590452354L;
double g_inf, g_nan;
float complex g_fcomplex = 1.0f + 2.0f * I;
double complex g_dcomplex = -1.5 + 0.25 * I;
wchar_t g_wchar = L'x';
enum color g_color = GREEN, g_odd_color = 77;
enum flags g_flags = READABLE | LOCKED, g_no_flags = 0, g_strange_flags = READABLE | 8;
enum negative g_below = BELOW;
byte g_byte = 65;
uint8_t g_u8 = 255;
int32_t g_i32 = -1;
size_t g_size = 4096;

struct point g_point = { 3, -4 };
point_t g_typedefed = { 10, 20 };
struct bits g_bits = { 5, -7, 0x1ffffffffUL, true, BLUE };
union number g_union = { .f = 1.0f };
struct node g_tail = { 3, NULL, "tail" };
struct node g_middle = { 2, &g_tail, "middle \"quoted\"\n" };
struct node g_head = { 1, &g_middle, NULL };
struct node *g_list = &g_head;
// What is declared in a structure is known outside of it.
struct nest { struct within { int x; enum depth { SHALLOW = 4, DEEP = 9 } depth; } in; } g_nest = { { 3, DEEP } };
struct opaque *g_opaque;
static int compare_ints(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
struct outer g_outer = {
    { { 1, 2, 3 }, { 4, 5 } }, { .i = 1 }, { 9, { 10 } }, WRITABLE | HIDDEN, compare_ints, "hello", 0.5
};
struct outer *g_pouter = &g_outer;
struct large g_large = { { 1, 2, 3, 4, 5 } };
struct floats g_floats = { 1.5f, 2.5f };
struct mixed g_mixed = { 2.5, 7 };
struct four g_four = { { 1, 2, 3, 4 } };
vector4 g_vector = { 1, 2, 3, 4 };

int g_array[5] = { 10, 20, 30, 40, 50 };
int g_zeros[100];
int g_repeats[30] = { 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3 };
int g_many[300];
matrix g_matrix = { { 1, 2, 3 }, { 4, 5, 6 } };
int g_cube[2][2][2] = { { { 1, 2 }, { 3, 4 } }, { { 5, 6 }, { 7, 8 } } };
double g_doubles[3] = { 1.0, 2.5, -3.25 };
char g_text[16] = "some text";
char g_full[4] = { 'f', 'u', 'l', 'l' };
char g_embedded[8] = "ab\0cd";
char g_escapes[] = "tab\there\\ \001\033[0m\200end";
char g_long_text[400];
const char *g_string = "a constant string";
const char *g_null_string;
char *g_strings[] = { "one", "two", "three", NULL };
unsigned char g_ubytes[6] = { 1, 2, 250, 'a', 'b', 0 };
wchar_t g_wide[6] = L"wide\x20ac";
struct point g_points[3] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
struct point *g_pointers[2] = { &g_points[0], &g_points[2] };
enum color g_colors[3] = { RED, BLUE, GREEN };

void *g_void = &g_int;
int *g_pint = &g_int, **g_ppint = &g_pint, *g_null;
const int g_const = 99;
const int *g_pconst = &g_const;
int *const g_constp = &g_int;
volatile int g_volatile = 11;
callback g_callback;
int (*g_function)(int, int);
int (*g_functions[2])(int, int);
struct node *g_bad = (struct node *)8;
struct { int first; char second; } g_anonymous = { 1, 'z' };
static int s_static = 123;
__thread int t_thread = 321;
int *g_wild = (int *)16;
struct { struct { struct { int deep; } c; } b; } g_nested = { { { 1 } } };

int add(int a, int b) { return a + b; }
int multiply(int a, int b) { return a * b; }
double half(double number) { return number / 2; }
float third(float number) { return number / 3; }
long double twice(long double number) { return number * 2; }
struct point make_point(int x, int y) { struct point p = { x, y }; return p; }
struct large make_large(long first) { struct large l = { { first, first + 1, first + 2, first + 3, first + 4 } }; return l; }
struct floats make_floats(float a, float b) { struct floats f = { a, b }; return f; }
struct mixed make_mixed(double d, int i) { struct mixed m = { d, i }; return m; }
struct four make_four(float a) { struct four f = { { a, a + 1, a + 2, a + 3 } }; return f; }
int sum_point(struct point p) { return p.x + p.y; }
long sum_large(struct large l, int factor) { long s = 0; for (int i = 0; i < 5; i++) s += l.words[i]; return s * factor; }
double sum_mixed(struct mixed m, struct floats f) { return m.d + m.i + f.a + f.b; }
int sum_many(int count, ...)
{
    va_list list;
    va_start(list, count);
    int sum = 0;
    for (int i = 0; i < count; i++) sum += va_arg(list, int);
    va_end(list);
    return sum;
}
char nine(char a, short b, int c, long d, unsigned char e, float f, double g, int h, int i, long j)
{
    return (char)(a + b + c + d + e + (int)f + (int)g + h + i + j);
}
const char *color_name(enum color color) { return color == RED ? "red" : color == GREEN ? "green" : "blue"; }
int apply(int (*function)(int, int), int a, int b) { return function(a, b); }
size_t length(const char *text) { return strlen(text); }
unsigned char low_byte(unsigned long word) { return (unsigned char)word; }
bool is_positive(int number) { return number > 0; }
void nothing(void) { }
int counter(void) { static int count = 1000; return ++count; }
int same_as_add(int a, int b) __attribute__((alias("add")));
static int (*choose(void))(int, int) { return multiply; }
int chosen(int a, int b) __attribute__((ifunc("choose")));

static int hold(int argument, struct point *where, const char *label)
{
    int local = argument * 2;
    double fraction = 0.75;
    struct point here = { where->x + 1, where->y + 1 };
    int numbers[4] = { 1, 2, 3, 4 };
    char word[8] = "local";
    int g_other = 70;
    for (int index = 3; index < 4; index++) {
        int local = index * 100;
        printf("ready\n");
        fflush(stdout);
        for (;;) pause();
    }
    return local + (int)fraction + here.x + numbers[0] + word[0] + g_other + label[0];
}

int main(void)
{
    g_inf = HUGE_VAL;
    g_nan = nan("");
    g_callback = NULL;
    g_function = add;
    g_functions[0] = add;
    g_functions[1] = multiply;
    for (int i = 0; i < 300; i++) g_many[i] = i;
    memset(g_long_text, 'x', 250);
    memset(g_long_text + 250, 'y', 100);
    errno = ENOENT;
    return hold(21, &g_point, "label") + s_static + t_thread + counter() + sum_many(0);
}
