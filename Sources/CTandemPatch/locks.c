#define _GNU_SOURCE
#include "libc_mutex.h"
#include "owners.h"
#include "waiters.h"

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Mutexes, conditions and semaphores.

   The object itself stays libc's: a green thread takes it by the try of libc, so that OS threads and green threads exclude each
   other. A green thread that finds it taken gets in line in the table of waiters, tries once more, and parks. Whoever gives the
   object back, on any thread, wakes the first in line, which tries again.

   For libc all green threads of a hub are one thread. A recursive or error-checking mutex would let the second one in, so owners.c
   knows which fiber holds each that was locked on a green stack. */

int pthread_mutex_lock(pthread_mutex_t *mutex) PATCHED;
int pthread_mutex_trylock(pthread_mutex_t *mutex) PATCHED;
int pthread_mutex_unlock(pthread_mutex_t *mutex) PATCHED;

PATCH(int, pthread_mutex_timedlock, (pthread_mutex_t *mutex, const struct timespec *time), (mutex, time))
PATCH(int, pthread_mutex_clocklock, (pthread_mutex_t *mutex, clockid_t clock, const struct timespec *time), (mutex, clock, time))
REAL(int, pthread_cond_signal, (pthread_cond_t *condition), (condition))
REAL(int, pthread_cond_broadcast, (pthread_cond_t *condition), (condition))
PATCH(int, sem_wait, (sem_t *semaphore), (semaphore))
PATCH(int, sem_timedwait, (sem_t *semaphore, const struct timespec *time), (semaphore, time))
PATCH(int, sem_clockwait, (sem_t *semaphore, clockid_t clock, const struct timespec *time), (semaphore, clock, time))
REAL(int, sem_post, (sem_t *semaphore), (semaphore))

/* MARK: Mutexes */

/* glibc's kinds: bits 0 and 1 are the type, and robust, priority and process-shared mutexes have a bit of their own. */
enum { KIND_TYPE = 3, KIND_SPECIAL = 16 | 32 | 64 | 128 };

static bool knows_owner(const pthread_mutex_t *mutex) {
  int type = mutex->__data.__kind & KIND_TYPE;
  return type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK;
}

/// Notes that the running green thread has locked a mutex whose owner is known, if `result` says so. `held` is what it held before.
/// Returns the result.
static inline int note_owner(pthread_mutex_t *mutex, holding *held, int result) {
  /* EOWNERDEAD: a robust mutex is locked, and its owner has ended. */
  if (__builtin_expect(result != 0, 0) && result != EOWNERDEAD) return result;
  if (held) held->depth++;
  else if (!begin_holding(mutex)) {
    libc_mutex_unlock(mutex);
    return EAGAIN;
  }
  return result;
}

/// The same for all other mutexes.
static inline int note_lock(int result) {
  if (result == 0) tandem_this_thread.current->locks++;
  return result;
}

/// Tries to lock a mutex for the running fiber. Returns as pthread_mutex_trylock, and EDEADLK as pthread_mutex_lock does.
static int try_lock(pthread_mutex_t *mutex) {
  if (!knows_owner(mutex)) return note_lock(libc_mutex_trylock(mutex));
  holding *held = holding_of(mutex);
  if (held && held->fiber != tandem_this_thread.current) return EBUSY;
  if (held && (mutex->__data.__kind & KIND_TYPE) == PTHREAD_MUTEX_ERRORCHECK) return EDEADLK;
  return note_owner(mutex, held, libc_mutex_trylock(mutex));
}

/// Unlocks a mutex of which nothing is noted, and wakes the first green thread in line.
static inline int unlock_and_wake(pthread_mutex_t *mutex) {
  int result = libc_mutex_unlock(mutex);
  if (result == 0 && has_waiters(waits_for_mutex)) wake(mutex, 1);
  return result;
}

/// The same on a thread of a hub.
static __attribute__((noinline)) int unlock_on_hub(pthread_mutex_t *mutex) {
  if (knows_owner(mutex)) {
    holding **link = link_to(mutex);
    if (*link) {
      if ((*link)->fiber != tandem_this_thread.current) return EPERM;
      release_at(link);
      return unlock_and_wake(mutex);
    }
  }
  tandem_fiber *fiber = tandem_this_thread.current;
  if (__builtin_expect(fiber != NULL, 0) && fiber->locks) fiber->locks--;
  return unlock_and_wake(mutex);
}

