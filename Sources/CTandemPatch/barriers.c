#define _GNU_SOURCE
#include "waiters.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Barriers. libc has no try for them, so a green thread arrives by glibc's own protocol on the words of the barrier, and waits in the
   table where libc would wait in the kernel. OS threads call libc, and wake the green threads when they leave. */

REAL(int, pthread_barrier_wait, (pthread_barrier_t *barrier), (barrier))
REAL(int, pthread_barrier_destroy, (pthread_barrier_t *barrier), (barrier))

/// glibc's struct pthread_barrier, since 2.25.
typedef struct glibc_barrier {
  /// Arrivals; arrivals of the rounds that are complete; threads per round.
  uint32_t in, current_round, count;
  int is_shared;
  /// Departures.
  uint32_t out;
} glibc_barrier;

static void wake_kernel(uint32_t *word, int is_shared) {
  syscall(SYS_futex, word, is_shared ? FUTEX_WAKE : FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT32_MAX, NULL, NULL, 0);
}

/// Waits until the round that has this arrival is complete.
static void wait_for_round(tandem_patch_function function, glibc_barrier *barrier, uint32_t arrival) {
  while (__atomic_load_n(&barrier->current_round, __ATOMIC_ACQUIRE) < arrival) {
    waiter self;
    begin_waiting(&self, &barrier->current_round, function, NEVER);
    waiters_lock(&barrier->current_round);
    enlist(&self, waits_for_barrier);
    bool must_wait = __atomic_load_n(&barrier->current_round, __ATOMIC_SEQ_CST) < arrival;
    waiters_unlock(&barrier->current_round);
    if (must_wait) wait_in_line(&self);
    withdraw(&self, waits_for_barrier);
  }
}

static void wake_green(glibc_barrier *barrier) {
  if (has_waiters(waits_for_barrier)) wake(&barrier->current_round, INT32_MAX);
}

static int wait_green(tandem_patch_function function, glibc_barrier *barrier) {
  uint32_t count = barrier->count;
  /* Before the counters overflow, the last one to leave sets them to 0. */
  uint32_t most = UINT32_MAX / 2 - UINT32_MAX / 2 % count;
  uint32_t arrival = __atomic_add_fetch(&barrier->in, 1, __ATOMIC_ACQ_REL);
  for (uint64_t pause = 0; arrival > most;) {
    tandem_patch_retry_deaf(function, &pause, NEVER);
    if (__atomic_load_n(&barrier->in, __ATOMIC_ACQUIRE) <= most) arrival = __atomic_add_fetch(&barrier->in, 1, __ATOMIC_ACQ_REL);
  }
  uint32_t complete = arrival - arrival % count, current = __atomic_load_n(&barrier->current_round, __ATOMIC_RELAXED);
  while (current + count <= arrival)
    if (__atomic_compare_exchange_n(&barrier->current_round, &current, complete, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
      wake_kernel(&barrier->current_round, barrier->is_shared);
      wake_green(barrier);
      break;
    }
  wait_for_round(function, barrier, arrival);
  int is_shared = barrier->is_shared;
  if (__atomic_add_fetch(&barrier->out, 1, __ATOMIC_ACQ_REL) == most) {
    __atomic_store_n(&barrier->current_round, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&barrier->out, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&barrier->in, 0, __ATOMIC_RELEASE);
    wake_kernel(&barrier->in, is_shared);
  }
  return arrival % count == 0 ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

int pthread_barrier_wait(pthread_barrier_t *given) {
  glibc_barrier *barrier = (glibc_barrier *)(void *)given;
  /* Those of another process do not wake the green threads here. */
  if (IS_CALLED_GREEN(pthread_barrier_wait, LOCKS))
    return barrier->is_shared ? HOLDING(real_pthread_barrier_wait(given)) : wait_green(TANDEM_PATCH_pthread_barrier_wait, barrier);
  int result = real_pthread_barrier_wait(given);
  wake_green(barrier);
  return result;
}

/* libc waits for threads that have not left yet. Those of this hub can only leave while this green thread is parked. */
int pthread_barrier_destroy(pthread_barrier_t *given) {
  glibc_barrier *barrier = (glibc_barrier *)(void *)given;
  uint64_t pause = 0;
  if (IS_CALLED_GREEN(pthread_barrier_destroy, LOCKS))
    while (__atomic_load_n(&barrier->out, __ATOMIC_ACQUIRE) != __atomic_load_n(&barrier->current_round, __ATOMIC_ACQUIRE))
      tandem_patch_retry_deaf(TANDEM_PATCH_pthread_barrier_destroy, &pause, NEVER);
  return real_pthread_barrier_destroy(given);
}

#endif
