/* Loaded before the C library (LD_PRELOAD): the n-th change of a file below a folder fails, or a signal comes
   just before it.  Nothing happens until fault_arm is called, in a process that was forked for it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static char folder[4096];
static size_t length;
static long nth, count, jumps;
static int number, kind; /* of the signal or error */
enum { NONE, SIGNAL, ERROR_ONCE, ERROR_FROM_THEN_ON };

void fault_arm(const char *where, long at, int how, int which) {
    snprintf(folder, sizeof folder, "%s", where);
    length = strlen(folder);
    nth = at, kind = how, number = which, count = 0;
}

void fault_clock(long most_seconds) { jumps = most_seconds; }

long fault_count(void) { return count; }

/* What is to happen at this change: 0, -1 for a signal, or an error's number. */
static int met(const char *path) {
    if (!length || !path || strncmp(path, folder, length)) return 0;
    long n = __sync_add_and_fetch(&count, 1);
    if (n == nth && kind == SIGNAL) return -1;
    return (n == nth && kind >= ERROR_ONCE) || (n > nth && kind == ERROR_FROM_THEN_ON) ? number : 0;
}

static int met_file(int file) {
    char link[64], path[4096];
    if (!length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0) return 0;
    path[size] = 0;
    return met(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define PASS_OR_FAIL(what) \
    do { \
        int found = what; \
        if (found < 0) kill(getpid(), number); \
        if (found > 0) return errno = found, -1; \
    } while (0)

ssize_t write(int file, const void *bytes, size_t size) {
    int found = met_file(file);
    if (found && size > 1) size = (size_t)REAL(write)(file, bytes, size / 2); /* half of it is there */
    if (found < 0) {
        kill(getpid(), number);
        return (ssize_t)size;
    }
    if (found > 0) return errno = found, -1;
    return REAL(write)(file, bytes, size);
}

int fsync(int file) {
    PASS_OR_FAIL(met_file(file));
    return REAL(fsync)(file);
}

int rename(const char *from, const char *to) {
    PASS_OR_FAIL(met(to));
    return REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode) {
    PASS_OR_FAIL(met(path));
    return REAL(mkdir)(path, mode);
}

int chmod(const char *path, mode_t mode) {
    PASS_OR_FAIL(met(path));
    return REAL(chmod)(path, mode);
}

int unlink(const char *path) {
    int found = met(path);
    if (found < 0) kill(getpid(), number);
    if (found > 0 && found != ENOSPC) return errno = found, -1; /* a full disk lets one delete */
    return REAL(unlink)(path);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (flags & (O_WRONLY | O_RDWR)) PASS_OR_FAIL(met(path)); \
        return REAL(name)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t which, struct timespec *time) {
    int result = REAL(clock_gettime)(which, time);
    if (jumps && which == CLOCK_REALTIME) time->tv_sec += (time->tv_nsec / 7) % (2 * jumps) - jumps;
    return result;
}
