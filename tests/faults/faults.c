/* Loaded before the C library (LD_PRELOAD): chosen changes of files below a folder fail, or a signal comes just
   before them.  Nothing happens until fault_arm is called, in a process that was forked for it.

   For a power cut all changes are written down, with what was synced; of each file that is renamed or deleted, or
   that a rename replaces, a second link is kept, so that what a disk may hold then can be put together. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { NONE, SIGNAL, ERROR_ONCE, ERROR_FROM_THEN_ON };
static struct {
    long at;
    int kind, number; /* of the signal or error */
} faults[2];
static char folder[4096], links[4000];
static size_t length;
static long count, jumps, kept;
static int diary = -1;
static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void fault_arm(const char *where, long at, int how, int which) {
    snprintf(folder, sizeof folder, "%s", where);
    length = strlen(folder);
    faults[0].at = at, faults[0].kind = how, faults[0].number = which;
    faults[1].kind = NONE, count = 0;
}

void fault_arm_second(long at, int how, int which) {
    faults[1].at = at, faults[1].kind = how, faults[1].number = which;
}

void fault_diary(const char *where) { /* an empty folder: for the diary and links */
    char file[4096];
    snprintf(links, sizeof links, "%s", where);
    snprintf(file, sizeof file, "%s/diary", where);
    diary = REAL(open)(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
}

void fault_clock(long most_seconds) { jumps = most_seconds; }

long fault_count(void) { return count; }

static int inside(const char *path) { return length && path && !strncmp(path, folder, length); }

/* What is to happen at this change: 0, -1 - k for fault k's signal, or an error's number. */
static int met(const char *path) {
    if (!inside(path)) return 0;
    long n = __sync_add_and_fetch(&count, 1);
    for (int k = 0; k < 2; k++) {
        if (n == faults[k].at && faults[k].kind == SIGNAL) return -1 - k;
        if (n == faults[k].at && faults[k].kind >= ERROR_ONCE) return faults[k].number;
        if (n > faults[k].at && faults[k].kind == ERROR_FROM_THEN_ON) {
            int other = 1 - k; /* a signal may come while the error lasts */
            if (n == faults[other].at && faults[other].kind == SIGNAL) return -1 - other;
            return faults[k].number;
        }
    }
    return 0;
}

static const char *path_of(int file, char *path) {
    char link[64];
    if (!length) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, 4095);
    if (size <= 0) return NULL;
    path[size] = 0;
    return path;
}

static void keep(const char *path, char *name) {
    char to[4096];
    snprintf(name, 24, "%ld", ++kept);
    snprintf(to, sizeof to, "%s/%s", links, name);
    if (link(path, to)) strcpy(name, "-");
}

static void note(char what, const char *path, const char *to, const char *first, const char *second) {
    char line[9000];
    int size = snprintf(line, sizeof line, "%c\t%s\t%s\t%s\t%s\n", what, path, to, first, second);
    if (REAL(write)(diary, line, (size_t)size) != size) _exit(99);
}

#define NOTED(path) (diary >= 0 && inside(path))
#define PASS_OR_FAIL(what) \
    do { \
        int found = what; \
        if (found < 0) kill(getpid(), faults[-1 - found].number); \
        if (found > 0) return errno = found, -1; \
    } while (0)

ssize_t write(int file, const void *bytes, size_t size) {
    char path[4096];
    const char *name = path_of(file, path);
    int found = met(name);
    if (found && size > 1) size /= 2; /* half of it is there */
    ssize_t done = found > 0 && size <= 1 ? -1 : REAL(write)(file, bytes, size);
    if (NOTED(name)) note('W', name, "", "", "");
    if (found < 0) kill(getpid(), faults[-1 - found].number);
    if (found > 0) return errno = found, -1;
    return done;
}

int fsync(int file) {
    char path[4096];
    const char *name = path_of(file, path);
    PASS_OR_FAIL(met(name));
    int result = REAL(fsync)(file);
    if (NOTED(name)) note('S', name, "", "", "");
    return result;
}

int rename(const char *from, const char *to) {
    PASS_OR_FAIL(met(to));
    if (!NOTED(to)) return REAL(rename)(from, to);
    char now[24], before[24];
    pthread_mutex_lock(&one_by_one);
    keep(from, now);
    keep(to, before);
    int result = REAL(rename)(from, to);
    if (!result) note('R', from, to, now, before);
    pthread_mutex_unlock(&one_by_one);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    PASS_OR_FAIL(met(path));
    int result = REAL(mkdir)(path, mode);
    if (!result && NOTED(path)) note('M', path, "", "", "");
    return result;
}

int chmod(const char *path, mode_t mode) {
    PASS_OR_FAIL(met(path));
    return REAL(chmod)(path, mode);
}

int unlink(const char *path) {
    int found = met(path);
    if (found < 0) kill(getpid(), faults[-1 - found].number);
    if (found > 0 && found != ENOSPC) return errno = found, -1; /* a full disk lets one delete */
    if (!NOTED(path)) return REAL(unlink)(path);
    char before[24];
    pthread_mutex_lock(&one_by_one);
    keep(path, before);
    int result = REAL(unlink)(path);
    if (!result) note('U', path, "", before, "");
    pthread_mutex_unlock(&one_by_one);
    return result;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (!(flags & (O_WRONLY | O_RDWR))) return REAL(name)(path, flags, mode); \
        PASS_OR_FAIL(met(path)); \
        int is_new = NOTED(path) && access(path, F_OK); \
        int file = REAL(name)(path, flags, mode); \
        if (file >= 0 && NOTED(path) && (is_new || flags & O_TRUNC)) note(is_new ? 'N' : 'W', path, "", "", ""); \
        return file; \
    }
OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t which, struct timespec *time) {
    int result = REAL(clock_gettime)(which, time);
    if (jumps && which == CLOCK_REALTIME) time->tv_sec += (time->tv_nsec / 7) % (2 * jumps) - jumps;
    return result;
}
