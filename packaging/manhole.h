/*
 * manhole.h - the C interface of libmanhole: a manhole that the program opens itself.
 *
 * For C89, C99 and later, and C++; it includes nothing. Three ways to use it:
 *
 * 1. Linked:      cc app.c -lmanhole
 *    All that is promised of a preloaded libmanhole.so holds, provided that the program itself is linked so (not only a library that
 *    it uses), since the library's fork, close, sigaction and others then come before the C library's.
 *
 * 2. Weak:        #define MANHOLE_WEAK
 *                 #include <manhole.h>
 *                 ...
 *                 if (manhole_install) manhole_install("");
 *    Nothing is linked. The functions are there when the process has been started with libmanhole.so preloaded (manhole-run), and
 *    null pointers otherwise. Needs gcc's or clang's weak symbols, and a program that is not linked statically.
 *
 * 3. With dlopen: void *library = dlopen("libmanhole.so", RTLD_NOW | RTLD_LOCAL);
 *                 manhole_install_t install = (manhole_install_t)dlsym(library, "manhole_install");
 *    (In C89 and C99, which have no cast from void * to a pointer to a function, as dlopen(3) shows.) Look with
 *    dlsym(RTLD_DEFAULT, "manhole_install") first: in a process that has the library already a second copy, from another file, would be
 *    a second manhole. The library stays when it is dlclosed. Fewer promises hold, because the C library's functions
 *    are found before the library's own:
 *    - fork and daemon still give the child a manhole of its own; _Fork, vfork and clone do not.
 *    - A host that closes all descriptors, or puts another in the place of the listening socket, is noticed late or not at all; likewise
 *      one that takes the signal which wakes the manhole (SIGURG or SIGWINCH), or the one of activate_on or oneshot_on. thread=True
 *      avoids both: the socket is then in a descriptor table of its own.
 *    - The first thread of the host does not bring the manhole's along; that changes nothing but who is woken when a client comes.
 *    - The manhole's thread does not follow setuid(2) and its kin, does not stand aside for unshare(2) and setns(2), and _exit(2)
 *      leaves the socket's file behind: call manhole_uninstall() before those.
 *
 * A library that is linked or dlopened opens nothing by itself, unless the environment has the variable MANHOLE, which is then
 * obeyed as in a preloaded process. MANHOLE=off is the operator's word: manhole_install() then returns MANHOLE_OFF and opens nothing.
 *
 * Every function may be called by any thread, before, in and after main. None may be called in a signal handler (manhole_log may),
 * nor in the child of a vfork. None ends the process, and none but manhole_log writes anything to the host's descriptors other than
 * the one line of reason that a failed installation leaves in the log.
 */
#ifndef MANHOLE_H
#define MANHOLE_H

