/// Reading and writing regular files, which may wait for a disk.
#ifndef TANDEM_PATCH_FILES_H
#define TANDEM_PATCH_FILES_H

#include <sys/uio.h>

#include "patch.h"

/// As preadv2 and pwritev2, on an OS thread of the pool if what they need is not in memory and the area of files is switched on, and on
/// this thread otherwise. The offset -1 means the position of the file.
ssize_t read_file(int fd, const struct iovec *given, int count, off_t offset, int flags) PRIVATE(read_file);
ssize_t write_file(int fd, const struct iovec *given, int count, off_t offset, int flags) PRIVATE(write_file);

#endif
