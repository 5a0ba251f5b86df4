//! The programs of the tests.
//!
//! Context: test.

pub(super) const C: &str = r#"
#include <stdint.h>
#include <stdlib.h>
struct opaque;
enum color { RED, GREEN = 5, BLUE = 200 };
enum negative { MINUS = -1, PLUS = 1 };
enum flags { A = 1, B = 2, C = 4 };
typedef struct node { struct node *next; int value; } node;
typedef union { int i; float f; char c[4]; } number;
struct bits { unsigned a : 3; int b : 5; unsigned long long c : 40; _Bool d : 1; char plain; signed char e : 7; };
struct __attribute__((packed)) packed_bits { unsigned char lead; unsigned a : 13; unsigned b : 19; };
struct anonymous { int tag; union { int i; double d; }; struct { short x, y; } point; };
struct arrays { int one[3]; int two[2][3]; char text[16]; struct node nodes[2]; double flexible[]; };
struct functions { int (*plain)(int, const char *); void (*variadic)(const char *, ...); int (*old)(); };
struct qualified { const volatile int cv; const char *restrict r; _Atomic int atomic; };
typedef int vector __attribute__((vector_size(16)));
struct vectors { vector v; _Complex double z; long double ld; __int128 wide; };
typedef int row[7];
struct config { struct opaque *hidden; struct other_unit *other; enum color color; row r; };

int global_int = 42;
static int same_name = 1;
const double constant = 2.5;
__thread int in_thread = 7;
static __thread long second_in_thread = 8;
struct anonymous an_anonymous = { .tag = 1 };
struct bits some_bits;
struct packed_bits some_packed;
struct arrays *an_arrays;
struct functions some_functions;
struct qualified some_qualified;
struct vectors some_vectors;
struct config a_config;
enum flags some_flags = A | C;
enum negative a_negative;
number a_number;
node *list;
int table[4][5];
extern int defined_elsewhere;
extern struct opaque *get_opaque(void);
int counter(void) { static int calls = 100; static int nested; { static int nested = 3; calls += nested; } return ++calls + nested; }
int other(void) { static int calls = 200; return calls; }
static int __attribute__((noinline)) helper(int n, const char *text) { return n + text[0]; }
int old_style();
int use(void) { return second_in_thread + same_name + defined_elsewhere + (get_opaque() != 0); }
int main(int argc, char **argv) { return helper(argc, argv[0]) + counter() + other() + use() + old_style(); }
"#;

pub(super) const C_OTHER: &str = r#"
struct opaque { int inside; struct opaque *self; };
struct other_unit { long member; };
struct other_unit an_other;
static int same_name = 2;
int defined_elsewhere = 9;
struct opaque the_opaque;
struct opaque *get_opaque(void) { same_name++; return &the_opaque; }
int old_style(a) int a; { return a; }
"#;

pub(super) const CPP: &str = r#"
#include <string>
#include <vector>
#include <map>
#include <memory>
namespace ns {
  enum Plain { FIRST, SECOND };
  enum class Color : unsigned char { Red = 1, Green, Blue = 255 };
  enum class Sign : signed char { Neg = -3, Pos = 3 };
  struct Base { virtual ~Base() {} virtual int id() const { return 1; } int base_member = 1; };
  struct Other { virtual void other() {} long other_member = 2; };
  struct Virtual : virtual Base { int virtual_member = 3; };
  struct Second : virtual Base { int second_member = 4; };
  struct Derived : Virtual, Second, Other { int derived_member = 5; int id() const override { return 2; } };
  class Hidden { int secret = 1; protected: int half = 2; public: int open = 3; static int shared; static const int constant = 77;
    typedef long inner_type; struct Inner { int deep; }; Inner inner; inner_type typed = 6; int method(int x, ...) const { return x; } static int still() { return 4; } };
  int Hidden::shared = 55;
  template<class T, int N> struct Box { T items[N]; T first() const { return items[0]; } };
  int value = 10;
  inline namespace v1 { int inlined_value = 11; struct Versioned { int v; }; }
  int over(int x) { static int calls = 1; return x + calls; }
  int over(double x) { return (int)x; }
  template<class T> T twice(T x) { return x + x; }
  struct Outer; struct Outer { struct Nested; int o; }; struct Outer::Nested { char n; };
}
namespace { int anonymous_value = 12; struct Anonymous { int a; }; int anonymous_function(int x) { return x + anonymous_value; } }
namespace ns { namespace { int deep_anonymous = 13; } }
namespace alias = ns;
using namespace ns;
struct Pointers { int ns::Base::*data; int (ns::Base::*function)() const; int &reference; int &&rvalue; char16_t c16; bool b; };
ns::Derived derived;
ns::Hidden hidden;
ns::Box<int, 3> box;
ns::Box<std::string, 2> strings;
ns::Versioned versioned;
Anonymous anonymous;
ns::Color color = ns::Color::Blue;
ns::Sign sign = ns::Sign::Neg;
ns::Plain plain = ns::SECOND;
std::string text = "hello";
std::vector<int> numbers{1, 2, 3};
std::map<std::string, int> mapped;
std::unique_ptr<int> owned;
ns::Outer outer; ns::Outer::Nested nested;
int referred = 1;
Pointers pointers{nullptr, nullptr, referred, static_cast<int &&>(referred), u'x', true};
extern "C" int plain_c(int x) { struct Local { int l; } local{x}; return local.l; }
int main() { return ns::over(1) + ns::over(2.5) + ns::twice(3) + anonymous_function(4) + box.first() + hidden.method(5) + ns::Hidden::still()
  + plain_c(6) + ns::value + ns::inlined_value + derived.id() + ns::deep_anonymous; }
