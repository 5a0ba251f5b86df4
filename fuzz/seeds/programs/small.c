struct node { struct node *next; int x : 5; union { int a; float b; } u; } first = { 0 };
enum color { RED, GREEN = 5 } variable;
static __thread int same_name;
typedef int (*fn)(struct node *, int);
static int table[3][4];
fn pointer;
static inline int inlined(int x) { static int calls; return calls += x; }
__attribute__((noinline)) static int hidden(struct node *n, int x) { for (int i = 0; i < x; i++) { int y = inlined(i); table[1][2] += y; } return n->x; }
int f(int x) { volatile int local[2] = { x }; return hidden(&first, local[0]) + same_name; }
void _start(void) { f(1); }
