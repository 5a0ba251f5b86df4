// Objects of every kind that the C++ ABI passes in another way, in and out by value. `in_x(g_x)` and `x()` have the numbers that stand here.
#include <complex>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unistd.h>
#include <utility>

struct Trivial { int a, b; };
struct Defaulted { Defaulted(const Defaulted &) = default; Defaulted(int x) : a(x) {} int a; };
struct DefaultedEnd { ~DefaultedEnd() = default; int a; };
struct DefaultedOutside { DefaultedOutside(const DefaultedOutside &); DefaultedOutside(int x) : a(x) {} int a; };
DefaultedOutside::DefaultedOutside(const DefaultedOutside &) = default;
struct Copied { Copied(int x) : a(x) {} Copied(const Copied &o) : a(o.a) {} int a; };
struct MovedOnly { MovedOnly(int x) : a(x) {} MovedOnly(const MovedOnly &) = delete; MovedOnly(MovedOnly &&) = default; int a; };
struct NotCopied { NotCopied(int x) : a(x) {} NotCopied(const NotCopied &) = delete; int a; };
struct Ended { ~Ended() { ended++; } int a; static int ended; };
int Ended::ended = 0;
struct Around { Ended inner; };
struct Derived : Copied { Derived(int x) : Copied(x) {} };
struct FromReference { explicit FromReference(const int &x) : a(x) {} long a; };
template <class T> struct Converting { T v; Converting(T x) : v(x) {} template <class U> Converting(const Converting<U> &o) : v(o.v) {} };
struct Virtual { virtual int f() { return 1; } int a = 7; };
struct Empty {};
struct Big { long a[3]; };
struct Extended { long double x; };
struct Mixed { float f; double d; };
struct Floats { float a, b, c; };
struct Packed { char c; int i; } __attribute__((packed));
struct Bits { unsigned a : 3; unsigned b : 29; long c : 40; };
union Either { int i; double d; };
typedef float four __attribute__((vector_size(16)));
union Wide { four parts; long whole; };
union Quad { __float128 quad; long whole; };
struct OnlyQuad { __float128 quad; };
struct AroundQuad { Quad inner[1]; };
// Counts who lives, and owns memory: whoever copies its bytes frees it twice.
struct Owner {
    static int living, copied;
    int *owned;
    Owner(int x) : owned(new int(x)) { living++; }
    Owner(const Owner &o) : owned(new int(*o.owned)) { living++; copied++; }
    ~Owner() { delete owned; owned = nullptr; living--; }
};
int Owner::living = 0, Owner::copied = 0;

Trivial g_trivial{1, 2};
Defaulted g_defaulted(3);
DefaultedEnd g_defaulted_end{};
DefaultedOutside g_defaulted_outside(5);
Copied g_copied(6);
MovedOnly g_moved_only(7);
Ended g_ended{};
Around g_around{};
Derived g_derived(11);
Virtual g_virtual;
Empty g_empty;
Big g_big{{1, 2, 3}};
Extended g_extended{1.5L};
Mixed g_mixed{1.5f, 2.5};
Floats g_floats{1, 2, 3};
Packed g_packed{'p', 77};
Bits g_bits;
Either g_either;
four g_four = {5, 6, 7, 8};
Wide g_wide = {{1, 2, 3, 4}};
Quad g_quad;
OnlyQuad g_only_quad;
AroundQuad g_around_quad;
std::pair<int, int> g_pair{1, 2};
std::tuple<int, int> g_tuple{3, 4};
std::optional<int> g_optional = 7;
std::complex<double> g_complex{1, 2};
std::complex<float> g_complex_float{3, 4};
std::string_view g_view = "view";
std::string g_string = "a string of the program's own, on the heap";
std::unique_ptr<int> g_unique(new int(5));
Owner g_owner(40);

