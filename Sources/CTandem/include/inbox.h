/// The items that other threads hand to a hub: a lock-free stack, from which the hub takes all items at once.
///
/// An item is a Swift job or a `tandem_wait`. Both keep the link to the next item in their third word.
#ifndef TANDEM_INBOX_H
#define TANDEM_INBOX_H

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// The head of a Swift `Job` (swift/ABI/Task.h): a heap object, then two words that belong to the executor on which the job is
/// enqueued.
typedef struct tandem_job {
  const void *_Nullable metadata;
  uintptr_t reference_counts;
  struct tandem_job *_Nullable next;
  /// The executor for which the job was enqueued, in the lowest two bits. Above them the delay after which it may run, in
  /// nanoseconds.
  uintptr_t kind_and_delay;
} tandem_job;

/// The executor for which a job was enqueued on a hub.
enum : uintptr_t {
  /// The hub, as the task executor that the task prefers.
  TANDEM_JOB_PREFERRED = 0,
  /// The hub, as the serial executor of an actor.
  TANDEM_JOB_ISOLATED = 1,
  /// Swift's global executor, which the hub has taken over.
  TANDEM_JOB_GLOBAL = 2,
  /// The main actor, on the hub that owns the main thread.
  TANDEM_JOB_MAIN = 3,
};

/// A first-in, first-out queue that is linked through the jobs, so that enqueuing allocates nothing.
typedef struct tandem_job_queue {
  tandem_job *_Nullable head;
  tandem_job *_Nullable tail;
  uint64_t count;
} tandem_job_queue;

static inline void tandem_job_queue_append(tandem_job_queue *queue, tandem_job *job) {
  job->next = (tandem_job *)0;
  if (queue->tail) queue->tail->next = job;
  else queue->head = job;
  queue->tail = job;
  queue->count++;
}

static inline tandem_job *_Nullable tandem_job_queue_pop(tandem_job_queue *queue) {
  tandem_job *job = queue->head;
  if (!job) return job;
  queue->head = job->next;
  if (!queue->head) queue->tail = (tandem_job *)0;
  queue->count--;
  return job;
}

/// Removes and returns the job at `position`, counted from 0. The queue must be longer than that.
static inline tandem_job *tandem_job_queue_take(tandem_job_queue *queue, uint64_t position) {
  tandem_job *before = (tandem_job *)0, *job = queue->head;
  while (position--) {
    before = job;
    job = job->next;
  }
  if (before) before->next = job->next;
  else queue->head = job->next;
  if (queue->tail == job) queue->tail = before;
  queue->count--;
  return job;
}

typedef struct tandem_inbox {
  /// The item that was put in last, with its lowest bit set if it is a wait; or TANDEM_INBOX_CLOSED.
  uintptr_t head;
  /// Whether the hub sleeps in the kernel and must be woken by a write to `event_fd`.
  uint32_t asleep;
  int event_fd;
  /// The number of threads inside `tandem_inbox_put`. A thread may still be checking whether to wake the hub when the hub has
  /// already run its item and is about to be freed.
  uint32_t putting;
} tandem_inbox;

#define TANDEM_INBOX_CLOSED ((uintptr_t)2)

static inline uintptr_t *tandem_item_link(uintptr_t item) { return (uintptr_t *)(item & ~(uintptr_t)3) + 2; }

/// Puts an item in. May be called from any thread and under locks: it takes none. Returns false if the inbox is closed; then the
/// caller still owns the item.
bool tandem_inbox_put(tandem_inbox *inbox, void *item, bool is_wait);

/// Takes all items, oldest first, as a list that is linked through their third word (with the tag bits).
uintptr_t tandem_inbox_take(tandem_inbox *inbox);

/// Takes all items as `tandem_inbox_take` does, and closes the inbox. When it returns, no thread is inside `tandem_inbox_put`.
uintptr_t tandem_inbox_close(tandem_inbox *inbox);

/// Called by the hub before it sleeps. Returns true if it may sleep, false if an item has arrived.
bool tandem_inbox_prepare_sleep(tandem_inbox *inbox);

/// Called by the hub after it has slept.
static inline void tandem_inbox_finish_sleep(tandem_inbox *inbox) {
  __atomic_store_n(&inbox->asleep, 0, __ATOMIC_RELAXED);
}

static inline bool tandem_inbox_is_empty(tandem_inbox *inbox) {
  return __atomic_load_n(&inbox->head, __ATOMIC_RELAXED) == 0;
}

/// Wakes the hub if it sleeps. Any thread.
void tandem_inbox_wake(tandem_inbox *inbox);

TANDEM_NONNULL_END
#endif
