/// The green threads that wait for an address: of a lock, a condition, a semaphore or a futex.
#ifndef TANDEM_PATCH_WAITERS_H
#define TANDEM_PATCH_WAITERS_H

#include "patch.h"

/// What the waiters wait for. The count of each kind lets the waking side pass by while nobody waits.
typedef enum waiter_kind {
  waits_for_mutex,
  waits_for_condition,
  waits_for_semaphore,
  waits_for_rwlock,
  waits_for_barrier,
  waits_for_futex,
  waits_for_file,
  waits_for_call,
  waiter_kinds
} waiter_kind;

/// A green thread that waits. It lies on its own stack. The order is `begin_waiting`, `enlist`, `wait_in_line` if the try after
/// `enlist` has failed too, `withdraw`.
typedef struct waiter {
  const void *key;
  waiter_kind kind;
  /// Null if the green stack runs a task that cannot park.
  tandem_wait *wait;
  uint64_t deadline;
  struct waiter *next, *previous;
  /// Whether somebody has woken it.
  bool is_woken;
} waiter;

extern uint64_t tandem_patch_waiting[waiter_kinds] __attribute__((visibility("hidden")));

/// Whether any green thread waits for something of this kind. Call it after the change that a waiter would look for.
static inline bool has_waiters(waiter_kind kind) {
#if !defined(__x86_64__)
  /* On x86 the unlocking instruction itself is a fence. */
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
  return __builtin_expect(__atomic_load_n(&tandem_patch_waiting[kind], __ATOMIC_RELAXED) != 0, 0);
}

/// Locks the table's part with this key. Never held during a call of anything but these functions and a real futex call. A signal
/// handler that interrupts the holder may post to a semaphore.
void waiters_lock(const void *key) PRIVATE(waiters_lock);
void waiters_unlock(const void *key) PRIVATE(waiters_unlock);

/// Empties the table in a child process, which has one thread: another one may have locked a part when it was created.
void reset_waiters(void) PRIVATE(reset_waiters);

/// Enters the table, at the end of the line for its key. The part must be locked. What follows sees the changes of everybody whose
/// `has_waiters` did not see this waiter.
void enlist(waiter *waiter, waiter_kind kind) PRIVATE(enlist);
/// Leaves the table, and ends the wait. Returns whether somebody has woken the waiter. The part must not be locked.
bool withdraw(waiter *waiter, waiter_kind kind) PRIVATE(withdraw);
/// Wakes at most `count` waiters of a key, first in line first. Returns how many. The part must be locked.
int wake_waiters(const void *key, int count) PRIVATE(wake_waiters);
/// As `wake_waiters`, with the part locked for the call.
int wake(const void *key, int count) PRIVATE(wake);
/// For an OS thread around a call of libc that unlocks the mutex inside, where nobody sees it: meanwhile green threads that wait for
/// the mutex try again from time to time.
void begin_unseen_unlock(const void *key) PRIVATE(begin_unseen_unlock);
void end_unseen_unlock(const void *key) PRIVATE(end_unseen_unlock);
/// Whether any OS thread is between these two. Once the part is locked and the waiter in line, a later one wakes it.
bool may_be_unlocked_unseen(const void *key) PRIVATE(may_be_unlocked_unseen);
/// Whether a waiter of this key other than this one has not been woken. The part must be locked.
bool has_others(const void *key, const waiter *self) PRIVATE(has_others);

/// Parks the green thread until it is woken or the deadline passes. A cancellation does not end the wait: the callers of locks are
/// not prepared for it. Returns false when the deadline has passed.
void begin_waiting(waiter *waiter, const void *key, tandem_patch_function function, uint64_t deadline) PRIVATE(begin_waiting);
bool wait_in_line(waiter *waiter) PRIVATE(wait_in_line);

/// Whether a green thread may block its hub for this key: nobody is in line for it, and no such block of this thread has lasted for the
/// whole time within the last 100 ms.
bool may_block(const void *key) PRIVATE(may_block);
/// Notes a block that has ended, and counts it as a hold if it has taken a millisecond.
void end_block(uint64_t began, bool has_timed_out) PRIVATE(end_block);

/// How long a green thread waits as an OS thread does before it parks for a lock that another OS thread holds: first it spins, then it
/// blocks its hub, for 10 ms at most. Most locks are held for microseconds, and code that knows no other thread of its hub, such as
/// Tandem's own, must not be interrupted in the middle of a change whenever it takes one.
enum { SPINS = 200, LONGEST_BLOCK = 10000000 };

/// Returns the end of such a block, no later than the deadline, on CLOCK_MONOTONIC.
static inline struct timespec end_of_block(uint64_t deadline) {
  uint64_t limit = tandem_real_nanoseconds() + LONGEST_BLOCK, end = limit < deadline ? limit : deadline;
  return (struct timespec){(time_t)(end / SECOND), (long)(end % SECOND)};
}

/// How long a green thread waits for something that may be unlocked unseen, in nanoseconds.
enum { UNSEEN_PAUSE = 2000000 };

#endif
