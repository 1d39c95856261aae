#define _GNU_SOURCE
#include "descriptor.h"
#include "offloaded.h"

#include <pthread.h>
#include <stdarg.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Waiting for processes, threads and locks of files. */

OFFLOADED(int, system, PROCESSES, (const char *command), (command), const char *command;, VALUES(command), (a->command))
OFFLOADED(int, pclose, PROCESSES, (FILE *file), (file), FILE *file;, VALUES(file), (a->file))

/* MARK: Processes */

PATCH(pid_t, wait4, (pid_t process, int *status, int options, struct rusage *usage), (process, status, options, usage))
PATCH(pid_t, wait3, (int *status, int options, struct rusage *usage), (status, options, usage))
PATCH(pid_t, waitpid, (pid_t process, int *status, int options), (process, status, options))
PATCH(pid_t, wait, (int *status), (status))
PATCH(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))

/// Waits on the hub until a process has ended, or may have ended. Returns false with errno set if the task has been cancelled.
static bool wait_for_end(tandem_patch_function function, pid_t process, uint64_t *pause) {
  int descriptor = process > 0 ? (int)tandem_system_call(SYS_pidfd_open, process, 0, 0, 0, 0, 0) : -1;
  /* No descriptor tells of whichever child ends first, nor of one that stops. */
  if (descriptor < 0) return tandem_patch_retry(function, pause, NEVER, 0);
  struct pollfd entry = {.fd = descriptor, .events = POLLIN};
  tandem_patch_outcome outcome = tandem_patch_poll(function, &entry, 1, NEVER);
  int error = errno;
  close(descriptor);
  errno = error;
  return outcome != tandem_patch_cancelled;
}

static pid_t wait_green(tandem_patch_function function, pid_t process, int *status, int options, struct rusage *usage) {
  int saved = errno;
  uint64_t pause = 0;
  for (;;) {
    pid_t ended = real_wait4(process, status, options | WNOHANG, usage);
    if (ended > 0) errno = saved;
    if (ended != 0 || (options & WNOHANG)) return ended;
    if (!wait_for_end(function, options & (WUNTRACED | WCONTINUED) ? 0 : process, &pause)) return -1;
  }
}

static pid_t green_wait4(pid_t process, int *status, int options, struct rusage *usage) {
  if (!IS_GREEN(wait4, PROCESSES)) return real_wait4(process, status, options, usage);
  return wait_green(TANDEM_PATCH_wait4, process, status, options, usage);
}

static pid_t green_wait3(int *status, int options, struct rusage *usage) {
  if (!IS_GREEN(wait3, PROCESSES)) return real_wait3(status, options, usage);
  return wait_green(TANDEM_PATCH_wait3, -1, status, options, usage);
}

static pid_t green_waitpid(pid_t process, int *status, int options) {
  if (!IS_GREEN(waitpid, PROCESSES)) return real_waitpid(process, status, options);
  return wait_green(TANDEM_PATCH_waitpid, process, status, options, NULL);
}

static pid_t green_wait(int *status) {
  if (!IS_GREEN(wait, PROCESSES)) return real_wait(status);
  return wait_green(TANDEM_PATCH_wait, -1, status, 0, NULL);
}

static int green_waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
  if (!IS_GREEN(waitid, PROCESSES) || (options & WNOHANG)) return real_waitid(type, id, info, options);
  int saved = errno;
  uint64_t pause = 0;
  siginfo_t found;
  for (;;) {
    /* With WNOHANG a pid of 0 means that no child has changed. */
    found.si_pid = 0;
    if (real_waitid(type, id, &found, options | WNOHANG) != 0) return -1;
    if (found.si_pid != 0) {
      if (info) *info = found;
      errno = saved;
      return 0;
    }
    bool is_end = type == P_PID && (options & WEXITED) && !(options & (WSTOPPED | WCONTINUED));
    if (!wait_for_end(TANDEM_PATCH_waitid, is_end ? (pid_t)id : 0, &pause)) return -1;
  }
}

/* MARK: Threads */

PATCH(int, pthread_join, (pthread_t thread, void **value), (thread, value))
PATCH(int, pthread_timedjoin_np, (pthread_t thread, void **value, const struct timespec *time), (thread, value, time))
PATCH(int, pthread_clockjoin_np, (pthread_t thread, void **value, clockid_t clock, const struct timespec *time),
     (thread, value, clock, time))

