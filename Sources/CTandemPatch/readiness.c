#define _GNU_SOURCE
#include "patch.h"

#include <signal.h>
#include <string.h>
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

static uint64_t deadline_of(int milliseconds) { return milliseconds < 0 ? NEVER : after((uint64_t)milliseconds * 1000000); }

static const struct timespec no_time = {0, 0};

/// A wait of one call.
typedef struct wait_of_call {
  tandem_patch_function function;
  uint64_t deadline, pause;
  bool has_ended;
} wait_of_call;

/// After a call of the kernel that found nothing: waits on the hub. Returns false if the task has been cancelled.
static bool wait_for_any(wait_of_call *call, const struct pollfd *entries, size_t count) {
  tandem_patch_outcome outcome = tandem_patch_poll(call->function, entries, count, call->deadline);
  if (outcome == tandem_patch_always_ready) {
    /* The hub cannot wait for one of them, and it may never have these events: a regular file has no POLLPRI. */
    outcome = tandem_patch_poll(call->function, NULL, 0, tandem_patch_next_try(&call->pause, call->deadline));
    if (tandem_monotonic_nanoseconds() < call->deadline && outcome == tandem_patch_timed_out) return true;
  }
  call->has_ended = outcome == tandem_patch_timed_out;
  return outcome != tandem_patch_cancelled;
}

static int poll_green(
    tandem_patch_function function, struct pollfd *entries, nfds_t count, uint64_t deadline, const sigset_t *mask) {
  wait_of_call call = {function, deadline, 0, false};
  for (;;) {
    int found = real_ppoll(entries, count, &no_time, mask);
    if (found != 0 || call.has_ended) return found;
    if (!wait_for_any(&call, entries, count)) return -1;
  }
}

static int green_poll(struct pollfd *entries, nfds_t count, int timeout) {
  if (!IS_GREEN(poll, IO) || timeout == 0) return real_poll(entries, count, timeout);
  struct timespec now = {0, 0};
  long found = tandem_kernel_call(SYS_ppoll, (long)entries, (long)count, (long)&now, 0, 8, 0);
  if (found > 0) return (int)found;
  return poll_green(TANDEM_PATCH_poll, entries, count, deadline_of(timeout), NULL);
}

static int green_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
  if (!IS_GREEN(ppoll, IO) || is_invalid_interval(timeout)) return real_ppoll(entries, count, timeout, mask);
  return poll_green(TANDEM_PATCH_ppoll, entries, count, deadline_in(timeout), mask);
}

static bool has(const fd_set *set, int fd) { return set && FD_ISSET(fd, set); }

static int select_green(
    tandem_patch_function function, int count, fd_set *reads, fd_set *writes, fd_set *errors, uint64_t deadline,
    const sigset_t *mask) {
  fd_set *sets[] = {reads, writes, errors}, asked[3];
  /* The caller's sets may be as short as `count` allows. */
  size_t size = ((size_t)count + NFDBITS - 1) / NFDBITS * sizeof(fd_mask);
  for (int index = 0; index < 3; index++)
    if (sets[index]) memcpy(&asked[index], sets[index], size);
  struct pollfd *entries = NULL;
  size_t entry_count = 0;
  wait_of_call call = {function, deadline, 0, false};
  int found;
  for (;;) {
    found = real_pselect(count, reads, writes, errors, &no_time, mask);
    if (found != 0 || call.has_ended) break;
    for (int index = 0; index < 3; index++)
      if (sets[index]) memcpy(sets[index], &asked[index], size);
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
    if (!wait_for_any(&call, entries, entry_count)) {
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
  if (!IS_GREEN(pselect, IO) || is_invalid_interval(timeout) || count < 0 || count > FD_SETSIZE)
    return real_pselect(count, reads, writes, errors, timeout, mask);
  return select_green(TANDEM_PATCH_pselect, count, reads, writes, errors, deadline_in(timeout), mask);
}

static int epoll_green(
    tandem_patch_function function, int fd, struct epoll_event *events, int count, uint64_t deadline, const sigset_t *mask) {
  struct pollfd entry = {.fd = fd, .events = POLLIN};
  wait_of_call call = {function, deadline, 0, false};
  for (;;) {
    int found = real_epoll_pwait(fd, events, count, 0, mask);
    if (found != 0 || call.has_ended) return found;
    if (!wait_for_any(&call, &entry, 1)) return -1;
  }
}

static int green_epoll_wait(int fd, struct epoll_event *events, int count, int timeout) {
  if (!IS_GREEN(epoll_wait, IO) || timeout == 0) return real_epoll_wait(fd, events, count, timeout);
  return epoll_green(TANDEM_PATCH_epoll_wait, fd, events, count, deadline_of(timeout), NULL);
}

static int green_epoll_pwait(int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask) {
  if (!IS_GREEN(epoll_pwait, IO) || timeout == 0) return real_epoll_pwait(fd, events, count, timeout, mask);
  return epoll_green(TANDEM_PATCH_epoll_pwait, fd, events, count, deadline_of(timeout), mask);
}

static int green_epoll_pwait2(
    int fd, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask) {
  if (!IS_GREEN(epoll_pwait2, IO) || is_invalid_interval(timeout)) return real_epoll_pwait2(fd, events, count, timeout, mask);
  return epoll_green(TANDEM_PATCH_epoll_pwait2, fd, events, count, deadline_in(timeout), mask);
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
