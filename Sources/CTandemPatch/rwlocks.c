#define _GNU_SOURCE
#include "owners.h"
#include "waiters.h"

#include <pthread.h>
#include <time.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Reader-writer locks: as mutexes in locks.c. An unlock wakes all green threads in line, which try again: several may read.

   Whoever holds a lock on a green stack is noted, so that a green thread that locks for writing twice gets EDEADLK as from libc, and
   so that async code does not wait for a green thread of its own hub. */

REAL(int, pthread_rwlock_rdlock, (pthread_rwlock_t *lock), (lock))
REAL(int, pthread_rwlock_wrlock, (pthread_rwlock_t *lock), (lock))
PATCH(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t *lock), (lock))
PATCH(int, pthread_rwlock_trywrlock, (pthread_rwlock_t *lock), (lock))
REAL(int, pthread_rwlock_timedrdlock, (pthread_rwlock_t *lock, const struct timespec *time), (lock, time))
REAL(int, pthread_rwlock_timedwrlock, (pthread_rwlock_t *lock, const struct timespec *time), (lock, time))
REAL(int, pthread_rwlock_clockrdlock, (pthread_rwlock_t *lock, clockid_t clock, const struct timespec *time), (lock, clock, time))
REAL(int, pthread_rwlock_clockwrlock, (pthread_rwlock_t *lock, clockid_t clock, const struct timespec *time), (lock, clock, time))
REAL(int, pthread_rwlock_unlock, (pthread_rwlock_t *lock), (lock))

typedef int lock_function(pthread_rwlock_t *lock);

/* Another process may unlock it, and tells nobody here. */
static bool is_shared(const pthread_rwlock_t *lock) { return lock->__data.__shared; }

static bool is_writer(const pthread_rwlock_t *lock) { return lock->__data.__cur_writer == tandem_thread_id(); }

static int try_lock(lock_function *try, pthread_rwlock_t *lock) {
  if (any_is_held() && is_writer(lock) && own_holding_of(lock)) return EDEADLK;
  int result = try(lock);
  if (result != 0 || hold(lock)) return result;
  real_pthread_rwlock_unlock(lock);
  return EAGAIN;
}

/// Waits for a lock that another OS thread holds as libc does, for a while.
static __attribute__((noinline)) int block_for_a_while(lock_function *try, pthread_rwlock_t *lock, uint64_t deadline) {
  if (holding_of(lock) || !may_block(lock)) return EBUSY;
  uint64_t began = tandem_real_nanoseconds();
  struct timespec end = end_of_block(deadline);
  int result = try == real_pthread_rwlock_tryrdlock ? real_pthread_rwlock_clockrdlock(lock, CLOCK_MONOTONIC, &end)
                                                    : real_pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &end);
  end_block(began, result == ETIMEDOUT);
  if (result == ETIMEDOUT) return EBUSY;
  if (result != 0 || hold(lock)) return result;
  real_pthread_rwlock_unlock(lock);
  return EAGAIN;
}

static int lock_green(tandem_patch_function function, lock_function *try, pthread_rwlock_t *lock, uint64_t deadline) {
  int result = try_lock(try, lock);
  if (is_shared(lock)) {
    uint64_t pause = 0;
    while (result == EBUSY) {
      if (!tandem_patch_retry_deaf(function, &pause, deadline)) return ETIMEDOUT;
      result = try_lock(try, lock);
    }
    return result;
  }
  if (result == EBUSY) result = block_for_a_while(try, lock, deadline);
  bool is_over = false;
  while (result == EBUSY && !is_over) {
    waiter self;
    begin_waiting(&self, lock, function, deadline);
    waiters_lock(lock);
    enlist(&self, waits_for_rwlock);
    waiters_unlock(lock);
    result = try_lock(try, lock);
    if (result == EBUSY) is_over = !wait_in_line(&self);
    /* An unlock wakes all in line, so a wake-up that is not used is nobody else's. */
    withdraw(&self, waits_for_rwlock);
    if (result == EBUSY) result = try_lock(try, lock);
  }
  return result == EBUSY ? ETIMEDOUT : result;
}

