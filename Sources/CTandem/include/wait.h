/// One suspended task, and what has woken it.
///
/// Waits belong to the hub whose task waits. Their memory is recycled but never freed while the hub
/// lives, so that any thread may post a reason to one that it found in a list guarded by a lock.
#ifndef TANDEM_WAIT_H
#define TANDEM_WAIT_H

#include "inbox.h"

TANDEM_NONNULL_BEGIN

/// Why a wait ended; bits, since several may be posted before the hub looks.
enum : uint32_t {
  TANDEM_WAKE_READY = 1,
  TANDEM_WAKE_CANCELLED = 2,
  TANDEM_WAKE_TIMED_OUT = 4,
  TANDEM_WAKE_CLOSED = 8,
};

typedef struct tandem_wait {
  /// Of the hub that will wake it.
  tandem_inbox *_Nullable inbox;
  /// Position in the hub's timer heap plus one; 0 when it has no deadline armed.
  uint64_t heap_position;
  /// In the inbox, or in the hub's free list. Third word: see inbox.h.
  uintptr_t next;
  /// The task's job, once suspended.
  tandem_job *_Nullable job;
  /// A Swift `HubTimer` to fire in place of a task to resume, unretained.
  void *_Nullable timer;
  /// Reasons posted and not yet seen by the hub. Non-zero means it stands in the inbox.
  uint32_t posted;
  /// Reasons seen; the wait is over when non-zero.
  uint32_t woken_by;
  /// Whether the owner is done with it; it is recycled when it stands in no inbox.
  bool released;
  /// Whether cancelling the task leaves it waiting.
  bool ignores_cancellation;
  /// A number that goes with `what`: a file descriptor's; -1 for none.
  int32_t detail;
  /// What it is for: a string that is never freed. Null while nobody waits here.
  const char *_Nullable what;
  /// The Swift task that waits.
  const void *_Nullable task;
  /// When the turn in which it began had begun, in nanoseconds of the real monotonic clock.
  uint64_t began;
} tandem_wait;

/// Posts a reason from any thread, also under locks. Returns whether the caller must put the wait in
/// its hub's inbox (it was in none).
static inline bool tandem_wait_post(tandem_wait *wait, uint32_t reason) {
  return __atomic_fetch_or(&wait->posted, reason, __ATOMIC_ACQ_REL) == 0;
}

/// The hub's side: the reasons posted, which are now none.
static inline uint32_t tandem_wait_take_posted(tandem_wait *wait) {
  return __atomic_exchange_n(&wait->posted, 0, __ATOMIC_ACQ_REL);
}

static inline bool tandem_wait_is_posted(tandem_wait *wait) {
  return __atomic_load_n(&wait->posted, __ATOMIC_ACQUIRE) != 0;
}

/// Has TANDEM_WAKE_CANCELLED posted to `wait` when the current task is cancelled, at once if it is already. Returns what
/// `tandem_wait_ignore_cancellation` takes, in the same task, before the wait is used for anything else.
const void *tandem_wait_heed_cancellation(tandem_wait *wait);

/// Cancels a task that has not ended, as Swift's `Task.cancel`.
void tandem_cancel_task(const void *task);

/// When it returns, no cancellation is posted any more.
void tandem_wait_ignore_cancellation(const void *handler);

TANDEM_NONNULL_END
#endif
