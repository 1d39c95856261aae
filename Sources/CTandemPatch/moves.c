#define _GNU_SOURCE
#include "descriptor.h"
#include "offloaded.h"

#include <stdarg.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Calls that move bytes inside the kernel, and opening FIFOs. */

PATCH(ssize_t, sendfile, (int to, int from, off_t *offset, size_t count), (to, from, offset, count))
PATCH(ssize_t, splice, (int from, off64_t *from_offset, int to, off64_t *to_offset, size_t count, unsigned flags),
     (from, from_offset, to, to_offset, count, flags))
PATCH(ssize_t, tee, (int from, int to, size_t count, unsigned flags), (from, to, count, flags))
PATCH(ssize_t, vmsplice, (int fd, const struct iovec *parts, size_t count, unsigned flags), (fd, parts, count, flags))

/* A blocking call sends everything, up to the end of the file. */
static ssize_t green_sendfile(int to, int from, off_t *offset, size_t count) {
  if (!IS_GREEN(sendfile, IO)) return real_sendfile(to, from, offset, count);
  waiting call = {.function = TANDEM_PATCH_sendfile, .fd = to, .events = POLLOUT};
  ssize_t total = 0;
  int saved = errno;
  for (;;) {
    ssize_t sent = NONBLOCKING(to, real_sendfile(to, from, offset, count - (size_t)total));
    if (sent < 0) {
      if (errno != EAGAIN) return total ? total : -1;
      next_step step = wait_for(&call);
      if (step == give_up) return total ? total : -1;
      if (step == try_again) continue;
      sent = HOLDING(real_sendfile(to, from, offset, count - (size_t)total));
      if (sent < 0) return total ? total : -1;
    }
    total += sent;
    if (sent == 0 || (size_t)total >= count) break;
  }
  errno = saved;
  return total;
}

ssize_t sendfile64(int to, int from, off_t *offset, size_t count) __attribute__((weak, alias("sendfile")));

/// Waits on the hub until both ends are ready. Returns false with errno set if the call must give up.
static bool wait_for_both(tandem_patch_function function, int from, int to, uint64_t *pause) {
  waiting ends[] = {{.function = function, .fd = from, .events = POLLIN}, {.function = function, .fd = to, .events = POLLOUT}};
  bool were_ready = true;
  for (int index = 0; index < 2; index++) {
    if (ends[index].fd < 0 || is_ready(ends[index].fd, ends[index].events)) continue;
    were_ready = false;
    if (wait_for(&ends[index]) == give_up) return false;
  }
  /* Ready, and still not able to move anything: a pipe that has room, but no free page. */
  return !were_ready || tandem_patch_retry(function, pause, NEVER, 0);
}

