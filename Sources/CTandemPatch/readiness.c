#define _GNU_SOURCE
#include "patch.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* poll, select and epoll_wait, which wait for several descriptors. */

PATCH(int, poll, (struct pollfd *entries, nfds_t count, int timeout), (entries, count, timeout))
PATCH(int, ppoll, (struct pollfd *entries, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
     (entries, count, timeout, mask))
PATCH(int, select, (int count, fd_set *reads, fd_set *writes, fd_set *errors, struct timeval *timeout),
     (count, reads, writes, errors, timeout))
PATCH(int, pselect,
     (int count, fd_set *reads, fd_set *writes, fd_set *errors, const struct timespec *timeout, const sigset_t *mask),
     (count, reads, writes, errors, timeout, mask))
PATCH(int, epoll_wait, (int fd, struct epoll_event *events, int count, int timeout), (fd, events, count, timeout))
PATCH(int, epoll_pwait, (int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask),
     (fd, events, count, timeout, mask))

PATCH(int, epoll_pwait2,
     (int fd, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask),
     (fd, events, count, timeout, mask))

bool is_ready(int fd, short events) {
  struct pollfd entry = {.fd = fd, .events = events};
  return real_poll(&entry, 1, 0) != 0;
}

/* Each asks the kernel with a time of 0, and waits on the hub between two such calls. The signals of a mask are let in while the
   kernel is asked, not during the wait. */

static uint64_t deadline_of(const struct timespec *timeout) {
  if (!timeout) return NEVER;
  return after((uint64_t)timeout->tv_sec < NEVER / SECOND ? (uint64_t)timeout->tv_sec * SECOND + (uint64_t)timeout->tv_nsec
                                                          : NEVER);
}

static uint64_t deadline_in(int milliseconds) { return milliseconds < 0 ? NEVER : after((uint64_t)milliseconds * 1000000); }

static bool is_invalid(const struct timespec *timeout) {
  return timeout && (timeout->tv_sec < 0 || (uint64_t)timeout->tv_nsec >= SECOND);
}

static const struct timespec no_time = {0, 0};

static int poll_green(
    tandem_patch_function function, struct pollfd *entries, nfds_t count, uint64_t deadline, const sigset_t *mask) {
  bool has_ended = false;
  for (;;) {
    int found = real_ppoll(entries, count, &no_time, mask);
    if (found != 0 || has_ended) return found;
    switch (tandem_patch_poll(function, entries, count, deadline)) {
      case tandem_patch_ready: case tandem_patch_always_ready: break;
      case tandem_patch_timed_out: has_ended = true; break;
      case tandem_patch_cancelled: return -1;
    }
  }
}

static int green_poll(struct pollfd *entries, nfds_t count, int timeout) {
  if (!IS_GREEN(poll, IO) || timeout == 0) return real_poll(entries, count, timeout);
  struct timespec now = {0, 0};
  long found = tandem_kernel_call(SYS_ppoll, (long)entries, (long)count, (long)&now, 0, 8, 0);
  if (found > 0) return (int)found;
  return poll_green(TANDEM_PATCH_poll, entries, count, deadline_in(timeout), NULL);
}

static int green_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
  if (!IS_GREEN(ppoll, IO) || is_invalid(timeout)) return real_ppoll(entries, count, timeout, mask);
  return poll_green(TANDEM_PATCH_ppoll, entries, count, deadline_of(timeout), mask);
}

static bool has(const fd_set *set, int fd) { return set && FD_ISSET(fd, set); }

static int select_green(
    tandem_patch_function function, int count, fd_set *reads, fd_set *writes, fd_set *errors, uint64_t deadline,
    const sigset_t *mask) {
  fd_set *sets[] = {reads, writes, errors}, asked[3];
  for (int index = 0; index < 3; index++)
    if (sets[index]) asked[index] = *sets[index];
  struct pollfd *entries = NULL;
  size_t entry_count = 0;
  bool has_ended = false;
  int found;
  for (;;) {
    found = real_pselect(count, reads, writes, errors, &no_time, mask);
    if (found != 0 || has_ended) break;
    for (int index = 0; index < 3; index++)
      if (sets[index]) *sets[index] = asked[index];
    if (!entries) {
      entries = calloc((size_t)count + 1, sizeof *entries);
      if (!entries) {
        errno = ENOMEM;
        return -1;
      }
      for (int fd = 0; fd < count; fd++) {
        short events = (short)((has(reads, fd) ? POLLIN : 0) | (has(writes, fd) ? POLLOUT : 0) | (has(errors, fd) ? POLLPRI : 0));
        if (events) entries[entry_count++] = (struct pollfd){.fd = fd, .events = events};
      }
    }
    tandem_patch_outcome outcome = tandem_patch_poll(function, entries, entry_count, deadline);
    if (outcome == tandem_patch_timed_out) has_ended = true;
    if (outcome == tandem_patch_cancelled) {
      found = -1;
      break;
    }
  }
  int error = errno;
  free(entries);
  errno = error;
  return found;
}