/// Tries for a while to lock a mutex that another OS thread holds.
static __attribute__((noinline)) int try_for_a_while(pthread_mutex_t *mutex, uint64_t deadline) {
  int result = EBUSY;
  for (int spin = 0; spin < SPINS && result == EBUSY; spin++) {
    if (mutex->__data.__owner == tandem_thread_id()) return EBUSY;
    pause_processor();
    if (__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) == 0) result = try_lock(mutex);
  }
  if (result != EBUSY || !may_block(mutex)) return result;
  uint64_t began = tandem_real_nanoseconds();
  struct timespec end = end_of_block(deadline);
  result = real_pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &end);
  end_block(began, result == ETIMEDOUT);
  if (result == ETIMEDOUT) return EBUSY;
  return knows_owner(mutex) ? note_owner(mutex, NULL, result) : note_lock(result);
}

static __attribute__((noinline)) int wait_for_lock(tandem_patch_function function, pthread_mutex_t *mutex, uint64_t deadline) {
  int result = try_for_a_while(mutex, deadline);
  while (result == EBUSY) {
    waiter self;
    bool is_short = may_be_unlocked_unseen(mutex);
    uint64_t next = is_short ? after(UNSEEN_PAUSE) : NEVER, limit = next < deadline ? next : deadline;
    begin_waiting(&self, mutex, function, limit);
    waiters_lock(mutex);
    enlist(&self, waits_for_mutex);
    self.is_woken = !is_short && may_be_unlocked_unseen(mutex);
    bool must_wait = !self.is_woken;
    waiters_unlock(mutex);
    /* Once more: it may have been unlocked before this one was in line. */
    result = try_lock(mutex);
    if (result == EBUSY) {
      bool is_in_time = !must_wait || wait_in_line(&self);
      bool is_woken = withdraw(&self, waits_for_mutex);
      result = try_lock(mutex);
      if (result == EBUSY && !is_in_time && !is_woken && limit == deadline) return ETIMEDOUT;
    } else {
      /* A wake-up that came meanwhile belongs to the next in line. */
      if (withdraw(&self, waits_for_mutex) && result != 0) wake(mutex, 1);
    }
  }
  return result;
}

static bool is_special(const pthread_mutex_t *mutex) { return mutex->__data.__kind & KIND_SPECIAL; }

/// For a mutex that another process may hold, or whose state libc keeps in other ways: nobody tells of its unlocking.
static __attribute__((noinline)) int wait_for_special(tandem_patch_function function, pthread_mutex_t *mutex, uint64_t deadline) {
  int result;
  uint64_t pause = 0;
  do
    if (!tandem_patch_retry_deaf(function, &pause, deadline)) return ETIMEDOUT;
  while ((result = try_lock(mutex)) == EBUSY);
  return result;
}

static inline int lock_green(tandem_patch_function function, pthread_mutex_t *mutex, uint64_t deadline) {
  int result = try_lock(mutex);
  if (__builtin_expect(result != EBUSY, 1)) return result;
  return is_special(mutex) ? wait_for_special(function, mutex, deadline) : wait_for_lock(function, mutex, deadline);
}

/* Async code that waits for a lock holds the hub until it has it. If a parked green thread of this hub has the lock, that is for good;
   and libc would let the async code into a recursive mutex, because to libc both are one thread. */
static __attribute__((noinline)) int lock_on_hubs_stack(pthread_mutex_t *mutex) {
  if (is_enabled(TANDEM_PATCH_LOCKS)) {
    /* Only this thread can make itself the owner, so what it reads here stays true. */
    const holding *held = knows_owner(mutex) ? holding_of(mutex) : NULL;
    if (held) tandem_patch_deadlock(mutex, held->fiber);
    if (!knows_owner(mutex) && !is_special(mutex) && mutex->__data.__owner == tandem_thread_id())
      tandem_patch_deadlock(mutex, NULL);
  }
  return libc_mutex_lock(mutex);
}

static int green_pthread_mutex_lock(pthread_mutex_t *mutex) {
  if (!IS_GREEN(pthread_mutex_lock, LOCKS)) return libc_mutex_lock(mutex);
  return lock_green(TANDEM_PATCH_pthread_mutex_lock, mutex, NEVER);
}

static int try_lock_on_hub(pthread_mutex_t *mutex) {
  if (!IS_CALLED_GREEN(pthread_mutex_trylock, LOCKS)) return libc_mutex_trylock(mutex);
  int result = try_lock(mutex);
  return result == EDEADLK ? EBUSY : result;
}

