#define _GNU_SOURCE
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include "linux.h"
#include "system_calls.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int tandem_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int64_t nanoseconds) {
  static bool lacks_pwait2;
  int found;
  if (nanoseconds <= 0) {
    found = epoll_wait(epoll_fd, events, count, nanoseconds < 0 ? -1 : 0);
    return found < 0 ? -errno : found;
  }
  if (!__atomic_load_n(&lacks_pwait2, __ATOMIC_RELAXED)) {
    struct timespec timeout = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    found = epoll_pwait2(epoll_fd, events, count, &timeout, NULL);
    if (found >= 0) return found;
    if (errno != ENOSYS && errno != EPERM) return -errno;
    __atomic_store_n(&lacks_pwait2, true, __ATOMIC_RELAXED);
  }
  int64_t milliseconds = nanoseconds / 1000000 + (nanoseconds % 1000000 != 0);
  found = epoll_wait(epoll_fd, events, count, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
  return found < 0 ? -errno : found;
}

int tandem_epoll_control(int epoll_fd, int operation, int fd, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data = {.u64 = data}};
  return epoll_ctl(epoll_fd, operation, fd, &event) == 0 ? 0 : errno;
}

int tandem_poll(struct pollfd *entries, int count, int64_t nanoseconds) {
  struct timespec timeout = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  int found = ppoll(entries, (nfds_t)count, nanoseconds < 0 ? NULL : &timeout, NULL);
  return found < 0 ? -errno : found;
}

void tandem_eventfd_add(int fd) {
  uint64_t one = 1;
  ssize_t written;
  do written = tandem_write(fd, &one, sizeof one);
  while (written < 0 && errno == EINTR);
}

void tandem_eventfd_drain(int fd) {
  uint64_t count;
  ssize_t got = tandem_read(fd, &count, sizeof count);
  (void)got; /* EAGAIN: the count was already 0 */
}

int tandem_timerfd(void) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

void tandem_timerfd_arm(int fd, uint64_t nanoseconds) {
  struct itimerspec when = {.it_value = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)}};
  timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
}

int tandem_identify(int fd, tandem_file *file) {
  struct stat status;
  if (fstat(fd, &status) != 0) return errno;
  file->device = status.st_dev;
  file->inode = status.st_ino;
  file->is_always_ready = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
  return 0;
}

bool tandem_is_stream(int fd) {
  int type;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0) return type == SOCK_STREAM;
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

int tandem_eventfd(void) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int tandem_accept(int fd, void *address, socklen_t *length) {
  int accepted = accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return accepted < 0 ? -errno : accepted;
}

int tandem_signalfd(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (error) return -error;
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

uint64_t tandem_real_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int64_t tandem_send_queue(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -1 : bytes;
}

int tandem_thread_id(void) { return gettid(); }
bool tandem_is_main_thread(void) { return gettid() == getpid(); }

void tandem_name_thread(const char *name) {
  char cut[16];
  strncpy(cut, name, sizeof cut - 1);
  cut[sizeof cut - 1] = 0;
  pthread_setname_np(pthread_self(), cut);
}
