// Counters that the test reads and writes while the victim runs, whatever the victim is stuck in: words of a file that
// both have mapped. The last word is the test's: not zero asks the victim to end.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { COUNTERS = 64, STOP = COUNTERS - 1 };
static volatile unsigned long *counters;

static void open_counters(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, COUNTERS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) _exit(3);
    close(fd);
    counters = (volatile unsigned long *)at;
}
