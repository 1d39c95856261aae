#define _GNU_SOURCE
#include "patch.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Sleeps. A cancellation ends one sleep, as a signal would: see ForeignWait.sleep. */

PATCH(unsigned, sleep, (unsigned seconds), (seconds))
PATCH(int, usleep, (useconds_t microseconds), (microseconds))
PATCH(int, nanosleep, (const struct timespec *duration, struct timespec *rest), (duration, rest))
PATCH(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *rest),
     (clock, flags, time, rest))

static bool is_valid(const struct timespec *time) { return time->tv_sec >= 0 && (uint64_t)time->tv_nsec < SECOND; }

static uint64_t nanoseconds(const struct timespec *time) {
  return (uint64_t)time->tv_sec < NEVER / SECOND ? (uint64_t)time->tv_sec * SECOND + (uint64_t)time->tv_nsec : NEVER;
}

static uint64_t left(uint64_t deadline) {
  uint64_t now = tandem_monotonic_nanoseconds();
  return deadline > now ? deadline - now : 0;
}

/* Sleeps for a time. Returns 0, or EINTR with the rest of the time. */
static int sleep_for(tandem_patch_function function, const struct timespec *duration, struct timespec *rest) {
  uint64_t deadline = after(nanoseconds(duration));
  if (tandem_patch_sleep(function, deadline)) return 0;
  if (rest) {
    uint64_t time = left(deadline);
    rest->tv_sec = (time_t)(time / SECOND);
    rest->tv_nsec = (long)(time % SECOND);
  }
  return EINTR;
}

static unsigned green_sleep(unsigned seconds) {
  if (!IS_GREEN(sleep, TIME)) return real_sleep(seconds);
  uint64_t deadline = after(seconds * SECOND);
  if (tandem_patch_sleep(TANDEM_PATCH_sleep, deadline)) return 0;
  return (unsigned)((left(deadline) + SECOND - 1) / SECOND);
}

static int green_usleep(useconds_t microseconds) {
  if (!IS_GREEN(usleep, TIME)) return real_usleep(microseconds);
  if (tandem_patch_sleep(TANDEM_PATCH_usleep, after(microseconds * 1000ull))) return 0;
  errno = EINTR;
  return -1;
}

static int green_nanosleep(const struct timespec *duration, struct timespec *rest) {
  if (!IS_GREEN(nanosleep, TIME) || !is_valid(duration)) return real_nanosleep(duration, rest);
  int error = sleep_for(TANDEM_PATCH_nanosleep, duration, rest);
  if (!error) return 0;
  errno = error;
  return -1;
}

static int green_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest) {
  bool is_wall_time = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
  if (!IS_GREEN(clock_nanosleep, TIME) || !is_wall_time || !is_valid(time)) return real_clock_nanosleep(clock, flags, time, rest);
  if (!(flags & TIMER_ABSTIME)) return sleep_for(TANDEM_PATCH_clock_nanosleep, time, rest);
  /* Again while the clock has not reached the time: the clock may have been set back. */
  for (;;) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) return errno;
    uint64_t until = nanoseconds(time), current = nanoseconds(&now);
    if (current >= until) return 0;
    if (!tandem_patch_sleep(TANDEM_PATCH_clock_nanosleep, after(until - current))) return EINTR;
  }
}

PATCH(int, sched_yield, (void), ())

static int green_sched_yield(void) {
  if (!IS_GREEN(sched_yield, TIME)) return real_sched_yield();
  tandem_patch_sleep(TANDEM_PATCH_sched_yield, 0);
  return 0;
}

#endif
