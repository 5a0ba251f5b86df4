// Values of every kind that C++ has, for expressions: gdb and the manhole look at the same program.
#include <array>
#include <atomic>
#include <bitset>
#include <complex>
#include <cstdio>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <stack>
#include <string>
#include <string_view>
#include <tuple>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

enum class Color { Red, Green, Blue };
enum Plain { First, Second = 10 };
namespace ns {
int counter = 17;
struct Point { int x, y; int sum() const { return x + y; } static int made; Point operator+(const Point &o) const { return {x + o.x, y + o.y}; }
    bool operator==(const Point &o) const { return x == o.x && y == o.y; } };
int Point::made = 4;
namespace inner { Point origin{0, 1}; enum class Mode : unsigned char { Off, On = 7 }; Mode mode = Mode::On; int twice(int n) { return 2 * n; } }
template <typename T, int N> struct Box { T items[N]; T first() const { return items[0]; } static constexpr int size = N; };
Box<int, 3> box{{7, 8, 9}};
}
namespace { int hidden = 55; struct Secret { int code; } secret{99}; }

struct Base { int base = 1; int shared = 2; int tell() const { return base; } };
struct Other { long other = 3; int shared = 4; };
struct Derived : Base, Other { int own = 5; int tell() const { return own; } };
struct Shape {
    virtual ~Shape() {}
    virtual double area() const { return 0; }
    int id = 10;
};
struct Circle : Shape { double radius = 2; double area() const override { return 3 * radius * radius; } };
struct Square : Shape { double side = 3; double area() const override { return side * side; } };
struct Root { int root = 100; virtual ~Root() {} };
struct Left : virtual Root { int left = 101; };
struct Right : virtual Root { int right = 102; };
struct Bottom : Left, Right { int bottom = 103; };
struct Nest {
    struct Deep { int z = 8; enum Kind { One, Two } kind = Two; } deep;
    typedef Deep Alias;
    Alias alias;
    union Either { int i; float f; } either{3};
    Nest *next = nullptr;
};
struct Virtually : virtual Root { Virtually(int n) : number(n) {} int number; };
class Account {
public:
    Account(int n, long b) : number(n), balance(b) {}
    long deposit(long by) { balance += by; return balance; }
    int add(int a) const { return number + a; }
    double add(double a) const { return number + a; }
    static int rate() { return 3; }
    Account &self() { return *this; }
    static int count;
    const int number;
    typedef long money;
private:
    money balance;
protected:
    bool open : 1;
    unsigned level : 3;
};
int Account::count = 2;
union Mix { int i; float f; };
struct Empty {};
struct Pair { Empty e; int v; };
struct Callable { int operator()(int a) const { return a + 1; } int operator[](int i) const { return i * 10; } int operator*() const { return 77; } int *operator->() const; };

Nest g_nest;
Virtually g_virtually(6);
Derived g_derived;
Derived *g_pderived = &g_derived;
Circle g_circle;
Square g_square;
Shape *g_shape = &g_circle;
Shape &g_shape_ref = g_square;
Bottom g_bottom;
Root *g_root = &g_bottom;
Account g_account(42, 1000);
Color g_color = Color::Green;
Plain g_plain = Second;
ns::Point g_point{3, 4};
ns::Point g_points[2] = {{1, 2}, {3, 4}};
int g_int = 12;
int &g_ref = g_int;
const int &g_cref = g_int;
ns::Point &g_point_ref = g_point;
int g_array[3] = {1, 2, 3};
int (&g_array_ref)[3] = g_array;
int ns::Point::*g_member = &ns::Point::y;
int (ns::Point::*g_method)() const = &ns::Point::sum;
bool g_bool = true;
char16_t g_c16 = u'\u20ac';
char32_t g_c32 = U'z';
char g_char = 'c';
decltype(nullptr) g_null = nullptr;
Mix g_mix{1};
Empty g_empty;
Pair g_pair{{}, 6};
Callable g_callable;
int overloaded(int a) { return a + 1; }
double overloaded(double a) { return a + 0.5; }
int overloaded(int a, int b) { return a * b; }
int with_default(int a, int b = 5) { return a + b; }
int by_reference(int &a) { return ++a; }
int by_const_reference(const ns::Point &p) { return p.x * 100 + p.y; }
Account by_value(Account a) { return a; }
template <typename T> T largest(T a, T b) { return a > b ? a : b; }
template int largest<int>(int, int);
template double largest<double>(double, double);
std::string greet(const std::string &name) { return "hello " + name; }
int throws() { throw 5; }

