// Functions inside each other, each with parameters, locals and blocks of its own, and threads that wait in them.
//
// The main thread waits for lines of its input in `level_two`, which `level_one` has called; `bump` adds 1 to `level_counter` and prints
// `level_counter N`. A second thread waits for ever, with errno 33. Prints `ready`, and ends with status 0 at the end of stdin.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct level_point { int x, y; const char *name; };
typedef struct level_point level_alias;
enum level_color { LEVEL_RED, LEVEL_GREEN = 5 };
union level_either { int number; float real; };

volatile int level_counter = 7;
static struct level_point level_origin = { 0, 0, "origin" };
long level_table[4] = { 1, 2, 3, 4 };

static void *level_waits(void *argument) {
    int own = 44;
    errno = 33;
    for (;;) pause();
    return own ? argument : NULL;
}

__attribute__((noinline)) int level_two(struct level_point *point, double ratio, enum level_color color, const char *text) {
    char line[32] = "nothing yet";
    int round = 0;
    union level_either either = { 12 };
    for (;;) {
        unsigned long total = 1000;
        for (int i = 0; i < 3; i++) total += (unsigned long)i;
        {
            short inner = 3;
            level_alias copy = *point;
            if (!fgets(line, sizeof line, stdin)) return round + inner + copy.x + (int)total + either.number + (ratio > 1) + (color != 0) + (text == 0);
        }
        round++;
        level_counter++;
        printf("level_counter %d\n", level_counter);
        fflush(stdout);
    }
}

__attribute__((noinline)) int level_one(int count, struct level_point by_value) {
    struct level_point *place = &level_origin;
    int result = count + by_value.y;
    result += level_two(place, 2.5, LEVEL_GREEN, "some text");
    return result;
}

static pthread_t thread;

int main(void) {
    struct level_point here = { 3, 4, "here" };
    pthread_create(&thread, NULL, level_waits, NULL);
    puts("ready");
    fflush(stdout);
    return level_one(11, here) == 0 || level_table[0] == 0;
}
