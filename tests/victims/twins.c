// A program and its libraries, which have things of the same names: which one does the program mean? Built three times: with LIBRARY=1,
// LIBRARY=2, and as the program.
#include <stdio.h>
#include <unistd.h>

#ifdef LIBRARY
int twin(void) { return LIBRARY; }
int twin_data = LIBRARY * 10;
static int of_program = LIBRARY * 100;
static int of_other_library = LIBRARY * 1000;
int use(int by) { return of_program += by, of_other_library += by; }
#if LIBRARY == 2
// The program's calls get what the program has.
int of_all(void) { return 2; }
int with_versions_before(void) { return 5; }
int with_versions_now(void) { return 6; }
__asm__(".symver with_versions_before, with_versions@V_1");
__asm__(".symver with_versions_now, with_versions@@V_2");
#else
int of_other_library_too = 1;
#endif
#else
extern int twin(void), use(int), with_versions(void);
int of_program = 7;
int of_all(void) { return 8; }
__thread int of_thread = 9;
int main(void)
{
    of_program += twin() * 0 + use(0) * 0 + with_versions() * 0 + of_all() * 0 + of_thread * 0;
    printf("ready\n");
    fflush(stdout);
    char line[8];
    while (read(0, line, sizeof line) > 0) { }
    return 0;
}
#endif
