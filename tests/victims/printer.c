// Prints what it is told to, by write(2) and by stdio, and counts what it has written and what has failed.
//
// One line of stdin, one action. Reports go to a copy of stderr (descriptor 9), so that they never count as output.
// argv[1]: "threads" lets a second thread run the actions while the main thread waits for ever; "sleepy" waits for its input by
// polling with a limit of time.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static struct stat first;
static unsigned long written, failed, interrupted;

static void put(const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t count = write(1, bytes, size);
    if (count < 0) {
      errno == EINTR ? interrupted++ : failed++;
      if (errno != EINTR) return;
      continue;
    }
    written += count;
    bytes += count;
    size -= count;
  }
}

// Numbered lines of 64 bytes.
static void burst(unsigned long bytes) {
  char block[64 * 256];
  unsigned long line = 0;
  while (bytes > 0) {
    size_t size = 0;
    for (; size < sizeof block && size < bytes; size += 64) {
      char text[65];
      snprintf(text, sizeof text, "%062lu-\n", line++);
      memcpy(block + size, text, 64);
    }
    if (size > bytes) size = bytes;
    put(block, size);
    bytes -= size;
  }
}

static int by_fork(const char *text) {
  pid_t child = fork();
  if (child == 0) {
    dprintf(1, "%s\n", text);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  return 0;
}

// Children that look whether they have the output that the process had at its start, and nothing that it had not.
static void forks(int count) {
  int astray = 0;
  for (int n = 0; n < count; n++) {
    pid_t child = fork();
    if (child == 0) {
      struct stat now;
      int same = fstat(1, &now) == 0 && now.st_ino == first.st_ino && now.st_dev == first.st_dev;
      for (int fd = 880; fd < 1000; fd++) same = same && fcntl(fd, F_GETFD) < 0;
      _exit(same ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    astray += status != 0;
  }
  dprintf(9, "children=%d astray=%d\n", count, astray);
}

static void by_spawn(char *command, int waits) {
  char *arguments[] = {"sh", "-c", command, NULL};
  pid_t child;
  posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ);
  if (waits) waitpid(child, NULL, 0);
}

static int by_vfork(const char *command) {
  pid_t child = vfork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", command, NULL);
    _exit(1);
  }
  waitpid(child, NULL, 0);
  return 0;
}

// Executes the shell with COMMAND by the function of the name, after the same has failed for a program that there is none of.
static void execute(char *name, const char *command) {
  char here[] = "HERE=yes";
  char *arguments[] = {"sh", "-c", (char *)command, NULL}, *environment[] = {here, NULL};
  for (int n = 0; n < 2; n++) {
    const char *path = n ? "/bin/sh" : "/nowhere/sh", *file = n ? "sh" : "nowhere-sh";
    // More than registers have room for, and an odd and an even number of them.
    if (!strcmp(name, "execl")) execl(path, "sh", "-c", command, "0", "1", "2", "3", "4", "5", NULL);
    if (!strcmp(name, "execlp")) execlp(file, "sh", "-c", command, "0", "1", "2", "3", "4", NULL);
    if (!strcmp(name, "execle")) execle(path, "sh", "-c", command, "0", "1", NULL, environment);
    if (!strcmp(name, "execve")) execve(path, arguments, environment);
    if (!strcmp(name, "execvp")) execvp(file, arguments);
    put("not executed\n", 13);
  }
}

static void *run(void *sleepy) {
  FILE *in = fdopen(0, "r");
  setvbuf(in, NULL, _IONBF, 0);
  char line[4096];
  for (;;) {
    if (sleepy) {
      struct pollfd waited = {0, POLLIN, 0};
      int ready;
      while ((ready = poll(&waited, 1, 50)) <= 0)
        if (ready < 0) interrupted++;
    }
    if (!fgets(line, sizeof line, in)) break;
    line[strcspn(line, "\n")] = 0;
    char *rest = strchr(line, ' ');
    rest = rest ? rest + 1 : line + strlen(line);
    if (!strncmp(line, "say ", 4)) {
      strcat(rest, "\n");
      put(rest, strlen(rest));
    } else if (!strncmp(line, "print ", 6)) {
      printf("%s\n", rest);
    } else if (!strncmp(line, "error ", 6)) {
      dprintf(2, "%s\n", rest);
    } else if (!strncmp(line, "burst ", 6)) {
      burst(strtoul(rest, NULL, 10));
    } else if (!strncmp(line, "fork ", 5)) {
      by_fork(rest);
    } else if (!strncmp(line, "vfork ", 6)) {
      by_vfork(rest);
    } else if (!strncmp(line, "exec", 4)) {
      rest[-1] = 0;
      execute(line, rest);
    } else if (!strncmp(line, "spawn ", 6)) {
      by_spawn(rest, 1);
    } else if (!strncmp(line, "launch ", 7)) {
      by_spawn(rest, 0);
    } else if (!strncmp(line, "stdout ", 7)) {
      int fd = open(rest, O_WRONLY | O_CREAT | O_APPEND, 0600);
      dup2(fd, 1);
      close(fd);
    } else if (!strcmp(line, "closeall")) {
      for (int fd = 10; fd < 1100; fd++) close(fd);
    } else if (!strncmp(line, "forks ", 6)) {
      forks(atoi(rest));
    } else if (!strcmp(line, "pthread_exit")) {
      pthread_exit(NULL);
    } else if (!strcmp(line, "return")) {
      exit(0);
    } else if (!strncmp(line, "_exit ", 6)) {
      put("last\n", 5);
      _exit(atoi(rest));
    }
    dprintf(9, "did written=%lu failed=%lu interrupted=%lu : %s\n", written, failed, interrupted, line);
  }
  exit(0);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_DFL);
  dup2(2, 9);
  fstat(1, &first);
  int threads = argc > 1 && !strcmp(argv[1], "threads"), sleepy = argc > 1 && !strcmp(argv[1], "sleepy");
  if (write(1, "ready\n", 6) != 6) return 1;
  if (threads) {
    pthread_t thread;
    pthread_create(&thread, NULL, run, NULL);
    for (;;) pause();
  }
  run(sleepy ? argv : NULL);
}
