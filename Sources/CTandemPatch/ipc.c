#define _GNU_SOURCE
#include "descriptor.h"

#include <mqueue.h>
#include <signal.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Message queues, System V's queues and semaphores, and waiting for signals. */

/* MARK: POSIX message queues, which are descriptors on Linux */

PATCH(ssize_t, mq_receive, (mqd_t queue, char *text, size_t size, unsigned *priority), (queue, text, size, priority))
PATCH(ssize_t, mq_timedreceive, (mqd_t queue, char *text, size_t size, unsigned *priority, const struct timespec *time),
     (queue, text, size, priority, time))
PATCH(int, mq_send, (mqd_t queue, const char *text, size_t size, unsigned priority), (queue, text, size, priority))
PATCH(int, mq_timedsend, (mqd_t queue, const char *text, size_t size, unsigned priority, const struct timespec *time),
     (queue, text, size, priority, time))

/* A time that has passed: the call is a try. */
static const struct timespec long_ago = {0, 0};

/// After a try that would have waited: waits on the hub. Returns false with errno set if the call must give up.
static bool wait_for_queue(tandem_patch_function function, mqd_t queue, short events, uint64_t deadline) {
  if (errno != ETIMEDOUT) return false;
  waiting call = {.function = function, .fd = queue, .events = events, .deadline = deadline, .has_deadline = true};
  if (wait_for(&call) != give_up) return true;
  if (errno == EAGAIN) errno = ETIMEDOUT;
  return false;
}

static ssize_t receive_green(
    tandem_patch_function function, mqd_t queue, char *text, size_t size, unsigned *priority, uint64_t deadline) {
  int saved = errno;
  ssize_t taken;
  while ((taken = real_mq_timedreceive(queue, text, size, priority, &long_ago)) < 0)
    if (!wait_for_queue(function, queue, POLLIN, deadline)) return -1;
  errno = saved;
  return taken;
}

static int send_green(
    tandem_patch_function function, mqd_t queue, const char *text, size_t size, unsigned priority, uint64_t deadline) {
  int saved = errno;
  while (real_mq_timedsend(queue, text, size, priority, &long_ago) != 0)
    if (!wait_for_queue(function, queue, POLLOUT, deadline)) return -1;
  errno = saved;
  return 0;
}

static ssize_t green_mq_receive(mqd_t queue, char *text, size_t size, unsigned *priority) {
  if (!IS_GREEN(mq_receive, IO)) return real_mq_receive(queue, text, size, priority);
  return receive_green(TANDEM_PATCH_mq_receive, queue, text, size, priority, NEVER);
}

static ssize_t green_mq_timedreceive(mqd_t queue, char *text, size_t size, unsigned *priority, const struct timespec *time) {
  if (!IS_GREEN(mq_timedreceive, IO) || is_invalid_time(time)) return real_mq_timedreceive(queue, text, size, priority, time);
  return receive_green(TANDEM_PATCH_mq_timedreceive, queue, text, size, priority, deadline_at(CLOCK_REALTIME, time));
}

static int green_mq_send(mqd_t queue, const char *text, size_t size, unsigned priority) {
  if (!IS_GREEN(mq_send, IO)) return real_mq_send(queue, text, size, priority);
  return send_green(TANDEM_PATCH_mq_send, queue, text, size, priority, NEVER);
}

static int green_mq_timedsend(mqd_t queue, const char *text, size_t size, unsigned priority, const struct timespec *time) {
  if (!IS_GREEN(mq_timedsend, IO) || is_invalid_time(time)) return real_mq_timedsend(queue, text, size, priority, time);
  return send_green(TANDEM_PATCH_mq_timedsend, queue, text, size, priority, deadline_at(CLOCK_REALTIME, time));
}

/* MARK: System V, which nothing tells of: so these try again and again */

PATCH(ssize_t, msgrcv, (int queue, void *message, size_t size, long type, int flags), (queue, message, size, type, flags))
PATCH(int, msgsnd, (int queue, const void *message, size_t size, int flags), (queue, message, size, flags))
PATCH(int, semtimedop, (int set, struct sembuf *operations, size_t count, const struct timespec *timeout),
     (set, operations, count, timeout))
PATCH(int, semop, (int set, struct sembuf *operations, size_t count), (set, operations, count))

