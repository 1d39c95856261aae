#define _GNU_SOURCE
#include "patch.h"

#include <alloca.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* Calls on descriptors.

   A descriptor stays as its owner made it, blocking or not, for this process and all others. Each call first tries without
   waiting: by a flag of the call (MSG_DONTWAIT, RWF_NOWAIT) where there is one, otherwise after poll. Only if it would have
   waited does it look whether the owner has set O_NONBLOCK or a time limit; then it waits on the hub and tries again. Nothing is
   remembered about a descriptor between two waits, so closing and duplicating it needs no care. */

REAL(ssize_t, read, (int fd, void *buffer, size_t count), (fd, buffer, count))
REAL(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
REAL(ssize_t, write, (int fd, const void *buffer, size_t count), (fd, buffer, count))
REAL(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
REAL(ssize_t, recv, (int fd, void *buffer, size_t count, int flags), (fd, buffer, count, flags))
REAL(ssize_t, recvfrom, (int fd, void *buffer, size_t count, int flags, struct sockaddr *from, socklen_t *length),
     (fd, buffer, count, flags, from, length))
REAL(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
REAL(ssize_t, send, (int fd, const void *buffer, size_t count, int flags), (fd, buffer, count, flags))
REAL(ssize_t, sendto, (int fd, const void *buffer, size_t count, int flags, const struct sockaddr *to, socklen_t length),
     (fd, buffer, count, flags, to, length))
REAL(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
REAL(int, connect, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))
REAL(int, accept, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))
REAL(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags), (fd, address, length, flags))

/* MARK: Waiting for one descriptor */

/// A call that may have to wait for one descriptor.
typedef struct waiting {
  tandem_patch_function function;
  int fd;
  short events;
  /// When the owner's time limit ends, once the call has had to wait.
  uint64_t deadline;
  bool has_deadline;
} waiting;

static bool is_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK);
}

/// Returns the owner's time limit for a socket: SO_RCVTIMEO or SO_SNDTIMEO, socket(7).
static uint64_t limit_of(int fd, short events) {
  struct timeval limit = {0, 0};
  socklen_t length = sizeof limit;
  int option = events & POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO;
  if (getsockopt(fd, SOL_SOCKET, option, &limit, &length) != 0 || (!limit.tv_sec && !limit.tv_usec)) return NEVER;
  return (uint64_t)limit.tv_sec * SECOND + (uint64_t)limit.tv_usec * 1000;
}

/// The result of `wait_for`.
typedef enum next_step { try_again, call_libc, give_up } next_step;

