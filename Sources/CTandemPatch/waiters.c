#define _GNU_SOURCE
#include "waiters.h"

#include <string.h>

/* sched_yield itself, also on a green stack. */
extern int __sched_yield(void);

enum { PARTS = 256 };

typedef struct part {
  bool is_locked;
  /// Whether a signal handler has posted to a semaphore of this part while its own thread had it locked.
  bool has_deferred;
  /// The OS threads that may unlock an object of this part unseen.
  uint32_t unseen;
  waiter *first, *last;
} __attribute__((aligned(64))) part;

static part parts[PARTS];
uint64_t tandem_patch_waiting[waiter_kinds];

/* The part that this thread has locked, for signal handlers that interrupt it. */
static _Thread_local part *locked __attribute__((tls_model("initial-exec")));

static part *part_of(const void *key) {
  uint64_t hash = ((uint64_t)(uintptr_t)key >> 2) * 0x9E3779B97F4A7C15ull;
  return &parts[hash >> 56];
}

static void lock_part(part *part) {
  /* Before the lock is taken: from here on a handler on this thread must not wait for it. */
  locked = part;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  for (int tries = 0; __atomic_exchange_n(&part->is_locked, true, __ATOMIC_ACQUIRE); tries++)
    /* The holder may have lost its processor. */
    if (tries > 100) __sched_yield();
}

static void unlock_part(part *part) {
  __atomic_store_n(&part->is_locked, false, __ATOMIC_RELEASE);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  locked = NULL;
}

void reset_waiters(void) {
  memset(parts, 0, sizeof parts);
  memset(tandem_patch_waiting, 0, sizeof tandem_patch_waiting);
}

void waiters_lock(const void *key) { lock_part(part_of(key)); }

static void wake_all_of(part *part, waiter_kind kind);

void waiters_unlock(const void *key) {
  part *part = part_of(key);
  unlock_part(part);
  while (__builtin_expect(__atomic_exchange_n(&part->has_deferred, false, __ATOMIC_ACQ_REL), 0)) {
    lock_part(part);
    wake_all_of(part, waits_for_semaphore);
    unlock_part(part);
  }
}

void enlist(waiter *waiter, waiter_kind kind) {
  part *part = part_of(waiter->key);
  __atomic_fetch_add(&tandem_patch_waiting[kind], 1, __ATOMIC_SEQ_CST);
  waiter->kind = kind;
  waiter->is_woken = false;
  waiter->next = NULL;
  waiter->previous = part->last;
  if (part->last) part->last->next = waiter;
  else part->first = waiter;
  part->last = waiter;
  /* Pairs with the fence of has_waiters: either this thread sees that the object is free, or the other one sees the waiter. */
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool withdraw(waiter *waiter, waiter_kind kind) {
  part *part = part_of(waiter->key);
  waiters_lock(waiter->key);
  if (waiter->previous) waiter->previous->next = waiter->next;
  else part->first = waiter->next;
  if (waiter->next) waiter->next->previous = waiter->previous;
  else part->last = waiter->previous;
  bool is_woken = waiter->is_woken;
  waiters_unlock(waiter->key);
  __atomic_fetch_sub(&tandem_patch_waiting[kind], 1, __ATOMIC_RELAXED);
  /* Only now: until here a waker may have posted to it. */
  tandem_patch_end(waiter->wait);
  return is_woken;
}

static void wake_waiter(waiter *waiter) {
  __atomic_store_n(&waiter->is_woken, true, __ATOMIC_RELEASE);
  /* Posted under the lock of the part: afterwards the waiter may be gone. */
  if (waiter->wait && tandem_wait_post(waiter->wait, TANDEM_WAKE_READY)) tandem_inbox_put(waiter->wait->inbox, waiter->wait, true);
}

/// Wakes the waiters for objects of one kind, which look again.
static void wake_all_of(part *part, waiter_kind kind) {
  for (waiter *next = part->first; next; next = next->next)
    if (next->kind == kind && !next->is_woken) wake_waiter(next);
}

int wake_waiters(const void *key, int count) {
  int woken = 0;
  for (waiter *next = part_of(key)->first; next && woken < count; next = next->next) {
    if (next->key != key || next->is_woken) continue;
    wake_waiter(next);
    woken++;
  }
  return woken;
}

int wake(const void *key, int count) {
  part *part = part_of(key);
  if (__builtin_expect(locked == part, 0)) {
    /* sem_post in a signal handler, which has interrupted this thread in here. */
    __atomic_store_n(&part->has_deferred, true, __ATOMIC_RELEASE);
    return 0;
  }
  struct part *interrupted = locked;
  waiters_lock(key);
  int woken = wake_waiters(key, count);
  waiters_unlock(key);
  locked = interrupted;
  return woken;
}

void begin_unseen_unlock(const void *key) {
  waiters_lock(key);
  /* Those in line find the object locked, and then wait for a short time only. With another thread in between they do already,
     also those for other mutexes of the part. */
  if (__atomic_fetch_add(&part_of(key)->unseen, 1, __ATOMIC_RELAXED) == 0) wake_all_of(part_of(key), waits_for_mutex);
  waiters_unlock(key);
}

void end_unseen_unlock(const void *key) { __atomic_fetch_sub(&part_of(key)->unseen, 1, __ATOMIC_RELAXED); }

bool may_be_unlocked_unseen(const void *key) { return __atomic_load_n(&part_of(key)->unseen, __ATOMIC_RELAXED) != 0; }

bool has_others(const void *key, const waiter *self) {
  for (waiter *next = part_of(key)->first; next; next = next->next)
    if (next != self && next->key == key && !next->is_woken) return true;
  return false;
}

void begin_waiting(waiter *waiter, const void *key, tandem_patch_function function, uint64_t deadline) {
  waiter->key = key;
  waiter->deadline = deadline;
  waiter->wait = tandem_patch_begin(function, deadline);
}

bool wait_in_line(waiter *waiter) {
  if (waiter->wait) return tandem_patch_park(waiter->wait);
  tandem_patch_block(waiter->deadline, &waiter->is_woken);
  return __atomic_load_n(&waiter->is_woken, __ATOMIC_ACQUIRE);
}

/* When a block of this thread last took its whole time. */
static _Thread_local uint64_t last_long_block __attribute__((tls_model("initial-exec")));

bool may_block(const void *key) {
  if (last_long_block && tandem_real_nanoseconds() - last_long_block < 10 * (uint64_t)LONGEST_BLOCK) return false;
  waiters_lock(key);
  bool has_line = has_others(key, NULL);
  waiters_unlock(key);
  return !has_line;
}

void end_block(uint64_t began, bool has_timed_out) {
  uint64_t now = tandem_real_nanoseconds();
  if (has_timed_out) last_long_block = now;
  if (now - began >= 1000000) tandem_patch_count_hold(began);
}