/* As for mutexes: the green thread that holds the lock cannot run before the async code has returned. */
static int lock_on_hubs_stack(lock_function *try, lock_function *libc, pthread_rwlock_t *lock) {
  int result = try(lock);
  if (result != EBUSY) return result;
  const holding *held = holding_of(lock);
  if (held) tandem_patch_deadlock(lock, held->fiber);
  return libc(lock);
}

static int rdlock_on_hub(pthread_rwlock_t *lock) {
  if (is_on_hubs_stack()) return lock_on_hubs_stack(real_pthread_rwlock_tryrdlock, real_pthread_rwlock_rdlock, lock);
  if (!IS_CALLED_GREEN(pthread_rwlock_rdlock, LOCKS)) return real_pthread_rwlock_rdlock(lock);
  return lock_green(TANDEM_PATCH_pthread_rwlock_rdlock, real_pthread_rwlock_tryrdlock, lock, NEVER);
}

static int wrlock_on_hub(pthread_rwlock_t *lock) {
  if (is_on_hubs_stack()) return lock_on_hubs_stack(real_pthread_rwlock_trywrlock, real_pthread_rwlock_wrlock, lock);
  if (!IS_CALLED_GREEN(pthread_rwlock_wrlock, LOCKS)) return real_pthread_rwlock_wrlock(lock);
  return lock_green(TANDEM_PATCH_pthread_rwlock_wrlock, real_pthread_rwlock_trywrlock, lock, NEVER);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock) { ON_HUBS(rdlock_on_hub(lock), real_pthread_rwlock_rdlock(lock)) }
int pthread_rwlock_wrlock(pthread_rwlock_t *lock) { ON_HUBS(wrlock_on_hub(lock), real_pthread_rwlock_wrlock(lock)) }

static int green_pthread_rwlock_tryrdlock(pthread_rwlock_t *lock) {
  if (!IS_GREEN(pthread_rwlock_tryrdlock, LOCKS)) return real_pthread_rwlock_tryrdlock(lock);
  int result = try_lock(real_pthread_rwlock_tryrdlock, lock);
  return result == EDEADLK ? EBUSY : result;
}

static int green_pthread_rwlock_trywrlock(pthread_rwlock_t *lock) {
  if (!IS_GREEN(pthread_rwlock_trywrlock, LOCKS)) return real_pthread_rwlock_trywrlock(lock);
  int result = try_lock(real_pthread_rwlock_trywrlock, lock);
  return result == EDEADLK ? EBUSY : result;
}

#define TIMED(name, try)                                                                                                       \
  int pthread_rwlock_timed##name(pthread_rwlock_t *lock, const struct timespec *time) {                                        \
    if (!IS_CALLED_GREEN(pthread_rwlock_timed##name, LOCKS) || is_invalid_time(time))                                          \
      return real_pthread_rwlock_timed##name(lock, time);                                                                      \
    return lock_green(TANDEM_PATCH_pthread_rwlock_timed##name, try, lock, deadline_at(CLOCK_REALTIME, time));                  \
  }                                                                                                                            \
  int pthread_rwlock_clock##name(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *time) {                       \
    if (!IS_CALLED_GREEN(pthread_rwlock_clock##name, LOCKS) || is_invalid_time(time))                                          \
      return real_pthread_rwlock_clock##name(lock, clock, time);                                                               \
    return lock_green(TANDEM_PATCH_pthread_rwlock_clock##name, try, lock, deadline_at(clock, time));                           \
  }
TIMED(rdlock, real_pthread_rwlock_tryrdlock)
TIMED(wrlock, real_pthread_rwlock_trywrlock)

int pthread_rwlock_unlock(pthread_rwlock_t *lock) {
  if (any_is_held()) release(lock);
  int result = real_pthread_rwlock_unlock(lock);
  if (result == 0 && has_waiters(waits_for_rwlock)) wake(lock, INT32_MAX);
  return result;
}

#endif
