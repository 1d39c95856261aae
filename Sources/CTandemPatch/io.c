#define _GNU_SOURCE
#include "descriptor.h"
#include "files.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Calls on descriptors.

   A descriptor stays as its owner made it, blocking or not, for this process and all others. Each call first tries without
   waiting: by a flag of the call (MSG_DONTWAIT, RWF_NOWAIT) where there is one, otherwise after poll. Only if it would have
   waited does it look whether the owner has set O_NONBLOCK or a time limit; then it waits on the hub and tries again. Nothing is
   remembered about a descriptor between two waits, so closing and duplicating it needs no care. */

PATCH(ssize_t, read, (int fd, void *buffer, size_t count), (fd, buffer, count))
PATCH(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
PATCH(ssize_t, write, (int fd, const void *buffer, size_t count), (fd, buffer, count))
PATCH(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
PATCH(ssize_t, preadv2, (int fd, const struct iovec *parts, int count, off_t offset, int flags), (fd, parts, count, offset, flags))
PATCH(ssize_t, pwritev2, (int fd, const struct iovec *parts, int count, off_t offset, int flags), (fd, parts, count, offset, flags))

/// Whether the kernel cannot try this file without waiting: a terminal, a device, an old kernel.
static bool has_no_try(int error) { return error == EOPNOTSUPP || error == ENOSYS; }

/* The kernel's calls themselves, which change no errno while they succeed. */
static inline long try_read(int fd, const struct iovec *given, long count, int flags) {
  return tandem_kernel_call(SYS_preadv2, fd, (long)given, count, -1, 0, flags | RWF_NOWAIT);
}
static inline long try_write(int fd, const struct iovec *given, size_t count, int flags) {
  return tandem_kernel_call(SYS_pwritev2, fd, (long)given, (long)count, -1, 0, flags | RWF_NOWAIT);
}

/// Whether reading and writing may wait for a disk.
static bool is_regular(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/// Goes on after a try, which has taken this many bytes. Of a regular file it takes what is in memory, but read(2) takes all there is.
static ssize_t read_rest(int fd, const struct iovec *given, int count, int flags, ssize_t taken) {
  parts left = PARTS(given, (size_t)count);
  if (taken == 0 || (size_t)taken >= left.bytes || !is_regular(fd)) return taken;
  drop(&left, (size_t)taken);
  int saved = errno;
  ssize_t rest = read_file(fd, left.first, (int)left.count, -1, flags);
  if (rest >= 0) return taken + rest;
  errno = saved;
  return taken;
}

/// Goes on after a try, which is `taken`.
static ssize_t read_green(
    tandem_patch_function function, int fd, const struct iovec *given, int count, int flags, long taken) {
  waiting call = {.function = function, .fd = fd, .events = POLLIN};
  for (;; taken = try_read(fd, given, count, flags)) {
    if (taken >= 0) return read_rest(fd, given, count, flags, taken);
    int error = (int)-taken;
    if (has_no_try(error) && is_ready(fd, POLLIN))
      return is_regular(fd) ? read_file(fd, given, count, -1, flags) : real_preadv2(fd, given, count, -1, flags);
    if (error != EAGAIN && !has_no_try(error)) {
      errno = error;
      return -1;
    }
    switch (wait_for(&call)) {
      case try_again: break;
      case call_libc: return read_file(fd, given, count, -1, flags);
      case give_up: return -1;
    }
  }
}

/// Goes on after a try, which is `put`. A blocking write to a stream ends when everything is written, write(2) and pipe(7).
static ssize_t write_green(tandem_patch_function function, int fd, parts left, int flags, long put) {
  waiting call = {.function = function, .fd = fd, .events = POLLOUT};
  ssize_t total = 0;
  for (;; put = try_write(fd, left.first, left.count, flags)) {
    if (put < 0 && has_no_try((int)-put) && is_ready(fd, POLLOUT) && !is_regular(fd)) {
      /* POLLOUT of a terminal does not promise room for all. */
      put = NONBLOCKING(fd, tandem_kernel_call(SYS_pwritev2, fd, (long)left.first, (long)left.count, -1, 0, flags));
    }
    if (put >= 0) {
      total += put;
      if ((size_t)put >= left.bytes || put == 0) return total;
      drop(&left, (size_t)put);
      continue;
    }
    int error = (int)-put;
    if (error != EAGAIN && !has_no_try(error)) {
      errno = error;
      return total ? total : -1;
    }
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
  long put = try_write(fd, &part, 1, 0);
  return put == (long)count ? put : write_green(function, fd, (parts){&part, 1, count}, 0, put);
}

ssize_t tandem_patch_read(tandem_patch_function function, int fd, void *buffer, size_t count) {
  struct iovec part = {buffer, count};
  long taken = try_read(fd, &part, 1, 0);
  return taken == (long)count ? taken : read_green(function, fd, &part, 1, 0, taken);
}

static ssize_t green_read(int fd, void *buffer, size_t count) {
  if (!IS_GREEN(read, IO)) return real_read(fd, buffer, count);
  return tandem_patch_read(TANDEM_PATCH_read, fd, buffer, count);
}

static ssize_t green_readv(int fd, const struct iovec *given, int count) {
  if (!IS_GREEN(readv, IO)) return real_readv(fd, given, count);
  return read_green(TANDEM_PATCH_readv, fd, given, count, 0, try_read(fd, given, count, 0));
}

static ssize_t green_write(int fd, const void *buffer, size_t count) {
  if (!IS_GREEN(write, IO)) return real_write(fd, buffer, count);
  return tandem_patch_write(TANDEM_PATCH_write, fd, buffer, count);
}

static ssize_t green_writev(int fd, const struct iovec *given, int count) {
  if (!IS_GREEN(writev, IO) || count < 0 || count > IOV_MAX) return real_writev(fd, given, count);
  return write_green(TANDEM_PATCH_writev, fd, PARTS(given, (size_t)count), 0, try_write(fd, given, (size_t)count, 0));
}

/* With the offset -1 these are readv and writev with flags; with another one the file must be one on a disk. */

static ssize_t green_preadv2(int fd, const struct iovec *given, int count, off_t offset, int flags) {
  if (flags & RWF_NOWAIT) return real_preadv2(fd, given, count, offset, flags);
  if (offset != -1) return IS_GREEN(preadv2, FILES) ? read_file(fd, given, count, offset, flags)
                                                    : real_preadv2(fd, given, count, offset, flags);
  return IS_GREEN(preadv2, IO) ? read_green(TANDEM_PATCH_preadv2, fd, given, count, flags, try_read(fd, given, count, flags))
                               : real_preadv2(fd, given, count, offset, flags);
}

static ssize_t green_pwritev2(int fd, const struct iovec *given, int count, off_t offset, int flags) {
  if ((flags & RWF_NOWAIT) || count < 0 || count > IOV_MAX) return real_pwritev2(fd, given, count, offset, flags);
  if (offset != -1) return IS_GREEN(pwritev2, FILES) ? write_file(fd, given, count, offset, flags)
                                                     : real_pwritev2(fd, given, count, offset, flags);
  return IS_GREEN(pwritev2, IO) ? write_green(TANDEM_PATCH_pwritev2, fd, PARTS(given, (size_t)count), flags,
                                            try_write(fd, given, (size_t)count, flags))
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

#endif
