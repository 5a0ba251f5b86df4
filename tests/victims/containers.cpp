// Containers in containers, empty ones and long ones, and the rest of the library that has pretty printers.
#include <any>
#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <functional>
#include <initializer_list>
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

struct Point { int x, y; };
struct Item { std::string name; std::vector<int> sizes; };
struct Empty {};
struct Big { long words[100]; };

std::string narrow = "caf\xc3\xa9 \"quoted\"\n";
std::string with_nul("a\0b", 3);
std::string repeats(50, 'x');
std::string longer(500, 'y');
std::wstring wide = L"wide \u20ac";
std::u16string sixteen = u"sixteen \u20ac";
std::u32string thirty_two = U"thirty two";
std::u16string no_sixteen;
std::wstring_view wide_view = L"a view";
std::string_view no_view;
const char *c_string = "plain";
std::string &string_ref = narrow;
const std::vector<int> &vector_ref = *new std::vector<int>{5, 6};
std::string *string_pointer = &narrow;

std::vector<int> ramp, zeros(300);
std::vector<std::vector<int>> nested{{1}, {}, {2, 3}};
std::vector<std::map<int, std::string>> maps{{{1, "a"}}, {}};
std::vector<std::pair<int, std::string>> pairs{{1, "a"}, {2, "b"}};
std::vector<bool> bits(130), no_bits;
std::vector<Big> bigs(2);
std::vector<const char *> texts{"one", nullptr};
std::vector<Empty> empties(3);
std::vector<Item> items{{"first", {1, 2}}, {"second", {}}};
std::vector<int> reserved;
std::array<std::string, 2> strings{{"x", "y"}};
std::array<int, 0> no_array;
std::deque<int> long_deque;
std::deque<std::string> string_deque{"a", "b"};
std::deque<Big> big_deque(3);
std::deque<int> no_deque;
std::list<std::string> string_list{"a", "b"};
std::list<int> no_list, long_list;
std::list<std::list<int>> lists{{1, 2}, {}};
std::forward_list<std::string> forward{"f"};
std::forward_list<int> no_forward;
std::map<int, std::vector<int>> map_of_vectors{{1, {1, 2}}, {2, {}}};
std::map<std::string, std::map<std::string, int>> map_of_maps{{"outer", {{"inner", 1}}}, {"none", {}}};
std::map<Point *, int> no_map;
std::map<int, int> long_map;
std::multiset<char> characters{'a', 'b', 'a'};
std::set<std::string> string_set{"b", "a"};
std::set<int> no_set, long_set;
std::set<std::pair<int, int>> pair_set{{1, 2}};
std::unordered_map<int, int> no_unordered;
std::unordered_map<int, std::string> unordered{{4, "four"}};
std::unordered_multimap<int, int> multi{{1, 2}};
std::unordered_set<std::string> hashed{"h"};
std::unordered_multiset<int> multi_set{3};
std::pair<Point, double> pair_of{{1, 2}, 0.5};
std::tuple<> no_tuple;
std::tuple<int> single{4};
std::tuple<std::string, std::vector<int>, Empty> mixed{"t", {1}, {}};
std::optional<std::vector<int>> optional_vector = std::vector<int>{1, 2};
std::optional<std::map<int, int>> optional_map = std::map<int, int>{{1, 2}};
std::optional<std::list<int>> optional_list = std::list<int>{7}, optional_no_list = std::list<int>{};
std::optional<std::pair<int, int>> optional_pair = std::pair<int, int>{1, 2};
std::optional<std::optional<int>> optional_optional = std::optional<int>(3);
std::optional<Point> optional_point = Point{1, 2};
std::optional<std::unique_ptr<int>> optional_unique;
std::optional<const char *> optional_text = "text";
std::variant<int, std::vector<int>, std::string> a_number = 5, a_vector = std::vector<int>{1}, a_string = "s";
std::variant<std::monostate, double> mono;
std::variant<std::list<int>, std::map<int, int>> a_list = std::list<int>{1, 2}, a_map = std::map<int, int>{{1, 2}};
std::any any_int = 5, any_string = std::string("in any"), any_none, any_big = Big(), any_point = Point{3, 4};
std::unique_ptr<std::string> unique_string(new std::string("u"));
std::unique_ptr<int[]> unique_array(new int[3]{1, 2, 3});
struct Deleter { int code = 3; void operator()(int *p) const { delete p; } };
std::unique_ptr<int, Deleter> unique_deleter(new int(1));
std::shared_ptr<Point> shared_point(new Point{1, 2});
std::shared_ptr<int[]> shared_array(new int[2]{1, 2});
std::weak_ptr<Point> weak_point = shared_point, expired;
std::vector<std::shared_ptr<int>> shared_vector{std::make_shared<int>(1), nullptr};
std::vector<std::unique_ptr<int>> unique_vector(1);
std::atomic<bool> atomic_bool{true};
std::atomic<Point *> atomic_pointer{nullptr};
std::atomic<Point> atomic_point{Point{1, 2}};
std::atomic<long> atomic_long{-5};
std::atomic<unsigned char> atomic_byte{65};
std::bitset<200> wide_bits;
std::bitset<8> no_wide_bits;
std::stack<int, std::vector<int>> vector_stack;
std::stack<int, std::list<int>> list_stack;
std::queue<std::string> string_queue;
std::priority_queue<int> priority;
std::initializer_list<int> listed{1, 2, 3};
std::reference_wrapper<int> wrapper = *new int(4);
std::function<int(int)> function;
std::chrono::seconds seconds(5);
std::filesystem::path path("/usr/lib/x.so"), file("name"), no_path, root("/");