static ssize_t green_msgrcv(int queue, void *message, size_t size, long type, int flags) {
  if ((flags & IPC_NOWAIT) || !IS_GREEN(msgrcv, IO)) return real_msgrcv(queue, message, size, type, flags);
  int saved = errno;
  uint64_t pause = 0;
  ssize_t taken;
  while ((taken = real_msgrcv(queue, message, size, type, flags | IPC_NOWAIT)) < 0)
    if (errno != ENOMSG || !tandem_patch_retry(TANDEM_PATCH_msgrcv, &pause, NEVER, 0)) return -1;
  errno = saved;
  return taken;
}

static int green_msgsnd(int queue, const void *message, size_t size, int flags) {
  if ((flags & IPC_NOWAIT) || !IS_GREEN(msgsnd, IO)) return real_msgsnd(queue, message, size, flags);
  int saved = errno;
  uint64_t pause = 0;
  while (real_msgsnd(queue, message, size, flags | IPC_NOWAIT) != 0)
    if (errno != EAGAIN || !tandem_patch_retry(TANDEM_PATCH_msgsnd, &pause, NEVER, 0)) return -1;
  errno = saved;
  return 0;
}

static int operate_green(
    tandem_patch_function function, int set, struct sembuf *operations, size_t count, uint64_t deadline) {
  struct sembuf *tries = alloca((count + 1) * sizeof *tries);
  int saved = errno;
  uint64_t pause = 0;
  memcpy(tries, operations, count * sizeof *tries);
  for (size_t index = 0; index < count; index++) {
    /* A call in which one operation must not wait is one whose owner handles EAGAIN. */
    if (operations[index].sem_flg & IPC_NOWAIT) return real_semop(set, operations, count);
    tries[index].sem_flg |= IPC_NOWAIT;
  }
  while (real_semop(set, tries, count) != 0)
    if (errno != EAGAIN || !tandem_patch_retry(function, &pause, deadline, EAGAIN)) return -1;
  errno = saved;
  return 0;
}

/* SEMOPM of Linux: libc refuses more. */
enum { MOST_OPERATIONS = 500 };

static int green_semop(int set, struct sembuf *operations, size_t count) {
  if (count > MOST_OPERATIONS || !IS_GREEN(semop, IO)) return real_semop(set, operations, count);
  return operate_green(TANDEM_PATCH_semop, set, operations, count, NEVER);
}

static int green_semtimedop(int set, struct sembuf *operations, size_t count, const struct timespec *timeout) {
  if (count > MOST_OPERATIONS || is_invalid_interval(timeout) || !IS_GREEN(semtimedop, IO))
    return real_semtimedop(set, operations, count, timeout);
  return operate_green(TANDEM_PATCH_semtimedop, set, operations, count, deadline_in(timeout));
}

/* MARK: Signals */

PATCH(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout), (set, info, timeout))
PATCH(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info), (set, info))
PATCH(int, sigwait, (const sigset_t *set, int *signal), (set, signal))

static int signal_green(tandem_patch_function function, const sigset_t *set, siginfo_t *info, uint64_t deadline) {
  /* The hub's thread waits for the descriptor, so it tells of the signals of this thread and of the process. */
  int descriptor = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor < 0) return -1;
  struct pollfd entry = {.fd = descriptor, .events = POLLIN};
  static const struct timespec none = {0, 0};
  int taken, error;
  for (;;) {
    taken = real_sigtimedwait(set, info, &none);
    if (taken >= 0 || errno != EAGAIN) break;
    tandem_patch_outcome outcome = tandem_patch_poll(function, &entry, 1, deadline);
    if (outcome == tandem_patch_cancelled || outcome == tandem_patch_timed_out) break;
  }
  error = errno;
  close(descriptor);
  errno = error;
  return taken;
}

static int green_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout) {
  if (!IS_GREEN(sigtimedwait, PROCESSES) || is_invalid_interval(timeout)) return real_sigtimedwait(set, info, timeout);
  return signal_green(TANDEM_PATCH_sigtimedwait, set, info, deadline_in(timeout));
}

static int green_sigwaitinfo(const sigset_t *set, siginfo_t *info) {
  if (!IS_GREEN(sigwaitinfo, PROCESSES)) return real_sigwaitinfo(set, info);
  return signal_green(TANDEM_PATCH_sigwaitinfo, set, info, NEVER);
}

static int green_sigwait(const sigset_t *set, int *signal) {
  if (!IS_GREEN(sigwait, PROCESSES)) return real_sigwait(set, signal);
  int saved = errno, taken = signal_green(TANDEM_PATCH_sigwait, set, NULL, NEVER), error = errno;
  errno = saved;
  if (taken < 0) return error;
  *signal = taken;
  return 0;
}

#endif
