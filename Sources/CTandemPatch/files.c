#define _GNU_SOURCE
#include "descriptor.h"
#include "files.h"
#include "offloaded.h"

#include <fcntl.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Regular files. The kernel always calls them ready, so nothing can wait for them on the hub. A try without waiting says whether the
   bytes are in memory; if they are not, an OS thread makes the call, unless the area of files is switched off. */

LOOKED_UP(ssize_t, preadv2, (int fd, const struct iovec *parts, int count, off_t offset, int flags), (fd, parts, count, offset, flags))
LOOKED_UP(ssize_t, pwritev2, (int fd, const struct iovec *parts, int count, off_t offset, int flags), (fd, parts, count, offset, flags))

typedef ssize_t transfer(int fd, const struct iovec *given, int count, off_t offset, int flags);

typedef struct transfer_call {
  transfer *transfer;
  int fd;
  const struct iovec *given;
  int count;
  off_t offset;
  int flags;
  ssize_t result;
} transfer_call;

static void run_transfer(void *context) {
  transfer_call *call = context;
  call->result = call->transfer(call->fd, call->given, call->count, call->offset, call->flags);
}

static ssize_t transfer_waiting(transfer *transfer, int fd, const struct iovec *given, int count, off_t offset, int flags) {
  if (!is_enabled(TANDEM_PATCH_FILES)) return HOLDING(transfer(fd, given, count, offset, flags));
  transfer_call call = {transfer, fd, given, count, offset, flags, 0};
  tandem_patch_offload(run_transfer, &call);
  return call.result;
}

/// A try transfers what is in memory, and the call transfers all.
static ssize_t transfer_file(transfer *transfer, int fd, const struct iovec *given, int count, off_t offset, int flags) {
  if (count < 0 || count > IOV_MAX) return transfer(fd, given, count, offset, flags);
  parts left = PARTS(given, (size_t)count);
  int saved = errno;
  ssize_t total = 0;
  do {
    ssize_t result = transfer(fd, left.first, (int)left.count, offset, flags | RWF_NOWAIT);
    if (result < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS)) {
      errno = saved;
      result = transfer_waiting(transfer, fd, left.first, (int)left.count, offset, flags);
      return result < 0 ? (total ? total : -1) : total + result;
    }
    if (result < 0 && !total) return -1;
    errno = saved;
    if (result <= 0) break;
    total += result;
    drop(&left, (size_t)result);
    if (offset >= 0) offset += result;
  } while (left.bytes);
  return total;
}

ssize_t read_file(int fd, const struct iovec *given, int count, off_t offset, int flags) {
  return transfer_file(real_preadv2, fd, given, count, offset, flags);
}

ssize_t write_file(int fd, const struct iovec *given, int count, off_t offset, int flags) {
  return transfer_file(real_pwritev2, fd, given, count, offset, flags);
}

PATCH(ssize_t, pread, (int fd, void *buffer, size_t count, off_t offset), (fd, buffer, count, offset))
PATCH(ssize_t, pwrite, (int fd, const void *buffer, size_t count, off_t offset), (fd, buffer, count, offset))
PATCH(ssize_t, preadv, (int fd, const struct iovec *parts, int count, off_t offset), (fd, parts, count, offset))
PATCH(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t offset), (fd, parts, count, offset))

static ssize_t green_pread(int fd, void *buffer, size_t count, off_t offset) {
  /* An offset of -1 would mean the position. */
  if (offset < 0 || !IS_GREEN(pread, FILES)) return real_pread(fd, buffer, count, offset);
  return read_file(fd, &(struct iovec){buffer, count}, 1, offset, 0);
}

static ssize_t green_pwrite(int fd, const void *buffer, size_t count, off_t offset) {
  if (offset < 0 || !IS_GREEN(pwrite, FILES)) return real_pwrite(fd, buffer, count, offset);
  return write_file(fd, &(struct iovec){(void *)(uintptr_t)buffer, count}, 1, offset, 0);
}

static ssize_t green_preadv(int fd, const struct iovec *given, int count, off_t offset) {
  if (offset < 0 || !IS_GREEN(preadv, FILES)) return real_preadv(fd, given, count, offset);
  return read_file(fd, given, count, offset, 0);
}

static ssize_t green_pwritev(int fd, const struct iovec *given, int count, off_t offset) {
  if (offset < 0 || !IS_GREEN(pwritev, FILES)) return real_pwritev(fd, given, count, offset);
  return write_file(fd, given, count, offset, 0);
}

ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) __attribute__((weak, alias("pread")));
ssize_t pwrite64(int fd, const void *buffer, size_t count, off_t offset) __attribute__((weak, alias("pwrite")));
ssize_t preadv64(int fd, const struct iovec *given, int count, off_t offset) __attribute__((weak, alias("preadv")));
ssize_t pwritev64(int fd, const struct iovec *given, int count, off_t offset) __attribute__((weak, alias("pwritev")));

OFFLOADED(int, fsync, FILES, (int fd), (fd), int fd;, VALUES(fd), (a->fd))
OFFLOADED(int, fdatasync, FILES, (int fd), (fd), int fd;, VALUES(fd), (a->fd))
OFFLOADED(int, syncfs, FILES, (int fd), (fd), int fd;, VALUES(fd), (a->fd))
OFFLOADED(int, sync_file_range, FILES, (int fd, off_t offset, off_t count, unsigned flags), (fd, offset, count, flags), int fd;
          off_t offset; off_t count; unsigned flags;, VALUES(fd, offset, count, flags), (a->fd, a->offset, a->count, a->flags))
OFFLOADED(ssize_t, copy_file_range, FILES,
          (int from, off_t *from_offset, int to, off_t *to_offset, size_t count, unsigned flags),
          (from, from_offset, to, to_offset, count, flags),
          int from; off_t *from_offset; int to; off_t *to_offset; size_t count; unsigned flags;,
          VALUES(from, from_offset, to, to_offset, count, flags),
          (a->from, a->from_offset, a->to, a->to_offset, a->count, a->flags))

#endif