"#;

pub(super) const RUST: &str = r#"
#![allow(dead_code)]
use std::cell::RefCell;
mod shapes {
    #[derive(Debug)]
    pub enum Shape { Empty, Circle(f64), Square { side: u32, name: &'static str }, Boxed(Box<u8>) }
    #[derive(Debug, Clone, Copy)]
    #[repr(i8)]
    pub enum Plain { Minus = -2, Zero = 0, Plus = 2 }
    #[derive(Debug)]
    #[repr(i16)]
    pub enum Signed { Low(u8) = -300, High(u64) = 300 }
    pub struct Pair<T>(pub T, pub u8);
    pub static COUNT: u32 = 7;
    pub static mut TOTAL: u64 = 9;
    #[inline(never)]
    pub fn area(shape: &Shape) -> f64 { match shape { Shape::Circle(r) => r * r, _ => 0.0 } }
}
static SHAPE: shapes::Shape = shapes::Shape::Circle(1.5);
static NICHE: Option<&'static u32> = Some(&shapes::COUNT);
static PLAIN: shapes::Plain = shapes::Plain::Minus;
static SIGNED: shapes::Signed = shapes::Signed::Low(3);
static PAIR: shapes::Pair<u32> = shapes::Pair(1, 2);
static TEXT: &str = "hello";
thread_local! { static LOCAL: RefCell<Vec<u32>> = RefCell::new(vec![1]); }
fn main() {
    let slice: &[u16] = &[1, 2, 3];
    let vector = vec![String::from("a")];
    let letter = 'x';
    let area = shapes::area(&SHAPE);
    LOCAL.with(|it| it.borrow_mut().push(2));
    unsafe { shapes::TOTAL += 1 };
    std::hint::black_box((&slice, &vector, letter, area, &NICHE, &PLAIN, &PAIR, TEXT, &SIGNED));
}
"#;

/// Functions whose variables are in every place that compilers know.
pub(super) const LOCALS: &str = r#"
#include <stdio.h>
#include <string.h>
struct pair { int a; long b; };
struct big { char text[40]; };
static volatile int sink;
static __thread int per_thread = 5;
static inline __attribute__((always_inline)) int doubled(int inlined_argument) {
  int inlined_local = inlined_argument * 2; sink = inlined_local; return inlined_local; }
__attribute__((noinline)) int leaf(int a, long b, double c, struct pair p, const char *text) {
  int sum = a + (int)b; static int calls; calls++;
  for (int i = 0; i < 3; i++) { int squared = i * i; sum += squared + doubled(i); sink = sum; }
  sink = (int)c + (int)p.b + text[0] + per_thread; return sum + sink; }
__attribute__((noinline)) int lengths(int n, int m) {
  char bytes[n + 1]; long grid[n][m]; memset(bytes, 1, sizeof bytes); memset(grid, 2, sizeof grid);
  sink = bytes[n] + (int)grid[n - 1][m - 1]; return sink; }
__attribute__((noinline)) int middle(int depth, struct big by_value) {
  int kept = depth * 3; struct pair p = { depth, depth + 1L }; const int constant = 17;
  int result = leaf(depth, kept, 1.5, p, by_value.text); { int shadow = result; { int shadow = kept; sink = shadow; } sink = shadow; }
  return result + kept + constant + lengths(depth + 2, 3); }
int main(int argc, char **argv) { struct big b = { "hello" }; int local = argc; int result = middle(local + 4, b); printf("%d\n", result); return 0; }
"#;
