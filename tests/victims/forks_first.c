// A library that is preloaded before ours and has a `fork` of its own, which goes on to the next one: what sanitizers and other preloads do.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

pid_t fork(void) {
    static pid_t (*next)(void);
    if (!next) next = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
    return next();
}