std::vector<int>::iterator vector_iterator, no_iterator;
std::vector<bool>::iterator bit_iterator;
std::map<int, std::vector<int>>::iterator map_iterator;
std::set<std::string>::const_iterator set_iterator;
std::list<std::string>::iterator list_iterator;
std::deque<std::string>::iterator deque_iterator;
std::forward_list<std::string>::iterator forward_iterator;

enum class Color { red, green };
struct Backwards { bool operator()(int a, int b) const { return a > b; } };
Point a_point, another_point;
const char *key_pointer = "bee";
char key_array[8] = "bee";
std::string key_string = "a key that is too long to stand in the string";
std::string_view key_view = "bee";
std::map<std::string, Item> by_name{{"bee", {"short", {1}}}, {key_string, {"long", {}}}};
std::map<std::string, int, std::less<>> transparent{{"one", 1}};
std::unordered_map<std::string, std::map<int, double>> by_hash{{"bee", {{-1, 0.5}}}, {key_string, {}}};
std::unordered_map<std::string_view, int> by_view{{"bee", 7}};
std::map<Color, int> by_color{{Color::green, 3}};
std::map<const Point *, int, std::greater<const Point *>> by_pointer{{&a_point, 4}};
std::map<unsigned char, int> by_byte{{255, 5}};
std::map<bool, int> by_truth{{true, 6}};
std::multimap<std::string, int> several{{"k", 1}, {"k", 2}, {"l", 3}};
std::map<int, int, Backwards> own_order{{1, 10}};
std::map<std::pair<int, int>, int> by_pair{{{1, 2}, 3}};

__attribute__((noinline)) int hold(std::vector<int> by_value, const std::string &by_reference)
{
    std::vector<std::string> locals{"local", "text"};
    std::map<int, int> local_map{{1, 1}};
    std::printf("ready\n");
    std::fflush(stdout);
    for (;;) pause();
    return (int)locals.size() + (int)local_map.size() + (int)by_value.size() + (int)by_reference.size();
}

int main()
{
    for (int i = 0; i < 250; i++) {
        ramp.push_back(i);
        long_deque.push_back(i);
        long_list.push_back(i);
        long_map[i] = i * i;
        long_set.insert(i);
    }
    long_deque.pop_front();
    bits[3] = bits[129] = true;
    reserved.reserve(10);
    wide_bits[3] = wide_bits[199] = true;
    vector_stack.push(1);
    vector_stack.push(2);
    list_stack.push(5);
    string_queue.push("q");
    priority.push(3);
    priority.push(9);
    expired = std::make_shared<Point>();
    vector_iterator = ramp.begin() + 5;
    bit_iterator = bits.begin() + 3;
    map_iterator = map_of_vectors.begin();
    set_iterator = string_set.begin();
    list_iterator = string_list.begin();
    deque_iterator = string_deque.begin();
    forward_iterator = forward.begin();
    return hold({1, 2}, "given");
}
