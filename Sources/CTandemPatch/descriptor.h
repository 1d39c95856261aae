/// Waiting for one descriptor, and buffers in parts.
#ifndef TANDEM_PATCH_DESCRIPTOR_H
#define TANDEM_PATCH_DESCRIPTOR_H

#include <alloca.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>

#include "patch.h"

/// fcntl itself, also on a green stack.
int tandem_patch_fcntl(int fd, int command, int argument);

/// A call that may have to wait for one descriptor.
typedef struct waiting {
  tandem_patch_function function;
  int fd;
  short events;
  /// When the owner's time limit ends, once the call has had to wait.
  uint64_t deadline;
  bool has_deadline;
} waiting;

/// The result of `wait_for`.
typedef enum next_step { try_again, call_libc, give_up } next_step;

/// Waits, after a try that would have waited. Returns what to do next; with give_up, errno has the reason.
next_step wait_for(waiting *call) PRIVATE(wait_for);

/// Returns the flags that the owner of the descriptor has set, such as O_NONBLOCK; negative if it is not open.
int owners_flags(int fd) PRIVATE(owners_flags);

/// Makes the descriptor non-blocking until `end_try`, which no other green thread of the process sees. Returns the owner's flags.
int begin_try(int fd) PRIVATE(begin_try);
/// Gives the descriptor its owner's flags back. Does not change errno.
void end_try(int fd, int owners) PRIVATE(end_try);

/* For calls that have no flag for a try: evaluates `call` with the descriptor made non-blocking. */
#define NONBLOCKING(fd, call)                                                                                                  \
  ({                                                                                                                           \
    int owners = begin_try(fd);                                                                                                \
    __typeof__(call) tried = (call);                                                                                           \
    end_try(fd, owners);                                                                                                       \
    tried;                                                                                                                     \
  })

/// Sets the deadline of a socket's owner, once: SO_RCVTIMEO or SO_SNDTIMEO, socket(7).
void set_deadline(waiting *call) PRIVATE(set_deadline);

/// The parts of a buffer that are still to be transferred.
typedef struct parts {
  struct iovec *first;
  size_t count;
  size_t bytes;
} parts;

/// Copies the parts into `copy`, which has room for one more.
parts copy_of(const struct iovec *given, size_t count, struct iovec *copy) PRIVATE(copy_of);
/// Removes what has been transferred.
void drop(parts *left, size_t bytes) PRIVATE(drop);

/* The parts of one call lie on the green stack: 16 bytes each, at most IOV_MAX of them. */
#define PARTS(given, count) copy_of(given, count, alloca(((count) + 1) * sizeof(struct iovec)))

/// Reads as read(2) does on a green stack.
ssize_t tandem_patch_read(tandem_patch_function function, int fd, void *buffer, size_t count);

/// Writes as write(2) does on a green stack.
ssize_t tandem_patch_write(tandem_patch_function function, int fd, const void *bytes, size_t count);

#endif
