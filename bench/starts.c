// Times posix_spawn(3) to the end of wait(2) of one program under several environments, in turn, so that what the machine does
// meanwhile meets all of them alike.
//
//   starts ROUNDS PROGRAM [-- NAME=VALUE...]...     each `--` begins an environment
//
// Prints one line for each environment: median and tenth percentile in nanoseconds.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { MOST = 16, FIRST = 20 /* rounds that do not count */ };

static long now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int ascending(const void *one, const void *other)
{
    long a = *(const long *)one, b = *(const long *)other;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    int rounds = atoi(argv[1]), kinds = 0;
    char *program = argv[2], *arguments[] = {program, NULL};
    char **environments[MOST];
    for (int n = 3; n < argc; n++) {
        if (strcmp(argv[n], "--"))
            continue;
        argv[n] = NULL; // ends the environment before
        if (kinds == MOST)
            return 2;
        environments[kinds++] = &argv[n + 1];
    }
    long *times = malloc(sizeof(long) * kinds * rounds);
    for (int round = -FIRST; round < rounds; round++) {
        for (int kind = 0; kind < kinds; kind++) {
            pid_t pid;
            int status;
            long begin = now_ns();
            if (posix_spawn(&pid, program, NULL, NULL, arguments, environments[kind]) || waitpid(pid, &status, 0) != pid || status)
                return 3;
            if (round >= 0)
                times[kind * rounds + round] = now_ns() - begin;
        }
    }
    for (int kind = 0; kind < kinds; kind++) {
        long *own = times + kind * rounds;
        qsort(own, rounds, sizeof(long), ascending);
        printf("%ld %ld\n", own[rounds / 2], own[rounds / 10]);
    }
    return 0;
}
