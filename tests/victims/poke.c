// No victim: sends signals to chosen threads of one, which kill(1) cannot.
//
//   poke PID SIGNAL COUNT MICROSECONDS [TID]
//
// Sends SIGNAL so many times, with so long between two, to the thread TID, or to each thread in turn that does not block it
// and is not the manhole's. A thread where it still waits to be delivered is passed over: each signal is one run of a handler.
// Ends early when the process has gone. Prints `ready`, then `sent=N`.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int read_file(const char *path, char *bytes, int size) {
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    int count = fread(bytes, 1, size - 1, file);
    fclose(file);
    bytes[count > 0 ? count : 0] = 0;
    return count;
}
static int holds(const char *status, const char *set, int signal) {
    const char *line = strstr(status, set);
    return !line || strtoull(line + strlen(set), NULL, 16) >> (signal - 1) & 1;
}
static int may_get(int pid, int tid, int signal, int asked_for) {
    char path[64], bytes[4096];
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, tid);
    if (read_file(path, bytes, sizeof bytes) <= 0 || !strncmp(bytes, "Name:\tManhole", 13)) return 0;
    return !holds(bytes, "\nSigPnd:", signal) && (asked_for || !holds(bytes, "\nSigBlk:", signal));
}
static int threads(int pid, int *tids, int most) {
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    if (!directory) return 0;
    for (struct dirent *entry; count < most && (entry = readdir(directory));)
        if (atoi(entry->d_name)) tids[count++] = atoi(entry->d_name);
    closedir(directory);
    return count;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    int pid = atoi(argv[1]), signal = atoi(argv[2]), wanted = atoi(argv[3]), between = atoi(argv[4]);
    int only = argc > 5 ? atoi(argv[5]) : 0, tids[256], count, sent = 0;
    printf("ready\n");
    fflush(stdout);
    while (sent < wanted && (count = only ? (tids[0] = only, kill(pid, 0) == 0) : threads(pid, tids, 256)) > 0)
        for (int i = 0; i < count && sent < wanted; i++) {
            if (may_get(pid, tids[i], signal, only) && !syscall(SYS_tgkill, pid, tids[i], signal)) sent++;
            usleep(between);
        }
    printf("sent=%d\n", sent);
    return 0;
}