Trivial trivial() { return {1, 2}; }
Defaulted defaulted() { return Defaulted(3); }
DefaultedEnd defaulted_end() { DefaultedEnd d; d.a = 4; return d; }
DefaultedOutside defaulted_outside() { return DefaultedOutside(5); }
Copied copied() { return Copied(6); }
MovedOnly moved_only() { return MovedOnly(7); }
NotCopied not_copied() { return NotCopied(8); }
Ended ended() { Ended e; e.a = 9; return e; }
Around around() { Around a; a.inner.a = 10; return a; }
Derived derived() { return Derived(11); }
FromReference from_reference() { int k = 12; return FromReference(k); }
Converting<int> converting() { return Converting<int>(13); }
Virtual of_virtual() { return Virtual(); }
Empty empty() { return {}; }
Big big() { return {{1, 2, 3}}; }
Extended extended() { return {1.5L}; }
Mixed mixed() { return {1.5f, 2.5}; }
Floats floats() { return {1, 2, 3}; }
Packed packed() { return {'p', 77}; }
Wide wide() { return g_wide; }
Quad quad() { return g_quad; }
four of_four() { return four{5, 6, 7, 8}; }
std::pair<int, int> pair() { return {1, 2}; }
std::pair<int, std::string> pair_of_string() { return {1, "x"}; }
std::tuple<int, int> tuple() { return {3, 4}; }
std::optional<int> optional() { return 7; }
std::complex<double> complex() { return {1, 2}; }
std::complex<float> complex_float() { return {3, 4}; }
std::string_view view() { return "view"; }
std::string string() { return "short"; }
std::unique_ptr<int> unique() { return std::unique_ptr<int>(new int(5)); }
Owner owner() { return Owner(41); }

int in_trivial(Trivial t) { return t.a * 10 + t.b; }
int in_defaulted(Defaulted d) { return d.a; }
int in_defaulted_end(DefaultedEnd d) { return d.a; }
int in_defaulted_outside(DefaultedOutside d) { return d.a; }
int in_copied(Copied c) { return c.a; }
int in_moved_only(MovedOnly m) { return m.a; }
int in_ended(Ended e) { return e.a; }
int in_around(Around a) { return a.inner.a; }
int in_derived(Derived d) { return d.a; }
int in_virtual(Virtual v) { return v.a; }
int in_empty(Empty, int next) { return next; }
long in_big(Big b) { return b.a[0] + b.a[1] * 10 + b.a[2] * 100; }
long double in_extended(Extended e) { return e.x; }
double in_mixed(Mixed m) { return m.f * 10 + m.d; }
float in_floats(Floats f) { return f.a + f.b * 10 + f.c * 100; }
int in_packed(Packed p) { return p.i; }
long in_bits(Bits b) { return b.a * 1000000 + b.b * 100 + b.c; }
double in_either(Either e) { return e.d; }
float in_wide(double before, Wide w, int behind) { return static_cast<float>(before) + w.parts[1] * 10 + w.parts[3] * 100 + static_cast<float>(behind) * 1000; }
long in_quad(Quad q) { return q.whole; }
int in_only_quad(OnlyQuad q) { return q.quad == 0; }
long in_around_quad(AroundQuad q) { return q.inner[0].whole; }
float in_four(four f) { return f[0] + f[3] * 10; }
int in_pair(std::pair<int, int> p) { return p.first * 10 + p.second; }
int in_tuple(std::tuple<int, int> t) { return std::get<0>(t) * 10 + std::get<1>(t); }
int in_optional(std::optional<int> o) { return *o; }
double in_complex(std::complex<double> c) { return c.real() * 10 + c.imag(); }
float in_complex_float(std::complex<float> c) { return c.real() * 10 + c.imag(); }
int in_view(std::string_view v) { return (int)v.size(); }
int in_string(std::string s) { s += "!"; std::string taken = std::move(s); return (int)taken.size(); }
int in_unique(std::unique_ptr<int> u) { return *u; }
int in_owner(Owner o) { *o.owned += 1; return *o.owned; }
double in_many(int a, double b, Trivial c, Mixed d, long e, float f, Big g, short h, Extended i, char j, double k, double l, double m, double n, double o,
    double p, int q, int r, std::complex<double> s)
{
    return a + b * 2 + c.a * 3 + c.b * 5 + d.f * 7 + d.d * 11 + e * 13 + f * 17 + g.a[0] * 19 + g.a[2] * 23 + h * 29 + (double)i.x * 31 + j * 37 + k * 41
        + l * 43 + m * 47 + n * 53 + o * 59 + p * 61 + q * 67 + r * 71 + s.real() * 73 + s.imag() * 79;
}

int main()
{
    g_defaulted_end.a = 4;
    g_ended.a = 9;
    g_around.inner.a = 10;
    g_bits.a = 5;
    g_bits.b = 1000;
    g_bits.c = -3;
    g_either.d = 1.25;
    // What nobody calls is not made.
    in_string(g_string), in_owner(g_owner), in_copied(g_copied), in_view(view()), in_unique(unique()), pair_of_string(), in_optional(optional()), in_tuple(tuple());
    Owner::copied = Ended::ended = 0;
    std::printf("ready\n");
    std::fflush(stdout);
    char line[8];
    while (read(0, line, sizeof line) > 0) { }
    return *g_unique == 5 && *g_owner.owned == 40 && g_string.size() == 42 && Owner::living == 1 ? 0 : 1;
}
