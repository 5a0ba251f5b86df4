namespace ns {
struct Base { virtual int over(int) = 0; int b : 3; };
template <typename T, int N> struct Hidden : virtual Base { static const int k = N; T t[N]; int over(int x) override; };
template <typename T, int N> int Hidden<T, N>::over(int x) { auto l = [&](int y) { return x + y; }; return l(N); }
enum class Color : char { Red, Blue };
Color color;
int &&move(int &x) { return static_cast<int &&>(x); }
}
using namespace ns;
extern "C" { void *_ZTVN10__cxxabiv120__si_class_type_infoE[9], *_ZTVN10__cxxabiv121__vmi_class_type_infoE[9], *_ZTVN10__cxxabiv117__class_type_infoE[9]; void __cxa_pure_virtual() {} }
extern "C" void _start() { Hidden<long, 2> h; int i = h.over(3); color = Color(ns::move(i)); }