/* Evaluates a call that moves bytes from one descriptor to another until it has moved some. */
#define MOVE(name, from, to, flags, call)                                                                                      \
  if (!IS_CALLED_GREEN(name, IO) || ((flags) & SPLICE_F_NONBLOCK)) return call;                                                \
  if (!is_ready(from, POLLIN) || !is_ready(to, POLLOUT)) {                                                                     \
    uint64_t first = 0;                                                                                                        \
    if (!wait_for_both(TANDEM_PATCH_##name, from, to, &first)) return -1;                                                      \
  }                                                                                                                            \
  (flags) |= SPLICE_F_NONBLOCK;                                                                                                \
  for (uint64_t pause = 0;;) {                                                                                                 \
    ssize_t moved = call;                                                                                                      \
    if (moved >= 0 || errno != EAGAIN) return moved;                                                                           \
    if (!wait_for_both(TANDEM_PATCH_##name, from, to, &pause)) return -1;                                                      \
  }

static ssize_t green_splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t count, unsigned flags) {
  MOVE(splice, from, to, flags, real_splice(from, from_offset, to, to_offset, count, flags))
}

static ssize_t green_tee(int from, int to, size_t count, unsigned flags) { MOVE(tee, from, to, flags, real_tee(from, to, count, flags)) }

static ssize_t green_vmsplice(int fd, const struct iovec *parts, size_t count, unsigned flags) {
  /* Into a pipe or out of it, as the descriptor is open. */
  int owners = owners_flags(fd);
  bool is_reader = (owners & O_ACCMODE) == O_RDONLY;
  MOVE(vmsplice, is_reader ? fd : -1, is_reader ? -1 : fd, flags, real_vmsplice(fd, parts, count, flags))
}

/* MARK: FIFOs */

/* Opening a FIFO waits until the other end is open too, fifo(7). For writing, a try without waiting fails until there is a reader. For
   reading it never fails, so an OS thread makes the call. */

int openat(int directory, const char *path, int flags, ...) PATCHED;
LOOKED_UP(int, openat, (int directory, const char *path, int flags, mode_t mode), (directory, path, flags, mode))

typedef struct open_call {
  int directory;
  const char *path;
  int flags;
  mode_t mode;
  int fd;
} open_call;

static void run_open(void *context) {
  open_call *call = context;
  call->fd = real_openat(call->directory, call->path, call->flags, call->mode);
}

static bool may_wait(int directory, const char *path, int flags) {
  struct stat file;
  if ((flags & (O_NONBLOCK | O_PATH | O_DIRECTORY)) || (flags & O_ACCMODE) == O_RDWR) return false;
  int saved = errno;
  bool is_fifo = fstatat(directory, path, &file, 0) == 0 && S_ISFIFO(file.st_mode);
  errno = saved;
  return is_fifo;
}

static int open_writer(tandem_patch_function function, int directory, const char *path, int flags, mode_t mode) {
  int saved = errno, fd;
  for (uint64_t pause = 0; (fd = real_openat(directory, path, flags | O_NONBLOCK, mode)) < 0;)
    if (errno != ENXIO || !tandem_patch_retry(function, &pause, NEVER, 0)) return -1;
  tandem_patch_fcntl(fd, F_SETFL, owners_flags(fd) & ~O_NONBLOCK);
  errno = saved;
  return fd;
}

static int open_green(tandem_patch_function function, int directory, const char *path, int flags, mode_t mode) {
  if (!may_wait(directory, path, flags)) return real_openat(directory, path, flags, mode);
  if ((flags & O_ACCMODE) == O_WRONLY) return open_writer(function, directory, path, flags, mode);
  open_call call = {directory, path, flags, mode, -1};
  tandem_patch_offload(run_open, &call);
  return call.fd;
}

static bool has_mode(int flags) { return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE; }
#define MODE(flags)                                                                                                            \
  ({                                                                                                                           \
    va_list list;                                                                                                              \
    va_start(list, flags);                                                                                                     \
    mode_t given = has_mode(flags) ? va_arg(list, mode_t) : 0;                                                                 \
    va_end(list);                                                                                                              \
    given;                                                                                                                     \
  })

int openat(int directory, const char *path, int flags, ...) {
  mode_t mode = MODE(flags);
  if (!IS_CALLED_GREEN(openat, IO)) return real_openat(directory, path, flags, mode);
  return open_green(TANDEM_PATCH_openat, directory, path, flags, mode);
}

int open(const char *path, int flags, ...) PATCHED;
int open(const char *path, int flags, ...) {
  mode_t mode = MODE(flags);
  if (!IS_CALLED_GREEN(open, IO)) return real_openat(AT_FDCWD, path, flags, mode);
  return open_green(TANDEM_PATCH_open, AT_FDCWD, path, flags, mode);
}

/* Fortified variants, which code compiled with _FORTIFY_SOURCE calls when there is no mode. */
int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open(path, flags); }
int __openat_2(int directory, const char *path, int flags) { return openat(directory, path, flags); }
int __openat64_2(int directory, const char *path, int flags) { return openat(directory, path, flags); }

int open64(const char *path, int flags, ...) __attribute__((weak, alias("open")));
int openat64(int directory, const char *path, int flags, ...) __attribute__((weak, alias("openat")));

#endif