static int green_select(int count, fd_set *reads, fd_set *writes, fd_set *errors, struct timeval *timeout) {
  bool is_valid = !timeout || (timeout->tv_sec >= 0 && timeout->tv_usec >= 0);
  if (!IS_GREEN(select, IO) || !is_valid || count < 0 || count > FD_SETSIZE)
    return real_select(count, reads, writes, errors, timeout);
  uint64_t limit = timeout ? (uint64_t)timeout->tv_sec * SECOND + (uint64_t)timeout->tv_usec * 1000 : NEVER;
  uint64_t deadline = timeout ? after(limit) : NEVER;
  int found = select_green(TANDEM_PATCH_select, count, reads, writes, errors, deadline, NULL);
  if (timeout) {
    /* Linux leaves the rest of the time there, select(2). */
    uint64_t now = tandem_monotonic_nanoseconds(), rest = deadline > now ? deadline - now : 0;
    timeout->tv_sec = (time_t)(rest / SECOND);
    timeout->tv_usec = (suseconds_t)(rest % SECOND / 1000);
  }
  return found;
}

static int green_pselect(
    int count, fd_set *reads, fd_set *writes, fd_set *errors, const struct timespec *timeout, const sigset_t *mask) {
  if (!IS_GREEN(pselect, IO) || is_invalid(timeout) || count < 0 || count > FD_SETSIZE)
    return real_pselect(count, reads, writes, errors, timeout, mask);
  return select_green(TANDEM_PATCH_pselect, count, reads, writes, errors, deadline_of(timeout), mask);
}

static int epoll_green(
    tandem_patch_function function, int fd, struct epoll_event *events, int count, uint64_t deadline, const sigset_t *mask) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  bool has_ended = false;
  for (;;) {
    int found = real_epoll_pwait(fd, events, count, 0, mask);
    if (found != 0 || has_ended) return found;
    switch (tandem_patch_poll(function, &entry, 1, deadline)) {
      case tandem_patch_ready: case tandem_patch_always_ready: break;
      case tandem_patch_timed_out: has_ended = true; break;
      case tandem_patch_cancelled: return -1;
    }
  }
}

static int green_epoll_wait(int fd, struct epoll_event *events, int count, int timeout) {
  if (!IS_GREEN(epoll_wait, IO) || timeout == 0) return real_epoll_wait(fd, events, count, timeout);
  return epoll_green(TANDEM_PATCH_epoll_wait, fd, events, count, deadline_in(timeout), NULL);
}

static int green_epoll_pwait(int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask) {
  if (!IS_GREEN(epoll_pwait, IO) || timeout == 0) return real_epoll_pwait(fd, events, count, timeout, mask);
  return epoll_green(TANDEM_PATCH_epoll_pwait, fd, events, count, deadline_in(timeout), mask);
}

static int green_epoll_pwait2(
    int fd, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask) {
  if (!IS_GREEN(epoll_pwait2, IO) || is_invalid(timeout)) return real_epoll_pwait2(fd, events, count, timeout, mask);
  return epoll_green(TANDEM_PATCH_epoll_pwait2, fd, events, count, deadline_of(timeout), mask);
}

/* MARK: Fortified variants, which code compiled with _FORTIFY_SOURCE calls */

extern void __chk_fail(void) __attribute__((noreturn));

int __poll_chk(struct pollfd *entries, nfds_t count, int timeout, size_t size) {
  if (size / sizeof *entries < count) __chk_fail();
  return poll(entries, count, timeout);
}

int __ppoll_chk(
    struct pollfd *entries, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t size) {
  if (size / sizeof *entries < count) __chk_fail();
  return ppoll(entries, count, timeout, mask);
}

#endif
