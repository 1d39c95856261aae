#define _GNU_SOURCE
#include "libc_mutex.h"
#include "waiters.h"

#include <threads.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* pthread_once, and C11's call_once, which is the same in glibc. The routine may park: another green thread must not wait for it inside
   libc, where it would hold the hub. */

PATCH(int, pthread_once, (pthread_once_t *once, void (*routine)(void)), (once, routine))

/// A routine that a green thread runs. It lies on that thread's stack.
typedef struct running {
  const pthread_once_t *once;
  struct running *next;
} running;

static running *routines;
static pthread_mutex_t routines_mutex = PTHREAD_MUTEX_INITIALIZER;

static bool is_running(const pthread_once_t *once) {
  for (running *next = routines; next; next = next->next)
    if (next->once == once) return true;
  return false;
}

/* glibc's bits: a thread runs the routine; it has been run. */
enum { in_progress = 1, done = 2 };

/// Whether an OS thread runs the routine, and tells nobody when it has ended. No green thread does.
static bool is_run_elsewhere(const pthread_once_t *once) { return __atomic_load_n(once, __ATOMIC_ACQUIRE) & in_progress; }

static int once_green(tandem_patch_function function, pthread_once_t *once, void (*routine)(void)) {
  if (__atomic_load_n(once, __ATOMIC_ACQUIRE) & done) return 0;
  for (;;) {
    waiter self;
    begin_waiting(&self, once, function, NEVER);
    libc_mutex_lock(&routines_mutex);
    bool must_wait = is_running(once);
    running own = {once, routines};
    if (!must_wait) routines = &own;
    waiters_lock(once);
    enlist(&self, waits_for_call);
    waiters_unlock(once);
    libc_mutex_unlock(&routines_mutex);
    if (must_wait) {
      wait_in_line(&self);
      withdraw(&self, waits_for_call);
      continue;
    }
    withdraw(&self, waits_for_call);
    uint64_t pause = 0, began = tandem_real_nanoseconds(), end = began + LONGEST_BLOCK;
    if (is_run_elsewhere(once) && may_block(once)) {
      while (is_run_elsewhere(once) && tandem_real_nanoseconds() < end) tandem_patch_block_briefly(after(1000000));
      end_block(began, is_run_elsewhere(once));
    }
    while (is_run_elsewhere(once)) tandem_patch_retry_deaf(function, &pause, NEVER);
    int result = real_pthread_once(once, routine);
    libc_mutex_lock(&routines_mutex);
    running **link = &routines;
    while (*link != &own) link = &(*link)->next;
    *link = own.next;
    libc_mutex_unlock(&routines_mutex);
    wake(once, INT32_MAX);
    return result;
  }
}

static int green_pthread_once(pthread_once_t *once, void (*routine)(void)) {
  if (!IS_GREEN(pthread_once, LOCKS)) return real_pthread_once(once, routine);
  return once_green(TANDEM_PATCH_pthread_once, once, routine);
}

PATCH(void, call_once, (once_flag *once, void (*routine)(void)), (once, routine))

static void green_call_once(once_flag *once, void (*routine)(void)) {
  if (!IS_GREEN(call_once, LOCKS)) return real_call_once(once, routine);
  once_green(TANDEM_PATCH_call_once, &once->__data, routine);
}

#endif
