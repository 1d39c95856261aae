#define _GNU_SOURCE
#include "LegacyCalls.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

#define MEASURE(operation, calls)                                                                                              \
  if (strcmp(name, operation) == 0) {                                                                                          \
    for (long turn = 0; turn < count; turn++) calls;                                                                           \
    return 0;                                                                                                                  \
  }

int legacy_costs(const char *name, long count) {
  char byte = 0;
  int ends[2], pair[2];
  sem_t semaphore;
  pthread_mutex_t recursive;
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&recursive, &kind);
  if (pipe(ends) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || sem_init(&semaphore, 0, 0) != 0) abort();
  MEASURE("nothing", { })
  MEASURE("mutex lock, unlock", { pthread_mutex_lock(&mutex); pthread_mutex_unlock(&mutex); })
  MEASURE("recursive mutex lock, unlock", { pthread_mutex_lock(&recursive); pthread_mutex_unlock(&recursive); })
  MEASURE("rwlock rdlock, unlock", { pthread_rwlock_rdlock(&rwlock); pthread_rwlock_unlock(&rwlock); })
  MEASURE("cond_signal", { pthread_cond_signal(&condition); })
  MEASURE("sem_post, sem_wait", { sem_post(&semaphore); sem_wait(&semaphore); })
  MEASURE("pipe write, read", { if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) abort(); })
  MEASURE("socket send, recv", { if (send(pair[1], &byte, 1, 0) != 1 || recv(pair[0], &byte, 1, 0) != 1) abort(); })
  struct pollfd entry = {.fd = pair[0], .events = POLLOUT};
  MEASURE("poll", { if (poll(&entry, 1, 1000) != 1) abort(); })
  return 1;
}
