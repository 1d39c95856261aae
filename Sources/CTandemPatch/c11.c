#define _GNU_SOURCE
#include "patch.h"

#include <pthread.h>
#include <sched.h>
#include <threads.h>
#include <time.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* The threads of C11. In glibc they are pthreads with other results, so these call the functions of pthreads, which are green; libc's
   own would call its pthreads inside, where nothing can be put in their place. */

static pthread_mutex_t *mutex_of(mtx_t *mutex) { return (pthread_mutex_t *)(void *)mutex; }
static pthread_cond_t *condition_of(cnd_t *condition) { return (pthread_cond_t *)(void *)condition; }

static int result_of(int error) {
  switch (error) {
    case 0: return thrd_success;
    case EBUSY: return thrd_busy;
    case ENOMEM: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    default: return thrd_error;
  }
}

#define C11(name, parameters, call)                                                                                            \
  int name parameters PATCHED;                                                                                                 \
  int name parameters { return result_of(call); }

C11(mtx_lock, (mtx_t *mutex), pthread_mutex_lock(mutex_of(mutex)))
C11(mtx_trylock, (mtx_t *mutex), pthread_mutex_trylock(mutex_of(mutex)))
C11(mtx_timedlock, (mtx_t *restrict mutex, const struct timespec *restrict time), pthread_mutex_timedlock(mutex_of(mutex), time))
C11(mtx_unlock, (mtx_t *mutex), pthread_mutex_unlock(mutex_of(mutex)))
C11(cnd_wait, (cnd_t *condition, mtx_t *mutex), pthread_cond_wait(condition_of(condition), mutex_of(mutex)))
C11(cnd_timedwait, (cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict time),
    pthread_cond_timedwait(condition_of(condition), mutex_of(mutex), time))
C11(cnd_signal, (cnd_t *condition), pthread_cond_signal(condition_of(condition)))
C11(cnd_broadcast, (cnd_t *condition), pthread_cond_broadcast(condition_of(condition)))

int thrd_sleep(const struct timespec *duration, struct timespec *rest) PATCHED;
int thrd_sleep(const struct timespec *duration, struct timespec *rest) {
  int error = clock_nanosleep(CLOCK_REALTIME, 0, duration, rest);
  return error == 0 ? 0 : error == EINTR ? -1 : -2;
}

void thrd_yield(void) PATCHED;
void thrd_yield(void) { sched_yield(); }

int thrd_join(thrd_t thread, int *result) PATCHED;
int thrd_join(thrd_t thread, int *result) {
  void *value;
  int error = pthread_join(thread, &value);
  if (error == 0 && result) *result = (int)(intptr_t)value;
  return result_of(error);
}

#endif
