/* A library that is preloaded: once armed, it sends the calling thread SIGUSR2 where a mutex is about to be given back under which a condition was signalled, the second time
   that comes to pass. In a Python's main thread the first is in the end of taking the interpreter's lock, the second in giving it back: the lock is free then, and the mutex
   that guards it is held. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

static volatile int armed;
static __thread int signalled;

void arm(void)
{
    armed = 2;
}

int pthread_cond_signal(pthread_cond_t *condition)
{
    static int (*next)(pthread_cond_t *);
    if (!next)
        next = (int (*)(pthread_cond_t *))dlsym(RTLD_NEXT, "pthread_cond_signal");
    signalled = armed && --armed == 0;
    return next(condition);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    static int (*next)(pthread_mutex_t *);
    if (!next)
        next = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_unlock");
    if (signalled) {
        signalled = 0;
        raise(SIGUSR2);
    }
    return next(mutex);
}
