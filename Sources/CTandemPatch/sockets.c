#define _GNU_SOURCE
#include "descriptor.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Messages and connections of sockets. */

PATCH(ssize_t, recv, (int fd, void *buffer, size_t count, int flags), (fd, buffer, count, flags))
PATCH(ssize_t, recvfrom, (int fd, void *buffer, size_t count, int flags, struct sockaddr *from, socklen_t *length),
     (fd, buffer, count, flags, from, length))
PATCH(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
PATCH(int, recvmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout),
     (fd, messages, count, flags, timeout))
PATCH(ssize_t, send, (int fd, const void *buffer, size_t count, int flags), (fd, buffer, count, flags))
PATCH(ssize_t, sendto, (int fd, const void *buffer, size_t count, int flags, const struct sockaddr *to, socklen_t length),
     (fd, buffer, count, flags, to, length))
PATCH(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
PATCH(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags), (fd, messages, count, flags))

/* MARK: Messages */

/// Whether a socket has no message boundaries, so that a call may take or put a part.
static bool is_stream(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

static ssize_t receive_message(int fd, struct msghdr *message, int flags) { return real_recvmsg(fd, message, flags); }
static ssize_t send_message(int fd, struct msghdr *message, int flags) { return real_sendmsg(fd, message, flags); }

/// Receives or sends one message: all of it if `is_whole` is set, otherwise what one try transfers. The rest of a message is sent
/// without its address and control data. Control data that is received ends the message, as in the kernel.
static ssize_t transfer(
    waiting call, ssize_t (*transfer)(int, struct msghdr *, int), struct msghdr *message, int flags, bool is_whole) {
  int saved = errno;
  parts left = PARTS(message->msg_iov, message->msg_iovlen);
  struct msghdr part = *message;
  bool is_receiving = call.events == POLLIN;
  ssize_t total = 0;
  for (next_step step = try_again;;) {
    part.msg_iov = left.first;
    part.msg_iovlen = left.count;
    ssize_t done =
        step == call_libc ? HOLDING(transfer(call.fd, &part, flags)) : transfer(call.fd, &part, flags | MSG_DONTWAIT);
    if (done < 0) {
      if (errno != EAGAIN || step == call_libc || (step = wait_for(&call)) == give_up) {
        if (total && is_receiving) message->msg_controllen = 0;
        return total ? total : -1;
      }
      continue;
    }
    if (!total) message->msg_namelen = part.msg_namelen;
    if (!total || part.msg_controllen) message->msg_flags = part.msg_flags;
    part.msg_name = NULL;
    part.msg_namelen = 0;
    total += done;
    bool has_control = is_receiving && part.msg_controllen;
    if (!is_whole || done == 0 || (size_t)done >= left.bytes || has_control) {
      message->msg_controllen = part.msg_controllen;
      errno = saved;
      return total;
    }
    part.msg_control = is_receiving ? message->msg_control : NULL;
    part.msg_controllen = is_receiving ? message->msg_controllen : 0;
    drop(&left, (size_t)done);
  }
}

static ssize_t receive_green(tandem_patch_function function, int fd, struct msghdr *message, int flags) {
  bool is_whole = (flags & MSG_WAITALL) && !(flags & MSG_PEEK) && is_stream(fd);
  return transfer((waiting){.function = function, .fd = fd, .events = POLLIN}, receive_message, message, flags, is_whole);
}

static ssize_t send_green(tandem_patch_function function, int fd, const struct msghdr *message, int flags) {
  struct msghdr copy = *message;
  return transfer((waiting){.function = function, .fd = fd, .events = POLLOUT}, send_message, &copy, flags, true);
}

/// Whether a call with these flags never waits.
static bool never_waits(int flags) { return flags & (MSG_DONTWAIT | MSG_ERRQUEUE); }

static ssize_t green_recv(int fd, void *buffer, size_t count, int flags) {
  if (!IS_GREEN(recv, IO) || never_waits(flags)) return real_recv(fd, buffer, count, flags);
  if (!(flags & MSG_WAITALL)) {
    long taken = tandem_kernel_call(SYS_recvfrom, fd, (long)buffer, (long)count, flags | MSG_DONTWAIT, 0, 0);
    if (taken >= 0) return taken;
  }
  struct iovec part = {buffer, count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  return receive_green(TANDEM_PATCH_recv, fd, &message, flags);
}

static ssize_t green_recvfrom(int fd, void *buffer, size_t count, int flags, struct sockaddr *from, socklen_t *length) {
  if (!IS_GREEN(recvfrom, IO) || never_waits(flags)) return real_recvfrom(fd, buffer, count, flags, from, length);
  struct iovec part = {buffer, count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_name = from, .msg_namelen = from && length ? *length : 0};
  ssize_t taken = receive_green(TANDEM_PATCH_recvfrom, fd, &message, flags);
  if (taken >= 0 && from && length) *length = message.msg_namelen;
  return taken;
}

static ssize_t green_recvmsg(int fd, struct msghdr *message, int flags) {
  if (!IS_GREEN(recvmsg, IO) || never_waits(flags) || message->msg_iovlen > IOV_MAX) return real_recvmsg(fd, message, flags);
  return receive_green(TANDEM_PATCH_recvmsg, fd, message, flags);
}

static ssize_t green_send(int fd, const void *buffer, size_t count, int flags) {
  if (!IS_GREEN(send, IO) || never_waits(flags)) return real_send(fd, buffer, count, flags);
  long first = tandem_kernel_call(SYS_sendto, fd, (long)buffer, (long)count, flags | MSG_DONTWAIT, 0, 0);
  if (first == (long)count) return first;
  if (first < 0 && first != -EAGAIN) {
    errno = (int)-first;
    return -1;
  }
  size_t sent = first < 0 ? 0 : (size_t)first;
  struct iovec part = {(char *)(uintptr_t)buffer + sent, count - sent};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  ssize_t rest = send_green(TANDEM_PATCH_send, fd, &message, flags);
  return rest >= 0 ? (ssize_t)sent + rest : sent ? (ssize_t)sent : -1;
}

static ssize_t green_sendto(int fd, const void *buffer, size_t count, int flags, const struct sockaddr *to, socklen_t length) {
  if (!IS_GREEN(sendto, IO) || never_waits(flags)) return real_sendto(fd, buffer, count, flags, to, length);
  struct iovec part = {(void *)(uintptr_t)buffer, count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_name = (void *)(uintptr_t)to, .msg_namelen = length};
  return send_green(TANDEM_PATCH_sendto, fd, &message, flags);
}

static ssize_t green_sendmsg(int fd, const struct msghdr *message, int flags) {
  if (!IS_GREEN(sendmsg, IO) || never_waits(flags) || message->msg_iovlen > IOV_MAX) return real_sendmsg(fd, message, flags);
  return send_green(TANDEM_PATCH_sendmsg, fd, message, flags);
}

/// Waits for the first message as recvmmsg does, and for further ones unless MSG_WAITFORONE is set. The time limit is looked at after
/// each message, recvmmsg(2).
static int green_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  if (!IS_GREEN(recvmmsg, IO) || never_waits(flags) || is_invalid_interval(timeout))
    return real_recvmmsg(fd, messages, count, flags, timeout);
  waiting call = {.function = TANDEM_PATCH_recvmmsg, .fd = fd, .events = POLLIN};
  uint64_t limit = deadline_in(timeout);
  unsigned total = 0;
  int saved = errno;
  while (total < count) {
    int taken = real_recvmmsg(fd, messages + total, count - total, (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT, NULL);
    if (taken > 0) {
      total += (unsigned)taken;
      if ((flags & MSG_WAITFORONE) || tandem_monotonic_nanoseconds() >= limit) break;
      continue;
    }
    if (taken == 0 || errno != EAGAIN || wait_for(&call) == give_up) {
      if (taken < 0 && !total) return -1;
      break;
    }
  }
  errno = saved;
  return (int)total;
}

static int green_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  if (!IS_GREEN(sendmmsg, IO) || never_waits(flags)) return real_sendmmsg(fd, messages, count, flags);
  unsigned total = 0;
  for (; total < count && total < IOV_MAX; total++) {
    ssize_t put = send_green(TANDEM_PATCH_sendmmsg, fd, &messages[total].msg_hdr, flags);
    if (put < 0) return total ? (int)total : -1;
    messages[total].msg_len = (unsigned)put;
  }
  return (int)total;
}

/* MARK: Connections */

PATCH(int, connect, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))
PATCH(int, accept, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))
PATCH(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags), (fd, address, length, flags))