std::string s_string = "short", s_long = "a string that is longer than the small buffer", s_empty;
std::string_view s_view = std::string_view("viewed text").substr(0, 6);
std::vector<int> v_ints{1, 2, 3};
std::vector<int> v_none;
std::vector<std::string> v_strings{"one", "two"};
std::vector<bool> v_bools{true, false, true};
std::vector<ns::Point> v_points{{1, 2}, {3, 4}};
std::array<int, 3> a_ints{4, 5, 6};
std::deque<int> d_ints{1, 2, 3, 4};
std::list<int> l_ints{10, 20, 30};
std::forward_list<int> f_ints{5, 6};
std::map<std::string, int> m_words{{"one", 1}, {"two", 2}, {"three", 3}};
std::map<int, ns::Point> m_points{{1, {2, 3}}};
std::multimap<int, int> mm_ints{{1, 2}, {1, 3}};
std::set<int> set_ints{3, 1, 2};
std::unordered_map<std::string, int> um_words{{"only", 1}};
std::unordered_set<int> us_ints{42};
std::pair<int, std::string> p_pair{1, "second"};
std::tuple<int, double, char> t_tuple{1, 2.5, 'x'};
std::optional<int> o_some = 5, o_none;
std::optional<std::string> o_text = "inside";
std::variant<int, std::string> var_int = 7, var_text = std::string("chosen");
std::unique_ptr<int> up_int(new int(9)), up_null;
std::unique_ptr<ns::Point> up_point(new ns::Point{8, 9});
std::shared_ptr<int> sh_int = std::make_shared<int>(11), sh_null, sh_copy = sh_int;
std::weak_ptr<int> w_int = sh_int;
std::atomic<int> at_int{13};
std::bitset<10> bs_bits(5);
std::complex<double> c_number(1.5, -2);
std::stack<int> st_ints;
std::queue<int> q_ints;
std::function<int(int)> fn = Callable();

struct Holder {
    int value = 1000;
    std::vector<int> items{1, 2};
    static int limit;
    __attribute__((noinline)) int hold(int argument)
    {
        int local = argument + value;
        int &alias = local;
        auto lambda = [local, this](int a) { return a + local + value; };
        std::string text = "local text";
        std::printf("ready\n");
        std::fflush(stdout);
        for (;;) pause();
        return alias + lambda(1) + (int)text.size();
    }
};
int Holder::limit = 64;
Holder g_holder;

int main()
{
    st_ints.push(1);
    q_ints.push(2);
    for (int i = 0; i < 10; i++) um_words.emplace("k", i);
    return g_holder.hold(5) + ns::inner::twice(1) + hidden + secret.code + overloaded(1) + (int)overloaded(1.0) + overloaded(1, 2)
        + with_default(1) + by_reference(g_int) + by_const_reference(g_point) + by_value(g_account).add(1) + (int)g_account.deposit(1)
        + (int)g_account.add(1.0) + Account::rate() + g_account.self().number + g_callable(1) + g_callable[1] + *g_callable
        + (int)greet("x").size() + throws() + ns::box.first() + ns::Box<int, 3>::size + g_point.sum() + (g_point == g_point)
        + (g_point + g_point).x + (int)g_shape->area() + g_derived.tell() + (int)v_ints[0] + (int)v_ints.size() + (int)s_string.size();
}
