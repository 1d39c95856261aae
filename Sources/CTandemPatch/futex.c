#define _GNU_SOURCE
#include "owners.h"
#include "waiters.h"

#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Raw futexes, futex(2). Swift's Mutex and globals, libdispatch and libstdc++ reach them through syscall(3).

   A green thread waits in the table of waiters, and the kernel does not know of it. Whoever wakes a futex, on any thread, wakes in
   the kernel first and then in the table. */

/* It reads as many arguments as any call has: some callers pass fewer. */
long syscall(long number, ...) PATCHED __attribute__((no_sanitize("address")));
LOOKED_UP(long, syscall, (long number, long a, long b, long c, long d, long e, long f), (number, a, b, c, d, e, f))

static long fail(int error) {
  errno = error;
  return -1;
}

/// Returns the deadline of a call: a time from now, or for the other operations a time on a clock.
static uint64_t deadline_of(int operation, int flags, const struct timespec *time) {
  if (!time) return NEVER;
  if ((uint64_t)time->tv_sec >= NEVER / SECOND / 2) return NEVER;
  uint64_t given = (uint64_t)time->tv_sec * SECOND + (uint64_t)time->tv_nsec;
  if (operation == FUTEX_WAIT) return after(given);
  bool is_real = operation == FUTEX_LOCK_PI || (flags & FUTEX_CLOCK_REALTIME);
  struct timespec now;
  clock_gettime(is_real ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
  uint64_t passed = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
  return given > passed ? after(given - passed) : 0;
}

static long wait_green(uint32_t *word, uint32_t expected, uint64_t deadline) {
  waiter self;
  begin_waiting(&self, word, TANDEM_PATCH_syscall, deadline);
  waiters_lock(word);
  enlist(&self, waits_for_futex);
  /* Under the lock: whoever has changed the word since finds this waiter in the table. */
  bool is_changed = __atomic_load_n(word, __ATOMIC_SEQ_CST) != expected;
  waiters_unlock(word);
  if (is_changed) {
    /* A wake-up that came meanwhile belongs to the next in line. */
    if (withdraw(&self, waits_for_futex)) wake(word, 1);
    return fail(EAGAIN);
  }
  bool is_in_time = wait_in_line(&self);
  return withdraw(&self, waits_for_futex) || is_in_time ? 0 : fail(ETIMEDOUT);
}

/// Tries for a while to lock a futex that another OS thread holds. Returns whether it is locked.
static bool try_pi_for_a_while(uint32_t *word, uint32_t me, uint64_t deadline) {
  for (int spin = 0; spin < SPINS; spin++) {
    uint32_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
    bool is_free = (value & FUTEX_TID_MASK) == 0;
    /* FUTEX_WAITERS stays, as below. */
    if (is_free && __atomic_compare_exchange_n(word, &value, value | me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return true;
    if ((value & FUTEX_TID_MASK) == me) return false;
    pause_processor();
  }
  if (!may_block(word)) return false;
  uint64_t began = tandem_real_nanoseconds(), longest = deadline > began ? deadline - began : 0;
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_nsec += (long)(longest < LONGEST_BLOCK ? longest : LONGEST_BLOCK);
  if ((uint64_t)end.tv_nsec >= SECOND) end.tv_sec++, end.tv_nsec -= (long)SECOND;
  long result = tandem_kernel_call(SYS_futex, (long)word, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, (long)&end, 0, 0);
  end_block(began, result == -ETIMEDOUT);
  return result == 0;
}

/// Locks a priority-inheriting futex for this OS thread. Two green threads of one hub are one thread for the kernel, which would
/// call the second one's wait a deadlock.
static long lock_pi_green(uint32_t *word, uint64_t deadline) {
  uint32_t me = (uint32_t)tandem_thread_id();
  bool is_over = false;
  if (try_pi_for_a_while(word, me, deadline)) return 0;
  for (;;) {
    waiter self;
    begin_waiting(&self, word, TANDEM_PATCH_syscall, deadline);
    waiters_lock(word);
    enlist(&self, waits_for_futex);
    bool is_mine = false;
    uint32_t value = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    for (;;) {
      /* FUTEX_WAITERS makes the owner unlock through the kernel, and so through `syscall`. It stays while anyone is in line. */
      bool is_free = (value & FUTEX_TID_MASK) == 0;
      uint32_t flag = !is_free || has_others(word, &self) ? FUTEX_WAITERS : value & FUTEX_WAITERS;
      uint32_t wanted = is_free ? me | flag : value | FUTEX_WAITERS;
      if (wanted == value) break;
      if (__atomic_compare_exchange_n(word, &value, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        is_mine = is_free;
        break;
      }
    }
    waiters_unlock(word);
    if (is_mine || is_over) {
      bool is_woken = withdraw(&self, waits_for_futex);
      if (is_mine) return 0;
      if (is_woken) wake(word, 1);
      return fail(ETIMEDOUT);
    }
    bool is_in_time = wait_in_line(&self);
    is_over = !withdraw(&self, waits_for_futex) && !is_in_time;
  }
}

static long futex(uint32_t *word, int operation, long value, long d, long e, long f) {
  int command = operation & FUTEX_CMD_MASK;
  switch (command) {
    case FUTEX_WAKE: case FUTEX_WAKE_BITSET: {
      /* The word was changed before this call. */
      long woken = real_syscall(SYS_futex, (long)word, operation, value, d, e, f);
      if (woken < 0 || woken >= value || !has_waiters(waits_for_futex)) return woken;
      /* The table has no bits, so with a selection all waiters look again. */
      bool selects = command == FUTEX_WAKE_BITSET && (uint32_t)f != FUTEX_BITSET_MATCH_ANY;
      return woken + wake(word, selects ? INT32_MAX : (int)(value - woken));
    }
    case FUTEX_WAKE_OP: {
      long woken = real_syscall(SYS_futex, (long)word, operation, value, d, e, f);
      if (woken < 0 || !has_waiters(waits_for_futex)) return woken;
      /* Whether the second word's waiters were to be woken is known to the kernel only: they look again. */
      return woken + wake(word, (int)value) + wake((uint32_t *)e, (int)d);
    }
    case FUTEX_UNLOCK_PI: {
      long result = real_syscall(SYS_futex, (long)word, operation, value, d, e, f);
      if (result == 0 && has_waiters(waits_for_futex)) wake(word, 1);
      return result;
    }
    case FUTEX_REQUEUE: case FUTEX_CMP_REQUEUE: {
      long moved = real_syscall(SYS_futex, (long)word, operation, value, d, e, f);
      /* Waiters in the table are not moved but woken, which a caller of FUTEX_WAIT has to expect. */
      if (moved >= 0 && has_waiters(waits_for_futex)) wake(word, INT32_MAX);
      return moved;
    }
    case FUTEX_WAIT: case FUTEX_WAIT_BITSET:
      if (is_invalid_interval((const struct timespec *)d) || !IS_CALLED_GREEN(syscall, LOCKS)) break;
      /* Another process may wake it, unseen. */
      if (!(operation & FUTEX_PRIVATE_FLAG)) return HOLDING(real_syscall(SYS_futex, (long)word, operation, value, d, e, f));
      return wait_green(word, (uint32_t)value, deadline_of(command, operation, (const struct timespec *)d));
    case FUTEX_LOCK_PI: case FUTEX_LOCK_PI2:
      /* The kernel would call this a deadlock, too, and say nothing of the holder. */
      if (is_on_hubs_stack() && (__atomic_load_n(word, __ATOMIC_RELAXED) & FUTEX_TID_MASK) == (uint32_t)tandem_thread_id())
        tandem_patch_deadlock(word, NULL);
      if (!IS_CALLED_GREEN(syscall, LOCKS) || !(operation & FUTEX_PRIVATE_FLAG)) break;
      return lock_pi_green(word, deadline_of(command, operation, (const struct timespec *)d));
    case FUTEX_TRYLOCK_PI:
      /* For the kernel this is a deadlock; for the green threads it is a lock that is taken. */
      if (tandem_this_thread.current && (__atomic_load_n(word, __ATOMIC_RELAXED) & FUTEX_TID_MASK) == (uint32_t)tandem_thread_id())
        return fail(EAGAIN);
      break;
    default: break;
  }
  return real_syscall(SYS_futex, (long)word, operation, value, d, e, f);
}

long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  if (number == SYS_futex) return futex((uint32_t *)a, (int)b, c & 0xFFFFFFFF, d, e, f);
  return real_syscall(number, a, b, c, d, e, f);
}

#endif