/* connect and accept have no flag for a try. The descriptor is made non-blocking for the length of the try, never during a wait. */

static int green_connect(int fd, const struct sockaddr *address, socklen_t length) {
  if (!IS_GREEN(connect, IO)) return real_connect(fd, address, length);
  int owners = owners_flags(fd), saved = errno;
  if (owners < 0 || (owners & O_NONBLOCK)) return real_connect(fd, address, length);
  waiting call = {.function = TANDEM_PATCH_connect, .fd = fd, .events = POLLOUT};
  bool has_waited = false;
  for (uint64_t pause = 0; NONBLOCKING(fd, real_connect(fd, address, length)) != 0;) {
    if (errno == EISCONN && has_waited) break;
    if (errno == EAGAIN && address->sa_family == AF_UNIX) {
      /* The backlog of a unix socket is full, and poll does not tell when it has room again. */
      set_deadline(&call);
      if (!tandem_patch_retry(TANDEM_PATCH_connect, &pause, call.deadline, EAGAIN)) return -1;
      continue;
    }
    /* EALREADY: the attempt of an earlier call goes on. */
    int progress = errno;
    if (progress != EINPROGRESS && progress != EALREADY) return -1;
    if (wait_for(&call) == give_up) {
      /* A connect whose time limit has passed goes on, socket(7). */
      if (errno == EAGAIN) errno = progress;
      return -1;
    }
    has_waited = true;
    /* connect reports the end of an attempt of TCP, and makes the socket fit for another one. */
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6) continue;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -1;
    errno = error ? error : saved;
    return error ? -1 : 0;
  }
  errno = saved;
  return 0;
}

