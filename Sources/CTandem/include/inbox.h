/// What other threads put in front of a hub: a lock-free stack of items, taken whole by the hub.
///
/// An item is a Swift job or a `tandem_wait`; both keep the link to the next in their third word.
#ifndef TANDEM_INBOX_H
#define TANDEM_INBOX_H

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// The head of a Swift `Job` (swift/ABI/Task.h): a heap object, then two words that belong to
/// whichever executor the job is enqueued on.
typedef struct tandem_job {
  const void *_Nullable metadata;
  uintptr_t reference_counts;
  struct tandem_job *_Nullable next;
  /// Whether it was enqueued for an actor whose executor the hub is.
  uintptr_t is_isolated;
} tandem_job;

/// First in, first out; linked through the jobs, so that enqueuing allocates nothing.
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

/// Takes out the job with this many before it; there must be that many.
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
  /// The last item put in, its lowest bit set when it is a wait; or TANDEM_INBOX_CLOSED.
  uintptr_t head;
  /// Whether the hub sleeps in the kernel and wants a write to `event_fd`.
  uint32_t asleep;
  int event_fd;
  /// Threads inside `tandem_inbox_put`. The hub may have run what they put, and be ready to go, while they still look
  /// whether to wake it.
  uint32_t putting;
} tandem_inbox;

#define TANDEM_INBOX_CLOSED ((uintptr_t)2)

static inline uintptr_t *tandem_item_link(uintptr_t item) { return (uintptr_t *)(item & ~(uintptr_t)3) + 2; }

/// Puts an item in. Any thread, any context, also under locks: it takes none. Returns false when the
/// inbox is closed, and then has not touched the item's ownership.
bool tandem_inbox_put(tandem_inbox *inbox, void *item, bool is_wait);

/// Takes all items, oldest first, as a list linked through their third word (tags included).
uintptr_t tandem_inbox_take(tandem_inbox *inbox);

/// As `tandem_inbox_take`, and refuses items from now on. When it returns, whoever put one has left.
uintptr_t tandem_inbox_close(tandem_inbox *inbox);

/// Called by the hub before it sleeps: true when it may, false when something arrived.
bool tandem_inbox_prepare_sleep(tandem_inbox *inbox);

/// Called by the hub after it slept.
static inline void tandem_inbox_finish_sleep(tandem_inbox *inbox) {
  __atomic_store_n(&inbox->asleep, 0, __ATOMIC_RELAXED);
}

static inline bool tandem_inbox_is_empty(tandem_inbox *inbox) {
  return __atomic_load_n(&inbox->head, __ATOMIC_RELAXED) == 0;
}

/// Wakes the hub, if it sleeps.
void tandem_inbox_wake(tandem_inbox *inbox);

TANDEM_NONNULL_END
#endif
