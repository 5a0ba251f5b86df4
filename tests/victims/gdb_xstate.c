// No victim: what gdb is preloaded with, where it is asked to call functions. The kernel takes a thread's extended state (NT_X86_XSTATE) only as a whole,
// and gdb 13 has room for 2696 bytes of it, which processors with tile registers (AMX) exceed: "Couldn't write extended state status". What gdb
// knows of the state is put into the whole of it here.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long (*function)(enum __ptrace_request, ...);

long ptrace(enum __ptrace_request request, ...) {
    va_list arguments;
    va_start(arguments, request);
    int tid = va_arg(arguments, int);
    void *address = va_arg(arguments, void *), *data = va_arg(arguments, void *);
    va_end(arguments);
    function next = (function)dlsym(RTLD_NEXT, "ptrace");
    if (request == PTRACE_SETREGSET && (unsigned long)address == NT_X86_XSTATE) {
        static char whole[1 << 16];
        struct iovec known = *(struct iovec *)data, all = {whole, sizeof whole};
        if (next(PTRACE_GETREGSET, tid, address, &all) == 0 && known.iov_len < all.iov_len) {
            memcpy(whole, known.iov_base, known.iov_len);
            return next(request, tid, address, &all);
        }
    }
    return next(request, tid, address, data);
}