/* A thread tells of its end inside libc only. A join is deaf to a cancellation: the thread may use memory of the caller. */
static int join_green(tandem_patch_function function, pthread_t thread, void **value, uint64_t deadline) {
  for (uint64_t pause = 0;;) {
    int result = pthread_tryjoin_np(thread, value);
    if (result != EBUSY) return result;
    if (!tandem_patch_retry_deaf(function, &pause, deadline)) return ETIMEDOUT;
  }
}

static int green_pthread_join(pthread_t thread, void **value) {
  if (!IS_GREEN(pthread_join, PROCESSES) || pthread_equal(thread, pthread_self())) return real_pthread_join(thread, value);
  return join_green(TANDEM_PATCH_pthread_join, thread, value, NEVER);
}

static int green_pthread_timedjoin_np(pthread_t thread, void **value, const struct timespec *time) {
  if (!IS_GREEN(pthread_timedjoin_np, PROCESSES) || is_invalid_time(time)) return real_pthread_timedjoin_np(thread, value, time);
  return join_green(TANDEM_PATCH_pthread_timedjoin_np, thread, value, deadline_at(CLOCK_REALTIME, time));
}

static int green_pthread_clockjoin_np(pthread_t thread, void **value, clockid_t clock, const struct timespec *time) {
  if (!IS_GREEN(pthread_clockjoin_np, PROCESSES) || is_invalid_time(time))
    return real_pthread_clockjoin_np(thread, value, clock, time);
  return join_green(TANDEM_PATCH_pthread_clockjoin_np, thread, value, deadline_at(clock, time));
}

/* MARK: Locks of files */

/* The kernel tells nobody that a lock is free, and a thread per waiter could use up the pool: so these try again and again. For locks
   of fcntl and lockf all green threads of the process are one owner, as all its OS threads are. */

PATCH(int, flock, (int fd, int operation), (fd, operation))
PATCH(int, lockf, (int fd, int command, off_t length), (fd, command, length))
int fcntl(int fd, int command, ...) PATCHED;
LOOKED_UP(int, fcntl, (int fd, int command, void *argument), (fd, command, argument))

int tandem_patch_fcntl(int fd, int command, int argument) { return real_fcntl(fd, command, (void *)(intptr_t)argument); }

static bool is_taken(int error) { return error == EAGAIN || error == EACCES; }

static int green_flock(int fd, int operation) {
  if (!IS_GREEN(flock, PROCESSES) || (operation & LOCK_NB)) return real_flock(fd, operation);
  int saved = errno;
  uint64_t pause = 0;
  while (real_flock(fd, operation | LOCK_NB) != 0)
    if (!is_taken(errno) || !tandem_patch_retry(TANDEM_PATCH_flock, &pause, NEVER, 0)) return -1;
  errno = saved;
  return 0;
}

static int green_lockf(int fd, int command, off_t length) {
  if (command != F_LOCK || !IS_GREEN(lockf, PROCESSES)) return real_lockf(fd, command, length);
  int saved = errno;
  uint64_t pause = 0;
  while (real_lockf(fd, F_TLOCK, length) != 0)
    if (!is_taken(errno) || !tandem_patch_retry(TANDEM_PATCH_lockf, &pause, NEVER, 0)) return -1;
  errno = saved;
  return 0;
}

int lockf64(int fd, int command, off_t length) __attribute__((weak, alias("lockf")));

int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void *argument = va_arg(list, void *);
  va_end(list);
  if ((command != F_SETLKW && command != F_OFD_SETLKW) || !IS_CALLED_GREEN(fcntl, PROCESSES)) return real_fcntl(fd, command, argument);
  int saved = errno;
  uint64_t pause = 0;
  while (real_fcntl(fd, command == F_SETLKW ? F_SETLK : F_OFD_SETLK, argument) != 0)
    if (!is_taken(errno) || !tandem_patch_retry(TANDEM_PATCH_fcntl, &pause, NEVER, 0)) return -1;
  errno = saved;
  return 0;
}

int fcntl64(int fd, int command, ...) __attribute__((weak, alias("fcntl")));

#endif
