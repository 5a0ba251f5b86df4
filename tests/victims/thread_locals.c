// Thread-local variables of libraries that come and go. With LIBRARY=N it is a library; as the program it does what lines of its input say:
// `open N FILE`, `touch N` (adds 1000 to the main thread's variable of library N), `close N`. Each is answered by `done`.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#ifdef LIBRARY
__thread int of_library = LIBRARY;
int *place(void) { return &of_library; }
#else
__thread int own = 1;
static __thread int of_unit = 2;
// Together they are larger than the addresses at which the file has their first contents.
__thread char wide[100000] = "wide";
static pthread_barrier_t ready;

static void *other(void *argument)
{
    own = 11;
    of_unit = 22;
    errno = 33;
    pthread_barrier_wait(&ready);
    for (;;) pause();
    return argument;
}

int main(void)
{
    void *libraries[32];
    pthread_t thread;
    pthread_barrier_init(&ready, NULL, 2);
    pthread_create(&thread, NULL, other, NULL);
    pthread_barrier_wait(&ready);
    errno = 5;
    printf("ready\n");
    fflush(stdout);
    char line[300], file[256];
    int number;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "open %d %255s", &number, file) == 2) libraries[number] = dlopen(file, RTLD_NOW);
        else if (sscanf(line, "touch %d", &number) == 1) *((int *(*)(void))dlsym(libraries[number], "place"))() += 1000;
        else if (sscanf(line, "close %d", &number) == 1) dlclose(libraries[number]);
        printf("done\n");
        fflush(stdout);
        errno = 5;
    }
    return own + of_unit == 0;
}
#endif
