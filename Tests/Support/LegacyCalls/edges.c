#define _GNU_SOURCE
#include "LegacyCalls.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* What the manual pages and glibc promise beyond the usual use of a call. Each client waits at least 200 ms. */

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static pthread_t start(void *(*run)(void *context), intptr_t context) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, (void *)context) != 0) abort();
  return thread;
}

/* MARK: Locks */

typedef struct meeting {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  int has_begun, is_over;
} meeting;

static void *wait_in_meeting(void *context) {
  meeting *meeting = context;
  pthread_mutex_lock(&meeting->mutex);
  __atomic_store_n(&meeting->has_begun, 1, __ATOMIC_RELEASE);
  usleep(200000);
  while (!meeting->is_over) pthread_cond_wait(&meeting->condition, &meeting->mutex);
  pthread_mutex_unlock(&meeting->mutex);
  return NULL;
}

/* pthread_cond_wait of an OS thread unlocks a mutex that a green thread waits for. */
static const char *run_condition_unlocks(void) {
  meeting meeting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  pthread_t thread = start(wait_in_meeting, (intptr_t)&meeting);
  while (!__atomic_load_n(&meeting.has_begun, __ATOMIC_ACQUIRE)) usleep(1000);
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 10;
  CHECK(pthread_mutex_timedlock(&meeting.mutex, &limit) == 0);
  meeting.is_over = 1;
  CHECK(pthread_cond_signal(&meeting.condition) == 0 && pthread_mutex_unlock(&meeting.mutex) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  return NULL;
}

typedef struct nested {
  pthread_mutex_t mutex;
  int inside;
} nested;

/* A mutex that inherits priority, and may be locked twice by its owner: the green threads of a hub are different owners. */
static nested inheriting;
static void create_inheriting(void) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&inheriting.mutex, &kind);
}
static const char *run_inheriting_mutex(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, create_inheriting);
  CHECK(pthread_mutex_lock(&inheriting.mutex) == 0 && pthread_mutex_trylock(&inheriting.mutex) == 0);
  CHECK(inheriting.inside++ == 0);
  usleep(1000);
  CHECK(--inheriting.inside == 0);
  CHECK(pthread_mutex_unlock(&inheriting.mutex) == 0 && pthread_mutex_unlock(&inheriting.mutex) == 0);
  usleep(200000);
  return NULL;
}

void legacy_slow_routine(void) { usleep(200000); }

/* MARK: Descriptors */

/* A regular file never has these events. */
static const char *run_poll_file(void) {
  FILE *file = tmpfile();
  CHECK(file);
  struct pollfd entry = {.fd = fileno(file), .events = POLLPRI};
  double began = seconds();
  CHECK(poll(&entry, 1, 100) == 0 && seconds() - began >= 0.1);
  fd_set errors;
  FD_ZERO(&errors);
  FD_SET(fileno(file), &errors);
  CHECK(select(fileno(file) + 1, NULL, NULL, &errors, &(struct timeval){0, 100000}) == 0);
  fclose(file);
  return NULL;
}

static const char *run_invalid_times(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  struct timespec negative = {-1, 0};
  CHECK(sigtimedwait(&set, NULL, &negative) == -1 && errno == EINVAL);
  int semaphores = semget(IPC_PRIVATE, 1, 0600);
  CHECK(semaphores >= 0);
  int result = semtimedop(semaphores, &(struct sembuf){0, -1, 0}, 1, &negative), error = errno;
  semctl(semaphores, 0, IPC_RMID);
  CHECK(result == -1 && error == EINVAL);
  usleep(200000);
  return NULL;
}

static const legacy_call all[] = {
    {"condition-unlocks", run_condition_unlocks},
    {"inheriting-mutex", run_inheriting_mutex},
    {"poll-file", run_poll_file},
    {"invalid-times", run_invalid_times},
    {NULL, NULL},
};

const legacy_call *legacy_edges(void) { return all; }
