// Threads that do one thing over and over, all of it under locks that a signal handler meets sooner or later.
//
//   storm KIND THREADS COUNTERS [SIGNAL]
//
//   malloc   blocks of many sizes, filled and looked at          printf     formatted lines to /dev/null, one FILE for all
//   dlopen   loads and unloads libraries                         setenv     a variable a thread, set, read back
//   localtime  localtime, mktime, strftime                       throw      C++ exceptions through frames with destructors
//
// COUNTERS is a file (counters.h): each thread counts its rounds in the word of its number, and what was wrong with its
// results in word 32 + its number. Prints `ready pid=N`. With one thread the main thread is it. With more, the main thread
// waits for them and blocks SIGNAL, so that it lands where the work is. Ends with status 0 when the last word is set.
#include "counters.h"
#include <cstdio>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdexcept>
#include <string>

static FILE *null_file;
static const char *kind;

struct Guard {
    volatile unsigned long &wrong;
    long depth;
    bool left = false;
    ~Guard() { if (depth < 0) wrong++; }
};
[[gnu::noinline]] static void thrower(volatile unsigned long &wrong, long depth, unsigned long round) {
    Guard guard{wrong, depth};
    if (depth == 0) throw std::runtime_error("round " + std::to_string(round));
    thrower(wrong, depth - 1, round);
    wrong++; // never here
}

static void one_round(long number, unsigned long round) {
    volatile unsigned long &wrong = counters[32 + number];
    if (!strcmp(kind, "malloc")) {
        size_t size = 1 + round * 37 % 20000 + (round % 97 == 0) * 300000;
        auto *block = static_cast<unsigned char *>(malloc(size));
        memset(block, static_cast<int>(round), size);
        block = static_cast<unsigned char *>(realloc(block, size + 100));
        if (block[0] != round % 256 || block[size - 1] != round % 256) wrong++;
        free(block);
    } else if (!strcmp(kind, "printf")) {
        if (fprintf(null_file, "%08lu %s %5.2f\n", round % 100000000, "text", 1.5) != 20) wrong++;
    } else if (!strcmp(kind, "dlopen")) {
        static const char *const names[] = {"libBrokenLocale.so.1", "libresolv.so.2", "libutil.so.1", "libanl.so.1"};
        void *library = dlopen(names[(number + round) % 4], RTLD_NOW);
        if (!library || dlclose(library)) wrong++;
    } else if (!strcmp(kind, "setenv")) {
        std::string name = "STORM_" + std::to_string(number), value = round % 2 ? "odd" : "even";
        if (setenv(name.c_str(), value.c_str(), 1) || getenv(name.c_str()) != value) wrong++;
    } else if (!strcmp(kind, "localtime")) {
        time_t at = static_cast<time_t>(round * 86399 % 2000000000), back;
        struct tm broken;
        char text[64];
        localtime_r(&at, &broken);
        strftime(text, sizeof text, "%c %Z", &broken);
        back = mktime(&broken);
        if (back != at) wrong++;
    } else if (!strcmp(kind, "throw")) {
        try {
            thrower(wrong, 5, round);
            wrong++;
        } catch (const std::exception &caught) {
            if (caught.what() != "round " + std::to_string(round)) wrong++;
        }
    } else {
        _exit(2);
    }
}

static void *work(void *argument) {
    long number = reinterpret_cast<long>(argument);
    for (unsigned long round = 0; !counters[STOP]; round++) {
        one_round(number, round);
        counters[number]++;
    }
    return nullptr;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    kind = argv[1];
    long threads = atol(argv[2]);
    open_counters(argv[3]);
    null_file = fopen("/dev/null", "w");
    // UTC without rules, so that every time is right; and each variable is there before the threads are: only its value
    // changes later, never the array, which another thread's getenv may be reading.
    setenv("TZ", "UTC0", 1);
    for (long n = 0; n < threads; n++) setenv(("STORM_" + std::to_string(n)).c_str(), "even", 1);
    printf("ready pid=%d\n", getpid());
    fflush(stdout);
    if (threads == 1) {
        work(nullptr);
        return 0;
    }
    pthread_t ids[16];
    for (long n = 0; n < threads && n < 16; n++) pthread_create(&ids[n], nullptr, work, reinterpret_cast<void *>(n));
    if (argc > 4) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, atoi(argv[4]));
        pthread_sigmask(SIG_BLOCK, &set, nullptr);
    }
    for (long n = 0; n < threads && n < 16; n++) pthread_join(ids[n], nullptr);
    return 0;
}
