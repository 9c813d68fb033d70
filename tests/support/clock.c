/* Loaded before a program (LD_PRELOAD), it moves the program's wall clock by the seconds that stand in the file CLOCK_OFFSET_FILE, 8 bytes
 * of the machine's own order, at any moment. CLOCK_MONOTONIC stays what it is, as on a host whose clock somebody sets. A wait until a wall
 * time ends when the moved clock reaches it; only one that is under way while the clock is set keeps its end, where the kernel would move it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

static volatile int64_t unmoved;
static volatile int64_t *offset_s = &unmoved;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) abort();
    void *mapped = mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) abort();
    close(file);
    offset_s = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset_s;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    struct timespec moved, steady;
    clock_gettime(CLOCK_REALTIME, &moved);
    int64_t left = (until->tv_sec - moved.tv_sec) * SECOND_NS + until->tv_nsec - moved.tv_nsec;
    if (left <= 0) return ETIMEDOUT;
    clock_gettime(CLOCK_MONOTONIC, &steady);
    left += steady.tv_nsec;
    steady.tv_sec += left / SECOND_NS;
    steady.tv_nsec = left % SECOND_NS;
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &steady);
}

/* glibc's own calls the one above where nobody can come between; librdkafka waits with this one. Both types are the same to glibc. */
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    switch (pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until)) {
    case 0: return thrd_success;
    case ETIMEDOUT: return thrd_timedout;
    default: return thrd_error;
    }
}