static int accept_green(
    tandem_patch_function function, int fd, struct sockaddr *address, socklen_t *length, int flags) {
  waiting call = {.function = function, .fd = fd, .events = POLLIN};
  for (;;) {
    /* Another thread may take the connection that poll has seen. */
    int accepted = NONBLOCKING(fd, real_accept4(fd, address, length, flags));
    if (accepted >= 0 || errno != EAGAIN) return accepted;
    switch (wait_for(&call)) {
      case try_again: break;
      case call_libc: return HOLDING(real_accept4(fd, address, length, flags));
      case give_up: return -1;
    }
  }
}

static int green_accept(int fd, struct sockaddr *address, socklen_t *length) {
  if (!IS_GREEN(accept, IO)) return real_accept(fd, address, length);
  return accept_green(TANDEM_PATCH_accept, fd, address, length, 0);
}

static int green_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  if (!IS_GREEN(accept4, IO)) return real_accept4(fd, address, length, flags);
  return accept_green(TANDEM_PATCH_accept4, fd, address, length, flags);
}

/* MARK: Fortified variants, which code compiled with _FORTIFY_SOURCE calls */

extern void __chk_fail(void) __attribute__((noreturn));

ssize_t __recv_chk(int fd, void *buffer, size_t count, size_t size, int flags) {
  if (count > size) __chk_fail();
  return recv(fd, buffer, count, flags);
}

ssize_t __recvfrom_chk(
    int fd, void *buffer, size_t count, size_t size, int flags, struct sockaddr *from, socklen_t *length) {
  if (count > size) __chk_fail();
  return recvfrom(fd, buffer, count, flags, from, length);
}

#endif