/// Waits, after a try that would have waited. Returns what to do next; with give_up, errno has the reason.
static next_step wait_for(waiting *call) {
  int saved = errno;
  if (is_nonblocking(call->fd)) {
    errno = EAGAIN;
    return give_up;
  }
  if (!call->has_deadline) {
    uint64_t limit = limit_of(call->fd, call->events);
    call->deadline = limit == NEVER ? NEVER : after(limit);
    call->has_deadline = true;
  }
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

/* MARK: Buffers in parts */

/// The parts of a buffer that are still to be transferred.
typedef struct parts {
  struct iovec *first;
  size_t count;
  size_t bytes;
} parts;

static parts copy_of(const struct iovec *given, size_t count, struct iovec *copy) {
  parts all = {copy, count, 0};
  for (size_t index = 0; index < count; index++) {
    copy[index] = given[index];
    all.bytes += given[index].iov_len;
  }
  return all;
}

static void drop(parts *left, size_t bytes) {
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

/* The parts of one call lie on the green stack: 16 bytes each, at most IOV_MAX of them. */
#define PARTS(given, count) copy_of(given, count, alloca(((count) + 1) * sizeof(struct iovec)))

/* MARK: read and write */

/// Whether the kernel cannot try this file without waiting: a terminal, a device, an old kernel.
static bool has_no_try(int error) { return error == EOPNOTSUPP || error == ENOSYS; }

static ssize_t read_green(tandem_patch_function function, int fd, const struct iovec *given, int count) {
  waiting call = {.function = function, .fd = fd, .events = POLLIN};
  int saved = errno;
  for (;;) {
    ssize_t taken = preadv2(fd, given, count, -1, RWF_NOWAIT);
    if (taken >= 0) {
      errno = saved;
      return taken;
    }
    if (has_no_try(errno) && is_ready(fd, POLLIN)) return real_readv(fd, given, count);
    if (errno != EAGAIN && !has_no_try(errno)) return -1;
    switch (wait_for(&call)) {
      case try_again: break;
      case call_libc: return real_readv(fd, given, count);
      case give_up: return -1;
    }
  }
}

/// A blocking write to a stream ends when everything is written, write(2) and pipe(7).
static ssize_t write_green(tandem_patch_function function, int fd, parts left) {
  waiting call = {.function = function, .fd = fd, .events = POLLOUT};
  int saved = errno;
  ssize_t total = 0;
  for (;;) {
    ssize_t put = pwritev2(fd, left.first, (int)left.count, -1, RWF_NOWAIT);
    if (put < 0 && has_no_try(errno) && is_ready(fd, POLLOUT)) {
      /* POLLOUT of a pipe or a terminal promises room for PIPE_BUF bytes at most. */
      struct iovec piece = left.count ? *left.first : (struct iovec){0};
      if (piece.iov_len > PIPE_BUF) piece.iov_len = PIPE_BUF;
      put = left.bytes <= PIPE_BUF ? real_writev(fd, left.first, (int)left.count) : real_writev(fd, &piece, 1);
    }
    if (put >= 0) {
      total += put;
      if ((size_t)put >= left.bytes || put == 0) {
        errno = saved;
        return total;
      }
      drop(&left, (size_t)put);
      continue;
    }
    if (errno != EAGAIN && !has_no_try(errno)) return total ? total : -1;
    switch (wait_for(&call)) {
      case try_again: break;
      case call_libc: {
        ssize_t rest = real_writev(fd, left.first, (int)left.count);
        return rest < 0 ? (total ? total : -1) : total + rest;
      }
      case give_up: return total ? total : -1;
    }
  }
}

ssize_t read(int fd, void *buffer, size_t count) {
  if (!IS_GREEN(read, IO)) return real_read(fd, buffer, count);
  struct iovec part = {buffer, count};
  return read_green(TANDEM_PATCH_read, fd, &part, 1);
}

ssize_t readv(int fd, const struct iovec *given, int count) {
  if (!IS_GREEN(readv, IO)) return real_readv(fd, given, count);
  return read_green(TANDEM_PATCH_readv, fd, given, count);
}

ssize_t write(int fd, const void *buffer, size_t count) {
  if (!IS_GREEN(write, IO)) return real_write(fd, buffer, count);
  struct iovec part = {(void *)(uintptr_t)buffer, count};
  return write_green(TANDEM_PATCH_write, fd, (parts){&part, 1, count});
}

ssize_t writev(int fd, const struct iovec *given, int count) {
  if (!IS_GREEN(writev, IO) || count < 0 || count > IOV_MAX) return real_writev(fd, given, count);
  return write_green(TANDEM_PATCH_writev, fd, PARTS(given, (size_t)count));
}

/* MARK: Messages */

/// Whether a socket has no message boundaries, so that a call may take or put a part.
static bool is_stream(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

static ssize_t receive_green(tandem_patch_function function, int fd, struct msghdr *message, int flags) {
  waiting call = {.function = function, .fd = fd, .events = POLLIN};
  int saved = errno;
  bool takes_all = (flags & MSG_WAITALL) && !(flags & MSG_PEEK) && is_stream(fd);
  parts left = PARTS(message->msg_iov, message->msg_iovlen);
  ssize_t total = 0;
  for (;;) {
    struct msghdr part = *message;
    part.msg_iov = left.first;
    part.msg_iovlen = left.count;
    /* Control data and the address come with the first part. */
    if (total) part.msg_control = NULL, part.msg_controllen = 0, part.msg_name = NULL, part.msg_namelen = 0;
    ssize_t taken = real_recvmsg(fd, &part, flags | MSG_DONTWAIT);
    if (taken >= 0) {
      if (!total) {
        message->msg_namelen = part.msg_namelen;
        message->msg_controllen = part.msg_controllen;
        message->msg_flags = part.msg_flags;
      }
      total += taken;
      if (!takes_all || taken == 0 || (size_t)taken >= left.bytes) {
        errno = saved;
        return total;
      }
      drop(&left, (size_t)taken);
      continue;
    }
    if (errno != EAGAIN) return total ? total : -1;
    switch (wait_for(&call)) {
      case try_again: break;
      case call_libc: return total ? total : real_recvmsg(fd, message, flags);
      case give_up: return total ? total : -1;
    }
  }
}

static ssize_t send_green(tandem_patch_function function, int fd, const struct msghdr *message, int flags) {
  waiting call = {.function = function, .fd = fd, .events = POLLOUT};
  int saved = errno;
  parts left = PARTS(message->msg_iov, message->msg_iovlen);
  ssize_t total = 0;
  for (;;) {
    struct msghdr part = *message;
    part.msg_iov = left.first;
    part.msg_iovlen = left.count;
    if (total) part.msg_control = NULL, part.msg_controllen = 0;
    ssize_t put = real_sendmsg(fd, &part, flags | MSG_DONTWAIT);
    if (put >= 0) {
      total += put;
      if ((size_t)put >= left.bytes) {
        errno = saved;
        return total;
      }
      drop(&left, (size_t)put);
      continue;
    }
    if (errno != EAGAIN) return total ? total : -1;
    switch (wait_for(&call)) {
      case try_again: break;
      case call_libc: return total ? total : real_sendmsg(fd, message, flags);
      case give_up: return total ? total : -1;
    }
  }
}

/// Whether a call with these flags never waits.
static bool never_waits(int flags) { return flags & (MSG_DONTWAIT | MSG_ERRQUEUE); }

ssize_t recv(int fd, void *buffer, size_t count, int flags) {
  if (!IS_GREEN(recv, IO) || never_waits(flags)) return real_recv(fd, buffer, count, flags);
  struct iovec part = {buffer, count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return receive_green(TANDEM_PATCH_recv, fd, &message, flags);
}

ssize_t recvfrom(int fd, void *buffer, size_t count, int flags, struct sockaddr *from, socklen_t *length) {
  if (!IS_GREEN(recvfrom, IO) || never_waits(flags)) return real_recvfrom(fd, buffer, count, flags, from, length);
  struct iovec part = {buffer, count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_name = from, .msg_namelen = from && length ? *length : 0};
  ssize_t taken = receive_green(TANDEM_PATCH_recvfrom, fd, &message, flags);
  if (taken >= 0 && from && length) *length = message.msg_namelen;
  return taken;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  if (!IS_GREEN(recvmsg, IO) || never_waits(flags) || message->msg_iovlen > IOV_MAX) return real_recvmsg(fd, message, flags);
  return receive_green(TANDEM_PATCH_recvmsg, fd, message, flags);
}

ssize_t send(int fd, const void *buffer, size_t count, int flags) {
  if (!IS_GREEN(send, IO) || never_waits(flags)) return real_send(fd, buffer, count, flags);
  struct iovec part = {(void *)(uintptr_t)buffer, count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return send_green(TANDEM_PATCH_send, fd, &message, flags);
}

ssize_t sendto(int fd, const void *buffer, size_t count, int flags, const struct sockaddr *to, socklen_t length) {
  if (!IS_GREEN(sendto, IO) || never_waits(flags)) return real_sendto(fd, buffer, count, flags, to, length);
  struct iovec part = {(void *)(uintptr_t)buffer, count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_name = (void *)(uintptr_t)to, .msg_namelen = length};
  return send_green(TANDEM_PATCH_sendto, fd, &message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  if (!IS_GREEN(sendmsg, IO) || never_waits(flags) || message->msg_iovlen > IOV_MAX) return real_sendmsg(fd, message, flags);
  return send_green(TANDEM_PATCH_sendmsg, fd, message, flags);
}

/* MARK: Connections */

/* connect and accept have no flag for a try. The descriptor is made non-blocking for the length of the try, never during a wait. */

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  if (!IS_GREEN(connect, IO) || is_nonblocking(fd)) return real_connect(fd, address, length);
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return real_connect(fd, address, length);
  waiting call = {.function = TANDEM_PATCH_connect, .fd = fd, .events = POLLOUT};
  int saved = errno;
  uint64_t pause = 1000000;
  for (;;) {
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    int result = real_connect(fd, address, length);
    int error = errno;
    fcntl(fd, F_SETFL, flags);
    errno = result == 0 ? saved : error;
    if (result == 0) return 0;
    if (error == EINPROGRESS) break;
    /* The backlog of a unix socket is full, and poll does not tell when it has room again. */
    if (error != EAGAIN || address->sa_family != AF_UNIX) return -1;
    uint64_t limit = limit_of(fd, POLLOUT);
    if (!call.has_deadline) call.deadline = limit == NEVER ? NEVER : after(limit), call.has_deadline = true;
    uint64_t until = after(pause);
    if (until >= call.deadline) return -1;
    if (!tandem_patch_sleep(TANDEM_PATCH_connect, until)) {
      errno = ECANCELED;
      return -1;
    }
    if (pause < 50000000) pause *= 2;
  }
  if (wait_for(&call) == give_up) {
    /* A connect whose time limit has passed goes on, socket(7). */
    if (errno == EAGAIN) errno = EINPROGRESS;
    return -1;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -1;
  errno = error ? error : saved;
  return error ? -1 : 0;
}

static int accept_green(
    tandem_patch_function function, int fd, struct sockaddr *address, socklen_t *length, int flags) {
  waiting call = {.function = function, .fd = fd, .events = POLLIN};
  for (;;) {
    int owners = fcntl(fd, F_GETFL);
    if (owners < 0 || (owners & O_NONBLOCK)) return real_accept4(fd, address, length, flags);
    /* Another thread may take the connection that poll has seen. */
    fcntl(fd, F_SETFL, owners | O_NONBLOCK);
    int accepted = real_accept4(fd, address, length, flags);
    int error = errno;
    fcntl(fd, F_SETFL, owners);
    errno = error;
    if (accepted >= 0 || error != EAGAIN) return accepted;
    switch (wait_for(&call)) {
      case try_again: break;
      case call_libc: return real_accept4(fd, address, length, flags);
      case give_up: return -1;
    }
  }
}

int accept(int fd, struct sockaddr *address, socklen_t *length) {
  if (!IS_GREEN(accept, IO)) return real_accept(fd, address, length);
  return accept_green(TANDEM_PATCH_accept, fd, address, length, 0);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  if (!IS_GREEN(accept4, IO)) return real_accept4(fd, address, length, flags);
  return accept_green(TANDEM_PATCH_accept4, fd, address, length, flags);
}

/* MARK: Fortified variants, which code compiled with _FORTIFY_SOURCE calls */

extern void __chk_fail(void) __attribute__((noreturn));

ssize_t __read_chk(int fd, void *buffer, size_t count, size_t size) {
  if (count > size) __chk_fail();
  return read(fd, buffer, count);
}

ssize_t __recv_chk(int fd, void *buffer, size_t count, size_t size, int flags) {
  if (count > size) __chk_fail();
  return recv(fd, buffer, count, flags);
}

ssize_t __recvfrom_chk(
    int fd, void *buffer, size_t count, size_t size, int flags, struct sockaddr *from, socklen_t *length) {
  if (count > size) __chk_fail();
  return recvfrom(fd, buffer, count, flags, from, length);
}