#ifdef __cplusplus
extern "C" {
#endif

#ifdef MANHOLE_WEAK
#define MANHOLE_API extern __attribute__((weak))
#else
#define MANHOLE_API extern
#endif

/* What the functions return. New ones may be added; their numbers never change. */
#define MANHOLE_OK 0
#define MANHOLE_ALREADY_INSTALLED 1      /* there is a manhole, and strict=False was not given */
#define MANHOLE_NOT_INSTALLED 2          /* there is no manhole */
#define MANHOLE_CONFIGURATION_CONFLICT 3 /* the options contradict each other: nothing was changed */
#define MANHOLE_BAD_OPTIONS 4            /* the options are wrong: nothing was changed; the log says what is wrong */
#define MANHOLE_OFF 5                    /* the options, or MANHOLE in the environment, say off: nothing was changed */
#define MANHOLE_NOT_OPEN 6               /* installed, but there is no socket yet: the log says why, and it is tried again */
#define MANHOLE_BUSY 7                   /* another thread does the same at this moment, or the old manhole's thread does not end */
#define MANHOLE_NO_MEMORY 8              /* there is no memory: nothing was changed */
#define MANHOLE_SYSTEM 9                 /* the system refuses: errno says why */
#define MANHOLE_BAD_ARGUMENT 10          /* a null pointer, or a malformed name */
#define MANHOLE_EXISTS 11                /* another command has this name */
#define MANHOLE_INTERNAL 12              /* a mistake in the library: the manhole is off, and the log says more */

/*
 * Opens the manhole. `options` is what the variable MANHOLE may hold: keyword arguments with literal values, such as
 * "socket_path='/run/app-{pid}.sock', verbose=True"; "" or NULL stands for the defaults.
 *
 * On return the socket is there, unless a signal is to open it (activate_on, oneshot_on) or nothing is (thread=False). With
 * thread=True it is waited for as long as start_timeout says; then a warning is logged and MANHOLE_NOT_OPEN returned, as it
 * is when the socket cannot be made.
 *
 * Where there is a manhole already, "strict=False" among the options replaces it: its thread ends, its clients are told and
 * their connections closed, its socket is removed, its signals are given back. Otherwise the answer is MANHOLE_ALREADY_INSTALLED and all
 * stays as it is. Of several threads that call at once exactly one installs.
 *
 * In a forked child that has inherited a manhole, one is installed in this sense.
 */
MANHOLE_API int manhole_install(const char *options);

/*
 * Takes the manhole out: no socket, no thread, no handler and no timer is left, and of the memory only what the next
 * installation uses again (less than 1 MiB, most of it never touched). Clients are told. A command of the application that runs
 * (see below) is not ended: its thread goes when it has returned.
 */
MANHOLE_API int manhole_uninstall(void);

/*
 * Writes a line to the manhole's log (the option verbose_destination), with or without verbose=True. Where nothing is
 * installed: MANHOLE_NOT_INSTALLED, and nothing is written. Each line of the text becomes a line of the log, of at most
 * 2,000 bytes. May be called in a signal handler.
 */
MANHOLE_API int manhole_log(const char *text);

/*
 * Writes the stacks of all threads to descriptor `fd`, and returns when all is written, however slowly it is read. Works
 * whether or not a manhole is installed. A reader that has gone raises no SIGPIPE: MANHOLE_SYSTEM with errno EPIPE. The same in
 * other cases: EBADF, ENOSPC, ETIMEDOUT (no dump within 30 seconds), ...
 */
MANHOLE_API int manhole_dump(int fd);

/*
 * A command of the application: `argc` and `argv` are those of a main function: argv[0] is the command's name, argv[argc] is a
 * null pointer. They are the function's to change, and gone when it returns. `context` is what manhole_add_command was given.
 * The arguments come first and the context last, as in glibc's qsort_r: whoever needs no context reads main's signature.
 */
typedef int (*manhole_command_t)(int argc, char **argv, void *context);

/*
 * Adds a command to the prompt. `name` is a word of letters, digits, '_' and '-' that starts with a letter or '_', of at most
 * 40 bytes, and none of the manhole's own (MANHOLE_EXISTS, as for a name that was added before for something else). `help` may be NULL;
 * its first line is what `help` at the prompt shows, all of it what `help NAME` does. Both are copied.
 *
 * The words of a line at the prompt are split as a shell does it: blanks separate, quotes and backslashes keep together. The function's value is
 * shown when it is not 0 ("returned 3").
 *
 * The function is called by a thread of its own, "Manhole-worker", which the first call of manhole_add_command creates and
 * manhole_uninstall ends: with 8 MiB of stack, and all signals blocked, or those of the option `sigmask`, but those of faults
 * (SEGV, BUS, FPE, ILL, TRAP, SYS, ABRT).
 * So a program that adds commands has a second thread, which counts for all that depends on having one: unshare(CLONE_NEWUSER) fails, stdio
 * takes its locks, and a process whose other threads all end by pthread_exit stays. Unless the options say redirect="off", descriptors 1 and
 * 2 lead to the client while the function runs, and descriptor 0 is what the client sends. One command runs at a time. The prompt comes back
 * when the function returns, on Ctrl-C, or after the time that the option `timeout` gives (10 seconds); a function that runs on
 * then is a job, which `jobs` at the prompt shows.
 *
 * Commands belong to the process, not to one manhole: they stay through manhole_uninstall and new installations, and there is no way
 * to take one back, so the code of the function has to stay as well. A forked child knows them but has no thread for
 * them, until it calls manhole_install or manhole_add_command itself (adding the same command once more is no error).
 */
MANHOLE_API int manhole_add_command(const char *name, const char *help, manhole_command_t function, void *context);

/* What a code means: constant text without a newline, for any number. */
MANHOLE_API const char *manhole_strerror(int code);

/* The types of the functions, for dlsym. */
typedef int (*manhole_install_t)(const char *options);
typedef int (*manhole_uninstall_t)(void);
typedef int (*manhole_log_t)(const char *text);
typedef int (*manhole_dump_t)(int fd);
typedef int (*manhole_add_command_t)(const char *name, const char *help, manhole_command_t function, void *context);
typedef const char *(*manhole_strerror_t)(int code);

#ifdef __cplusplus
}
#endif

#endif
