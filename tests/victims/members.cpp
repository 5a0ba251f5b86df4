// Pointers to members of classes with bases, virtual functions and nested classes: gdb and the manhole look at the same program.
#include <cstdio>
#include <unistd.h>

struct A {
    int j = 121, jj = 1331;
    int bar(int x) { return j + x; }
    virtual int vget() { return 1; }
    int cb() const { return jj; }
    int over(int) { return 1; }
    int over(char) { return 2; }
    static int sf(int) { return 3; }
    static int ss;
    struct In { int p = 4; } in;
    int arr[3] = {1, 2, 3};
    unsigned bf : 3;
};
int A::ss = 9;
struct B { int b1 = 77; virtual int vb() { return 5; } int fb() { return b1; } };
struct D : A, B {
    int dx = 9;
    int vget() override { return 100 + j; }
    int vb() override { return 55; }
};
struct V : virtual A { int vx = 6; };

A a;
D d;
V v;
A *pa = &a, *pad = &d;
D *pd = &d;
B *pb = &d;
V *pv = &v;
A &ra = a;
int A::*pmi = &A::jj, A::*pmnull = nullptr, A::*pm_set = &A::j;
A::In A::*pmin = &A::in;
int A::In::*pmp = &A::In::p;
int (A::*pmarr)[3] = &A::arr;
int D::*dmi = &D::b1, D::*dj = &D::j, B::*bmi = &B::b1;
int (A::*pmf)(int) = &A::bar, (A::*pmfnull)(int) = nullptr, (A::*pmf_set)(int) = nullptr;
int (A::*pmfc)() const = &A::cb;
int (A::*pmv)() = &A::vget;
int (D::*dvb)() = &D::vb;
int (D::*dfb)() = static_cast<int (D::*)()>(&B::fb);
int (B::*bvb)() = &B::vb;
struct [[gnu::abi_tag("tagged")]] Tagged { int t = 3; };
struct Labelled { static Tagged label; static inline Tagged untold; int own = 1; } labelled;
Tagged Labelled::label;
struct Constants {
    static constexpr int numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static constexpr struct Four { int a, b; long c, d; } four = {1, 2, 3, 4};
    static constexpr char text[] = "a text of some more than sixteen letters";
    static constexpr float halves[3] = {0.5f, 1.5f, 2.5f};
    static constexpr long double extended = 1.5L;
    static constexpr bool flag = true;
    static constexpr short negative = -2;
    int own = 1;
} constants;
struct H { int A::*m; int (A::*f)(int); } h = {&A::j, &A::bar};
int A::*tab[2] = {&A::j, &A::jj};

static int hold()
{
    std::printf("ready\n");
    std::fflush(stdout);
    for (;;) pause();
    return (a.*pmf)(1) + d.dx + (d.*dvb)() + (d.*dfb)() + (d.*bvb)() + a.over(1) + a.over('a') + A::sf(1) + (a.*pmfc)() + v.vx + Labelled::label.t + constants.own;
}

int main()
{
    return hold();
}
