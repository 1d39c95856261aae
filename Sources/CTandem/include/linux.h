/// Linux calls that Swift's Glibc overlay does not offer in a usable form.
#ifndef TANDEM_LINUX_H
#define TANDEM_LINUX_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// epoll_pwait2(2), or epoll_wait(2) with the time rounded up to whole milliseconds on kernels before 5.11.
/// `nanoseconds` < 0 waits for ever. Returns the number of events, or a negative errno.
int tandem_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int64_t nanoseconds);

static inline uint64_t tandem_event_data(const struct epoll_event *event) { return event->data.u64; }

/// epoll_ctl(2). Returns 0, or an errno.
int tandem_epoll_control(int epoll_fd, int operation, int fd, uint32_t events, uint64_t data);

/// eventfd(2), non-blocking and close-on-exec. Returns the fd, or a negative errno.
int tandem_eventfd(void);

/// accept4(2), non-blocking and close-on-exec. Returns the fd, or a negative errno.
int tandem_accept(int fd, void *address, socklen_t *length);

/// signalfd(2) for these signals, which are blocked in the calling thread (and in the threads it
/// starts later). Returns the fd, or a negative errno.
int tandem_signalfd(const int *signals, int count);

/// Nanoseconds on CLOCK_MONOTONIC.
uint64_t tandem_monotonic_nanoseconds(void);

/// As tandem_monotonic_nanoseconds, and always the kernel's: for measuring, whatever clock a hub goes by.
uint64_t tandem_real_nanoseconds(void);

/// The kernel's id of this thread, gettid(2).
int tandem_thread_id(void);

/// Names this thread, as seen in ps and gdb; cut to 15 bytes.
void tandem_name_thread(const char *name);

TANDEM_NONNULL_END
#endif
