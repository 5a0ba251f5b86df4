/* A library for ctypes: called by PyDLL, its functions keep the lock of the interpreter while they wait, or run, for ever. */
#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void take(void)
{
    pthread_mutex_lock(&mutex);
}

void spin(void)
{
    for (;;)
        __asm__ volatile("");
}