/* Each path of this function is a few instructions and a jump: the Swift runtime locks several times per task. */
int pthread_mutex_lock(pthread_mutex_t *mutex) {
  if (__builtin_expect(tandem_this_thread.hub != NULL, 0)) {
    if (tandem_this_thread.current) __attribute__((musttail)) return green_pthread_mutex_lock(mutex);
    if (__builtin_expect(mutex->__data.__owner || tandem_patch_holdings.first, 0))
      __attribute__((musttail)) return lock_on_hubs_stack(mutex);
  }
  __attribute__((musttail)) return libc_mutex_lock(mutex);
}

int pthread_mutex_trylock(pthread_mutex_t *mutex) { ON_HUBS(try_lock_on_hub(mutex), libc_mutex_trylock(mutex)) }

static int green_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *time) {
  if (!IS_GREEN(pthread_mutex_timedlock, LOCKS) || is_invalid_time(time))
    return real_pthread_mutex_timedlock(mutex, time);
  return lock_green(TANDEM_PATCH_pthread_mutex_timedlock, mutex, deadline_at(CLOCK_REALTIME, time));
}

static int green_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *time) {
  if (!IS_GREEN(pthread_mutex_clocklock, LOCKS) || is_invalid_time(time))
    return real_pthread_mutex_clocklock(mutex, clock, time);
  return lock_green(TANDEM_PATCH_pthread_mutex_clocklock, mutex, deadline_at(clock, time));
}

/* On every thread: whoever unlocks wakes green threads. */
int pthread_mutex_unlock(pthread_mutex_t *mutex) {
  if (__builtin_expect(((uintptr_t)tandem_this_thread.current | (uintptr_t)tandem_patch_holdings.first) != 0, 0))
    __attribute__((musttail)) return unlock_on_hub(mutex);
  return unlock_and_wake(mutex);
}

/* MARK: Conditions */

/* libc unlocks the mutex inside, and tells no green thread. An OS thread that is cancelled there counts for good, which only makes green
   threads try more often. */
#define CONDITION_WAIT(name, parameters, arguments)                                                                            \
  REAL(int, name, parameters, arguments)                                                                                       \
  static int libc_##name parameters {                                                                                          \
    bool is_noted = is_enabled(TANDEM_PATCH_LOCKS);                                                                            \
    if (is_noted) begin_unseen_unlock(mutex);                                                                                  \
    int result = real_##name arguments;                                                                                        \
    if (is_noted) end_unseen_unlock(mutex);                                                                                    \
    return result;                                                                                                             \
  }                                                                                                                            \
  static int green_##name parameters;                                                                                          \
  int name parameters {                                                                                                        \
    if (__builtin_expect(tandem_this_thread.current != NULL, 0)) __attribute__((musttail)) return green_##name arguments;      \
    __attribute__((musttail)) return libc_##name arguments;                                                                    \
  }

CONDITION_WAIT(pthread_cond_wait, (pthread_cond_t *condition, pthread_mutex_t *mutex), (condition, mutex))
CONDITION_WAIT(pthread_cond_timedwait, (pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *time),
               (condition, mutex, time))
CONDITION_WAIT(pthread_cond_clockwait,
               (pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *time),
               (condition, mutex, clock, time))

static int wait_green(
    tandem_patch_function function, pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline) {
  waiter self;
  begin_waiting(&self, condition, function, deadline);
  waiters_lock(condition);
  enlist(&self, waits_for_condition);
  waiters_unlock(condition);
  int result = unlock_on_hub(mutex);
  if (result != 0) {
    withdraw(&self, waits_for_condition);
    return result;
  }
  bool is_in_time = wait_in_line(&self);
  bool is_woken = withdraw(&self, waits_for_condition);
  result = lock_green(function, mutex, NEVER);
  return result != 0 ? result : is_in_time || is_woken ? 0 : ETIMEDOUT;
}

/* glibc's condition: bit 0 of __wrefs is process-shared, bit 1 is CLOCK_MONOTONIC. */
static bool is_shared(const pthread_cond_t *condition) { return condition->__data.__wrefs & 1; }
static clockid_t clock_of(const pthread_cond_t *condition) {
  return condition->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static int green_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
  if (!IS_GREEN(pthread_cond_wait, LOCKS)) return libc_pthread_cond_wait(condition, mutex);
  /* Another process would signal it, unseen. */
  if (is_shared(condition)) return HOLDING(libc_pthread_cond_wait(condition, mutex));
  return wait_green(TANDEM_PATCH_pthread_cond_wait, condition, mutex, NEVER);
}

