/// Linux calls that Swift's Glibc module does not offer in a usable form.
#ifndef TANDEM_LINUX_H
#define TANDEM_LINUX_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// epoll_pwait2(2); on kernels before 5.11, epoll_wait(2) with the time rounded up to whole milliseconds. Waits without limit if
/// `nanoseconds` < 0. Returns the number of events, or a negative errno.
int tandem_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int64_t nanoseconds);

static inline uint64_t tandem_event_data(const struct epoll_event *event) { return event->data.u64; }

/// epoll_ctl(2). Returns 0, or an errno.
int tandem_epoll_control(int epoll_fd, int operation, int fd, uint32_t events, uint64_t data);

/// ppoll(2) without a signal mask. Waits without limit if `nanoseconds` < 0. Returns the number of entries with events, or a
/// negative errno.
int tandem_poll(struct pollfd *entries, int count, int64_t nanoseconds);

/// Adds 1 to the count of an eventfd(2).
void tandem_eventfd_add(int fd);

/// Resets the count of a non-blocking eventfd(2) to 0.
void tandem_eventfd_drain(int fd);

/// timerfd_create(2) on CLOCK_MONOTONIC, non-blocking and close-on-exec. Returns the fd, or a negative errno.
int tandem_timerfd(void);

/// Arms the timerfd to expire when CLOCK_MONOTONIC reads `nanoseconds`, timerfd_settime(2); 0 disarms it.
void tandem_timerfd_arm(int fd, uint64_t nanoseconds);

/// The identity of an open file, from fstat(2), which shows whether a number still refers to the same file. `is_always_ready` is
/// true for regular files and directories.
typedef struct tandem_file {
  uint64_t device, inode;
  bool is_always_ready;
} tandem_file;

/// Fills in `file` by fstat(2). Returns 0, or an errno.
int tandem_identify(int fd, tandem_file *file);

/// Whether `fd` is a stream socket or a pipe, which do not preserve message boundaries.
bool tandem_is_stream(int fd);

/// Returns the number of bytes in a socket's send queue that the peer has not taken (SIOCOUTQ, tcp(7) and unix(7)); -1 if
/// unknown.
int64_t tandem_send_queue(int fd);

/// eventfd(2), non-blocking and close-on-exec. Returns the fd, or a negative errno.
int tandem_eventfd(void);

/// accept4(2), non-blocking and close-on-exec. Returns the fd, or a negative errno.
int tandem_accept(int fd, void *address, socklen_t *length);

/// signalfd(2) for these signals. Blocks them in the calling thread, and so in the threads that it starts later. Returns the fd,
/// or a negative errno.
int tandem_signalfd(const int *signals, int count);

/// Returns the nanoseconds on CLOCK_MONOTONIC, whichever clock this thread's hub has.
uint64_t tandem_real_nanoseconds(void);

/// Whether this thread's hub has a virtual clock.
static inline bool tandem_clock_is_virtual(void) { return tandem_this_thread.virtual_now != 0; }

/// Returns the nanoseconds on the clock of this thread's hub: CLOCK_MONOTONIC, unless the hub has a virtual clock.
static inline uint64_t tandem_monotonic_nanoseconds(void) {
  const uint64_t *own = tandem_this_thread.virtual_now;
  return __builtin_expect(own != 0, 0) ? *own : tandem_real_nanoseconds();
}

/// Returns the kernel's id of this thread, gettid(2).
int tandem_thread_id(void);

/// Whether the caller is on the main thread.
bool tandem_is_main_thread(void);

/// Names this thread for ps and gdb, pthread_setname_np(3). The name is cut to 15 bytes.
void tandem_name_thread(const char *name);

TANDEM_NONNULL_END
#endif
