/* The table of waiters of TandemPatch, alone: OS threads take the place of green threads, so that the thread sanitizer sees every
   access. scripts/check/sanitize builds and runs it. */

#define _GNU_SOURCE
#include "waiters.h"

#include <pthread.h>
#include <sched.h>
#include <sys/poll.h>

/* MARK: A hub for one thread */

typedef struct hub {
  tandem_inbox inbox;
  tandem_wait wait;
} hub;

static _Thread_local hub own;

tandem_wait *tandem_patch_begin(tandem_patch_function function, uint64_t deadline) {
  (void)function;
  own.wait.inbox = &own.inbox;
  own.wait.began = deadline;
  own.wait.woken_by = 0;
  return &own.wait;
}

/* Takes what others have posted. */
static void drain(void) {
  for (uintptr_t item = tandem_inbox_take(&own.inbox); item;) {
    item = *tandem_item_link(item);
    own.wait.woken_by |= tandem_wait_take_posted(&own.wait);
  }
}

bool tandem_patch_park(tandem_wait *wait) {
  while (drain(), !wait->woken_by) {
    int64_t rest = wait->began == NEVER ? -1 : (int64_t)(wait->began - tandem_real_nanoseconds());
    if (wait->began != NEVER && rest <= 0) return false;
    if (!tandem_inbox_prepare_sleep(&own.inbox)) continue;
    struct pollfd entry = {.fd = own.inbox.event_fd, .events = POLLIN};
    tandem_poll(&entry, 1, rest);
    tandem_inbox_finish_sleep(&own.inbox);
    tandem_eventfd_drain(own.inbox.event_fd);
  }
  return true;
}

void tandem_patch_count_hold(uint64_t began) { (void)began; }
void tandem_patch_block(uint64_t deadline, const bool *is_over) { (void)deadline, (void)is_over, abort(); }
void tandem_patch_end(tandem_wait *wait) {
  (void)wait;
  while (__atomic_load_n(&own.inbox.putting, __ATOMIC_ACQUIRE)) sched_yield();
  drain();
}

/* MARK: A lock and a semaphore on the table, as locks.c makes them of libc's */

static uint32_t taken, count;
static long inside, total, waits;

static bool try_take(void) {
  uint32_t none = 0;
  return __atomic_compare_exchange_n(&taken, &none, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static bool try_lower(void) {
  uint32_t value = __atomic_load_n(&count, __ATOMIC_RELAXED);
  while (value)
    if (__atomic_compare_exchange_n(&count, &value, value - 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return true;
  return false;
}

static void wait_until(bool (*try)(void), const void *key, waiter_kind kind) {
  while (!try()) {
    waiter self;
    /* Some waits give up, as timed ones do, and try again. */
    begin_waiting(&self, key, 0, (uintptr_t)&self % 64 == 0 ? tandem_real_nanoseconds() + 50000 : NEVER);
    waiters_lock(key);
    enlist(&self, kind);
    waiters_unlock(key);
    bool is_mine = try();
    if (!is_mine) {
      __atomic_fetch_add(&waits, 1, __ATOMIC_RELAXED);
      wait_in_line(&self);
    }
    if (withdraw(&self, kind) && is_mine) wake(key, 1);
    if (is_mine) return;
  }
}

static long turns;

static void *run(void *context) {
  (void)context;
  own.inbox.event_fd = tandem_eventfd();
  for (long turn = 0; turn < turns; turn++) {
    wait_until(try_take, &taken, waits_for_mutex);
    if (inside++ != 0) abort();
    total++;
    if (turn % 16 == 0) sched_yield();
    inside--;
    __atomic_store_n(&taken, 0, __ATOMIC_RELEASE);
    if (has_waiters(waits_for_mutex)) wake(&taken, 1);
    /* As many go up as down, and at the end all have come through. */
    __atomic_fetch_add(&count, 1, __ATOMIC_RELEASE);
    if (has_waiters(waits_for_semaphore)) wake(&count, 1);
    wait_until(try_lower, &count, waits_for_semaphore);
  }
  return NULL;
}

/* MARK: sem_post in a signal handler that interrupts this thread while it has the part locked */

static void *wait_once(void *context) {
  (void)context;
  own.inbox.event_fd = tandem_eventfd();
  wait_until(try_lower, &count, waits_for_semaphore);
  return NULL;
}

static void post_while_locked(void) {
  pthread_t waiting;
  if (pthread_create(&waiting, NULL, wait_once, NULL) != 0) abort();
  while (!has_waiters(waits_for_semaphore)) sched_yield();
  waiters_lock(&count);
  __atomic_fetch_add(&count, 1, __ATOMIC_RELEASE);
  /* As the handler's sem_post: it must not wait for the lock, and the waiter must learn of it. */
  wake(&count, 1);
  waiters_unlock(&count);
  pthread_join(waiting, NULL);
}

int main(int argument_count, char **arguments) {
  enum { threads = 8 };
  pthread_t all[threads];
  turns = argument_count > 1 ? atol(arguments[1]) : 20000;
  post_while_locked();
  for (int index = 0; index < threads; index++)
    if (pthread_create(&all[index], NULL, run, NULL) != 0) abort();
  for (int index = 0; index < threads; index++) pthread_join(all[index], NULL);
  bool is_right = total == threads * turns && count == 0;
  for (int kind = 0; kind < waiter_kinds; kind++) is_right = is_right && tandem_patch_waiting[kind] == 0;
  printf("%ld turns of %d threads, %ld waits: %s\n", turns, threads, waits, is_right ? "none lost" : "WRONG");
  return is_right ? 0 : 1;
}