static int green_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *time) {
  if (!IS_GREEN(pthread_cond_timedwait, LOCKS) || is_invalid_time(time)) return libc_pthread_cond_timedwait(condition, mutex, time);
  if (is_shared(condition)) return HOLDING(libc_pthread_cond_timedwait(condition, mutex, time));
  return wait_green(TANDEM_PATCH_pthread_cond_timedwait, condition, mutex, deadline_at(clock_of(condition), time));
}

static int green_pthread_cond_clockwait(
    pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *time) {
  if (!IS_GREEN(pthread_cond_clockwait, LOCKS) || is_invalid_time(time)) return libc_pthread_cond_clockwait(condition, mutex, clock, time);
  if (is_shared(condition)) return HOLDING(libc_pthread_cond_clockwait(condition, mutex, clock, time));
  return wait_green(TANDEM_PATCH_pthread_cond_clockwait, condition, mutex, deadline_at(clock, time));
}

/* Both a green thread and an OS thread may wait: a signal wakes one of each, which pthread_cond_signal(3) allows. */
int pthread_cond_signal(pthread_cond_t *condition) {
  if (has_waiters(waits_for_condition)) wake(condition, 1);
  return real_pthread_cond_signal(condition);
}

int pthread_cond_broadcast(pthread_cond_t *condition) {
  if (has_waiters(waits_for_condition)) wake(condition, INT32_MAX);
  return real_pthread_cond_broadcast(condition);
}

/* MARK: Semaphores */

/* glibc's semaphore: after the value comes whether it is private to the process. */
static bool is_private(const sem_t *semaphore) { return ((const int *)(const void *)semaphore)[2] == 0; }

/// For a semaphore that another process may post to: nobody tells of it.
static int take_shared(tandem_patch_function function, sem_t *semaphore, uint64_t deadline) {
  uint64_t pause = 0;
  int saved = errno;
  while (sem_trywait(semaphore) != 0) {
    if (errno != EAGAIN) return -1;
    if (!tandem_patch_retry_deaf(function, &pause, deadline)) {
      errno = ETIMEDOUT;
      return -1;
    }
  }
  errno = saved;
  return 0;
}

static int take_green(tandem_patch_function function, sem_t *semaphore, uint64_t deadline) {
  if (!is_private(semaphore)) return take_shared(function, semaphore, deadline);
  int saved = errno;
  bool is_over = false;
  for (;;) {
    if (sem_trywait(semaphore) == 0) {
      errno = saved;
      return 0;
    }
    if (errno != EAGAIN) return -1;
    if (is_over) {
      errno = ETIMEDOUT;
      return -1;
    }
    waiter self;
    begin_waiting(&self, semaphore, function, deadline);
    waiters_lock(semaphore);
    enlist(&self, waits_for_semaphore);
    waiters_unlock(semaphore);
    if (sem_trywait(semaphore) == 0) {
      if (withdraw(&self, waits_for_semaphore)) wake(semaphore, 1);
      errno = saved;
      return 0;
    }
    bool is_in_time = wait_in_line(&self);
    is_over = !withdraw(&self, waits_for_semaphore) && !is_in_time;
  }
}

static int green_sem_wait(sem_t *semaphore) {
  if (!IS_GREEN(sem_wait, LOCKS)) return real_sem_wait(semaphore);
  return take_green(TANDEM_PATCH_sem_wait, semaphore, NEVER);
}

static int green_sem_timedwait(sem_t *semaphore, const struct timespec *time) {
  if (!IS_GREEN(sem_timedwait, LOCKS) || is_invalid_time(time)) return real_sem_timedwait(semaphore, time);
  return take_green(TANDEM_PATCH_sem_timedwait, semaphore, deadline_at(CLOCK_REALTIME, time));
}

static int green_sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *time) {
  if (!IS_GREEN(sem_clockwait, LOCKS) || is_invalid_time(time)) return real_sem_clockwait(semaphore, clock, time);
  return take_green(TANDEM_PATCH_sem_clockwait, semaphore, deadline_at(clock, time));
}

int sem_post(sem_t *semaphore) {
  int result = real_sem_post(semaphore);
  if (result == 0 && has_waiters(waits_for_semaphore)) wake(semaphore, 1);
  return result;
}

#endif
