#define _GNU_SOURCE
#include "system_calls.h"

#include <sys/socket.h>

/* The sanitizers look at the calls of libc: what they read and write, and which thread sees the changes of which. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define TANDEM_CALLS_LIBC 1
#endif
#endif

#ifdef TANDEM_CALLS_LIBC
ssize_t tandem_read(int fd, void *buffer, size_t count) { return read(fd, buffer, count); }
ssize_t tandem_write(int fd, const void *buffer, size_t count) { return write(fd, buffer, count); }
ssize_t tandem_send(int fd, const void *buffer, size_t count, int flags) { return send(fd, buffer, count, flags); }
ssize_t tandem_recv(int fd, void *buffer, size_t count, int flags) { return recv(fd, buffer, count, flags); }
#else
ssize_t tandem_read(int fd, void *buffer, size_t count) {
  return tandem_system_call(SYS_read, fd, (long)buffer, (long)count, 0, 0, 0);
}
ssize_t tandem_write(int fd, const void *buffer, size_t count) {
  return tandem_system_call(SYS_write, fd, (long)buffer, (long)count, 0, 0, 0);
}
ssize_t tandem_send(int fd, const void *buffer, size_t count, int flags) {
  return tandem_system_call(SYS_sendto, fd, (long)buffer, (long)count, flags, 0, 0);
}
ssize_t tandem_recv(int fd, void *buffer, size_t count, int flags) {
  return tandem_system_call(SYS_recvfrom, fd, (long)buffer, (long)count, flags, 0, 0);
}
#endif
