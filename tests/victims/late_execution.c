// No victim: a second preload, whose execvp(3) executes only when standard output has become something else, or has not for half a second.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/stat.h>
#include <time.h>

int execvp(const char *file, char *const arguments[]) {
    struct stat before, now;
    struct timespec start, time;
    fstat(1, &before);
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        fstat(1, &now);
        clock_gettime(CLOCK_MONOTONIC, &time);
    } while (now.st_ino == before.st_ino && (time.tv_sec - start.tv_sec) * 1000 + (time.tv_nsec - start.tv_nsec) / 1000000 < 500);
    int (*next)(const char *, char *const[]) = (int (*)(const char *, char *const[]))dlsym(RTLD_NEXT, "execvp");
    return next(file, arguments);
}
