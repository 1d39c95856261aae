#define _GNU_SOURCE
#include "descriptor.h"
#include "files.h"

#include <string.h>
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
REAL(ssize_t, preadv2, (int fd, const struct iovec *parts, int count, off_t offset, int flags), (fd, parts, count, offset, flags))
REAL(ssize_t, pwritev2, (int fd, const struct iovec *parts, int count, off_t offset, int flags), (fd, parts, count, offset, flags))

/// Whether the kernel cannot try this file without waiting: a terminal, a device, an old kernel.
static bool has_no_try(int error) { return error == EOPNOTSUPP || error == ENOSYS; }

static ssize_t read_green(tandem_patch_function function, int fd, const struct iovec *given, int count, int flags) {
  waiting call = {.function = function, .fd = fd, .events = POLLIN};
  int saved = errno;
  for (;;) {
    ssize_t taken = real_preadv2(fd, given, count, -1, flags | RWF_NOWAIT);
    if (taken >= 0) {
      errno = saved;
      return taken;
    }
    if (has_no_try(errno) && is_ready(fd, POLLIN)) return real_preadv2(fd, given, count, -1, flags);
    if (errno != EAGAIN && !has_no_try(errno)) return -1;
    switch (wait_for(&call)) {
      case try_again: break;
      case call_libc: return read_file(fd, given, count, -1, flags);
      case give_up: return -1;
    }
  }
}

/// A blocking write to a stream ends when everything is written, write(2) and pipe(7).
static ssize_t write_green(tandem_patch_function function, int fd, parts left, int flags) {
  waiting call = {.function = function, .fd = fd, .events = POLLOUT};
  int saved = errno;
  ssize_t total = 0;
  for (;;) {
    ssize_t put = real_pwritev2(fd, left.first, (int)left.count, -1, flags | RWF_NOWAIT);
    if (put < 0 && has_no_try(errno) && is_ready(fd, POLLOUT)) {
      /* POLLOUT of a pipe or a terminal promises room for PIPE_BUF bytes at most. */
      struct iovec piece = left.count ? *left.first : (struct iovec){0};
      if (piece.iov_len > PIPE_BUF) piece.iov_len = PIPE_BUF;
      put = left.bytes <= PIPE_BUF ? real_pwritev2(fd, left.first, (int)left.count, -1, flags) : real_pwritev2(fd, &piece, 1, -1, flags);
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
        ssize_t rest = write_file(fd, left.first, (int)left.count, -1, flags);
        return rest < 0 ? (total ? total : -1) : total + rest;
      }
      case give_up: return total ? total : -1;
    }
  }
}

ssize_t tandem_patch_write(tandem_patch_function function, int fd, const void *bytes, size_t count) {
  struct iovec part = {(void *)(uintptr_t)bytes, count};
  return write_green(function, fd, (parts){&part, 1, count}, 0);
}

ssize_t read(int fd, void *buffer, size_t count) {
  if (!IS_GREEN(read, IO)) return real_read(fd, buffer, count);
  struct iovec part = {buffer, count};
  return read_green(TANDEM_PATCH_read, fd, &part, 1, 0);
}

ssize_t readv(int fd, const struct iovec *given, int count) {
  if (!IS_GREEN(readv, IO)) return real_readv(fd, given, count);
  return read_green(TANDEM_PATCH_readv, fd, given, count, 0);
}

ssize_t write(int fd, const void *buffer, size_t count) {
  if (!IS_GREEN(write, IO)) return real_write(fd, buffer, count);
  return tandem_patch_write(TANDEM_PATCH_write, fd, buffer, count);
}

ssize_t writev(int fd, const struct iovec *given, int count) {
  if (!IS_GREEN(writev, IO) || count < 0 || count > IOV_MAX) return real_writev(fd, given, count);
  return write_green(TANDEM_PATCH_writev, fd, PARTS(given, (size_t)count), 0);
}

/* With the offset -1 these are readv and writev with flags; with another one the file must be one on a disk. */

ssize_t preadv2(int fd, const struct iovec *given, int count, off_t offset, int flags) {
  if (flags & RWF_NOWAIT) return real_preadv2(fd, given, count, offset, flags);
  if (offset != -1) return IS_GREEN(preadv2, FILES) ? read_file(fd, given, count, offset, flags)
                                                    : real_preadv2(fd, given, count, offset, flags);
  return IS_GREEN(preadv2, IO) ? read_green(TANDEM_PATCH_preadv2, fd, given, count, flags)
                               : real_preadv2(fd, given, count, offset, flags);
}

ssize_t pwritev2(int fd, const struct iovec *given, int count, off_t offset, int flags) {
  if ((flags & RWF_NOWAIT) || count < 0 || count > IOV_MAX) return real_pwritev2(fd, given, count, offset, flags);
  if (offset != -1) return IS_GREEN(pwritev2, FILES) ? write_file(fd, given, count, offset, flags)
                                                     : real_pwritev2(fd, given, count, offset, flags);
  return IS_GREEN(pwritev2, IO) ? write_green(TANDEM_PATCH_pwritev2, fd, PARTS(given, (size_t)count), flags)
                                : real_pwritev2(fd, given, count, offset, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *given, int count, off_t offset, int flags) __attribute__((weak, alias("preadv2")));
ssize_t pwritev64v2(int fd, const struct iovec *given, int count, off_t offset, int flags) __attribute__((weak, alias("pwritev2")));

extern void __chk_fail(void) __attribute__((noreturn));

/* Code that is compiled with _FORTIFY_SOURCE calls this. */
ssize_t __read_chk(int fd, void *buffer, size_t count, size_t size) {
  if (count > size) __chk_fail();
  return read(fd, buffer, count);
}
