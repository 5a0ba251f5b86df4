// Does to descriptors what careless and careful programs do, then uses its own files and says whether they are intact.
//
//   closer MODE [DIRECTORY]
//
//   plain       nothing                              closefrom   closefrom(3)
//   close-range close_range(3, ~0)                   loop        close(3) .. close(65535)
//   dup2        its own file over each of 3 .. 1023  exec3       its own file over 3, as `exec 3>file` does
//   exhaust     opens until EMFILE                   limit       lowers RLIMIT_NOFILE to 20
//   std-closed  closes nothing; started with 0, 1 and 2 closed, it must get them. Needs DIRECTORY.
//
// Prints `ready pid=N first=N` (first: the number of the first descriptor it opened). Then, by lines of stdin:
//   go     does it, opens its files in DIRECTORY (default: a new one in /tmp), writes them: `done first=N files=N`
//   check  reads them back: `intact`, or `damaged NAME`
//   free   closes what `exhaust` opened: `freed`
// With std-closed there is no stdin: it does `go` at once, and each time a file DIRECTORY/ask appears, removes it and
// writes the answer to DIRECTORY/answer; it ends when DIRECTORY/stop appears.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 1100, BYTES = 4096 };
static const char *mode, *directory;
static int files[MOST], count;
static int first = -1;
static int hoard[70000], hoarded;
static char made[] = "/tmp/closer-XXXXXX";

static void fill(char *bytes, int n) {
    for (int i = 0; i < BYTES; i++) bytes[i] = (char)(n * 131 + i * 7);
}
static void path_of(char *path, const char *name, int n) {
    if (n < 0) snprintf(path, PATH_MAX, "%s/%s", directory, name);
    else snprintf(path, PATH_MAX, "%s/%s%d", directory, name, n);
}
static void make_file(int onto) {
    char path[PATH_MAX], bytes[BYTES];
    path_of(path, "own", count);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) return;
    if (first < 0) first = fd;
    if (onto >= 0 && onto != fd) {
        if (dup2(fd, onto) < 0) { close(fd); return; }
        close(fd);
        fd = onto;
    }
    fill(bytes, count);
    if (write(fd, bytes, BYTES) != BYTES) _exit(3);
    files[count++] = fd;
}
static const char *check(void) {
    static char answer[128];
    for (int i = 0; i < count; i++) {
        char want[BYTES], got[BYTES + 1], path[PATH_MAX];
        struct stat by_fd, by_path;
        fill(want, i);
        path_of(path, "own", i);
        ssize_t n = pread(files[i], got, sizeof got, 0);
        if (fstat(files[i], &by_fd) || stat(path, &by_path) || by_fd.st_ino != by_path.st_ino) {
            snprintf(answer, sizeof answer, "damaged own%d (descriptor %d is another file, or none)", i, files[i]);
            return answer;
        }
        if (n != BYTES || memcmp(want, got, BYTES)) {
            snprintf(answer, sizeof answer, "damaged own%d (%zd bytes)", i, n);
            return answer;
        }
    }
    return "intact";
}
static void act(void) {
    first = -1;
    if (!strcmp(mode, "closefrom")) closefrom(3);
    if (!strcmp(mode, "close-range")) syscall(SYS_close_range, 3, ~0U, 0);
    if (!strcmp(mode, "loop"))
        for (int fd = 3; fd < 65536; fd++) close(fd);
    if (!strcmp(mode, "dup2")) {
        for (int fd = 3; fd < 1024; fd++) make_file(fd);
        return;
    }
    if (!strcmp(mode, "exec3")) make_file(3);
    if (!strcmp(mode, "limit")) {
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 20;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (int i = 0; i < 8; i++) make_file(-1);
    if (!strcmp(mode, "exhaust")) {
        int fd;
        while (hoarded < (int)(sizeof hoard / sizeof *hoard) && (fd = open("/dev/null", O_RDONLY)) >= 0)
            hoard[hoarded++] = fd;
    }
}
static void clean(void) {
    char path[PATH_MAX];
    for (int i = 0; i < count; i++) {
        path_of(path, "own", i);
        unlink(path);
    }
    if (directory == made) rmdir(directory);
}
static void without_stdin(void) {
    act();
    for (;;) {
        char path[PATH_MAX], answer[256], hidden[PATH_MAX];
        usleep(5000);
        path_of(path, "stop", -1);
        if (access(path, F_OK) == 0) break;
        path_of(path, "ask", -1);
        if (unlink(path)) continue;
        int length = snprintf(answer, sizeof answer, "pid=%d first=%d %s\n", getpid(), first, check());
        path_of(hidden, "answer.new", -1);
        path_of(path, "answer", -1);
        int fd = open(hidden, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (write(fd, answer, length) != length) _exit(3);
        close(fd);
        rename(hidden, path);
    }
}

int main(int argc, char **argv) {
    mode = argc > 1 ? argv[1] : "plain";
    directory = argc > 2 ? argv[2] : mkdtemp(made);
    if (!directory) return 3;
    if (!strcmp(mode, "std-closed")) {
        without_stdin();
        clean();
        return 0;
    }
    int probe = open("/dev/null", O_RDONLY);
    close(probe);
    printf("ready pid=%d first=%d\n", getpid(), probe);
    fflush(stdout);
    // Lines are read without stdio's own descriptors or buffers getting in between.
    char line[64];
    int length = 0;
    while (read(0, line + length, 1) == 1) {
        if (line[length] != '\n') {
            if (length < 62) length++;
            continue;
        }
        line[length] = 0;
        length = 0;
        if (!strcmp(line, "go")) {
            act();
            printf("done first=%d files=%d\n", first, count);
        } else if (!strcmp(line, "check")) {
            printf("%s\n", check());
        } else if (!strcmp(line, "free")) {
            while (hoarded) close(hoard[--hoarded]);
            printf("freed\n");
        }
        fflush(stdout);
    }
    clean();
    return 0;
}
