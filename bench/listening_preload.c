// The least that a manhole can be, for comparison: a preloaded library that binds the same path with the same mode, listens, and removes
// the path at the end. With -DTHREAD a thread accepts and closes.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listening = -1;

#ifdef THREAD
static void *serve(void *nothing)
{
    for (;;)
        close(accept4(listening, NULL, NULL, SOCK_CLOEXEC));
    return nothing;
}
#endif

__attribute__((constructor)) static void begin(void)
{
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/manhole-%d", getpid());
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fchmod(listening, 0600);
    unlink(address.sun_path);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 5))
        return;
#ifdef THREAD
    pthread_t thread;
    pthread_create(&thread, NULL, serve, NULL);
#endif
}

__attribute__((destructor)) static void end(void)
{
    unlink(address.sun_path);
}
