#define _GNU_SOURCE
#include "descriptor.h"
#include "libc_mutex.h"

#include <sys/socket.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* A green thread of another hub must not take the flag of a try for the owner's. By descriptor. */
static pthread_mutex_t tries[64] = {[0 ... 63] = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *tries_of(int fd) { return &tries[(unsigned)fd % 64]; }

int owners_flags(int fd) {
  libc_mutex_lock(tries_of(fd));
  int owners = tandem_patch_fcntl(fd, F_GETFL, 0);
  libc_mutex_unlock(tries_of(fd));
  return owners;
}

int begin_try(int fd) {
  libc_mutex_lock(tries_of(fd));
  int owners = tandem_patch_fcntl(fd, F_GETFL, 0);
  if (owners >= 0) tandem_patch_fcntl(fd, F_SETFL, owners | O_NONBLOCK);
  return owners;
}

void end_try(int fd, int owners) {
  int saved = errno;
  if (owners >= 0) tandem_patch_fcntl(fd, F_SETFL, owners);
  libc_mutex_unlock(tries_of(fd));
  errno = saved;
}

/// Returns the owner's time limit for a socket, in nanoseconds.
static uint64_t limit_of(int fd, short events) {
  struct timeval limit = {0, 0};
  socklen_t length = sizeof limit;
  int option = events & POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO;
  if (getsockopt(fd, SOL_SOCKET, option, &limit, &length) != 0 || (!limit.tv_sec && !limit.tv_usec)) return NEVER;
  return (uint64_t)limit.tv_sec * SECOND + (uint64_t)limit.tv_usec * 1000;
}

void set_deadline(waiting *call) {
  if (call->has_deadline) return;
  uint64_t limit = limit_of(call->fd, call->events);
  call->deadline = limit == NEVER ? NEVER : after(limit);
  call->has_deadline = true;
}

next_step wait_for(waiting *call) {
  int saved = errno;
  int owners = owners_flags(call->fd);
  if (owners >= 0 && (owners & O_NONBLOCK)) {
    errno = EAGAIN;
    return give_up;
  }
  set_deadline(call);
  struct pollfd entry = {.fd = call->fd, .events = call->events};
  errno = saved;
  switch (tandem_patch_poll(call->function, &entry, 1, call->deadline)) {
    case tandem_patch_ready: return try_again;
    case tandem_patch_always_ready: return call_libc;
    case tandem_patch_timed_out: errno = EAGAIN; return give_up;
    case tandem_patch_cancelled: return give_up;
  }
  return give_up;
}

parts copy_of(const struct iovec *given, size_t count, struct iovec *copy) {
  parts all = {copy, count, 0};
  for (size_t index = 0; index < count; index++) {
    copy[index] = given[index];
    all.bytes += given[index].iov_len;
  }
  return all;
}

void drop(parts *left, size_t bytes) {
  left->bytes -= bytes;
  while (left->count && bytes >= left->first->iov_len) {
    bytes -= left->first->iov_len;
    left->first++;
    left->count--;
  }
  if (!left->count) return;
  left->first->iov_base = (char *)left->first->iov_base + bytes;
  left->first->iov_len -= bytes;
}

#endif
