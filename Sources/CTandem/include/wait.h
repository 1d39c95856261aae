/// One suspended task, and the reasons that have woken it.
///
/// A wait belongs to the hub whose task waits. Its memory is recycled, but not freed while the hub lives, so any thread may post
/// a reason to a wait that it found in a list guarded by a lock.
#ifndef TANDEM_WAIT_H
#define TANDEM_WAIT_H

#include "inbox.h"

TANDEM_NONNULL_BEGIN

/// Why a wait ended. A bit set, because several reasons may be posted before the hub looks.
enum : uint32_t {
  TANDEM_WAKE_READY = 1,
  TANDEM_WAKE_CANCELLED = 2,
  TANDEM_WAKE_TIMED_OUT = 4,
  TANDEM_WAKE_CLOSED = 8,
};

/// How a primitive has ended a wait.
enum : uint8_t { TANDEM_LISTED, TANDEM_SERVED, TANDEM_FAILED };

typedef struct tandem_wait {
  /// The inbox of the hub that will wake it.
  tandem_inbox *_Nullable inbox;
  /// The position in the hub's timer heap plus one; 0 if no deadline is armed.
  uint64_t heap_position;
  /// The link in the inbox or in the hub's free list. The third word of the struct: see inbox.h.
  uintptr_t next;
  /// The task's job, once the task is suspended.
  tandem_job *_Nullable job;
  /// The Swift `HubTimer` to fire instead of resuming a task, unretained; null for other waits.
  void *_Nullable timer;
  /// Reasons that were posted and that the hub has not seen. While non-zero, the wait is in the inbox.
  uint32_t posted;
  /// Reasons that the hub has seen. When non-zero, the wait is over.
  uint32_t woken_by;
  /// Whether the owner has finished with the wait. It is recycled once it is no longer in the inbox.
  bool released;
  /// Whether the wait continues when its task is cancelled.
  bool ignores_cancellation;
  /// Whether a thread that the hub does not know will wake it: then the hub is not stuck.
  bool is_woken_by_thread;
  /// Whether no task is suspended here: `job` is a job that runs when the deadline has passed.
  bool is_delayed_job;
  /// A number that goes with `what`, such as a file descriptor; -1 for none.
  int32_t detail;
  /// The event that the task waits for, as shown in dumps: a string that is never freed. Null while the wait is not in use.
  const char *_Nullable what;
  /// The Swift task that waits.
  const void *_Nullable task;
  /// The neighbours in a primitive's list of waiters. These and the following fields are used by Waiting/WaitList.swift, under the
  /// lock of the primitive.
  struct tandem_wait *_Nullable previous_in_line;
  struct tandem_wait *_Nullable next_in_line;
  /// The item that the caller brings or gets, or a pointer to it.
  uintptr_t room[2];
  /// The error with which a primitive has ended the wait, as Swift holds it.
  uintptr_t failure;
  /// Whether `room` holds an item.
  bool has_item;
  /// How a primitive has ended the wait.
  uint8_t ending;
  /// The start of the turn in which the wait began, in nanoseconds of CLOCK_MONOTONIC.
  uint64_t began;
} tandem_wait;

static inline void *tandem_wait_room(tandem_wait *wait) { return wait->room; }
static inline void *tandem_wait_failure(tandem_wait *wait) { return &wait->failure; }

/// Posts a reason. May be called from any thread and under locks. Returns whether the caller must put the wait into its hub's
/// inbox, because it was not there yet.
static inline bool tandem_wait_post(tandem_wait *wait, uint32_t reason) {
  return __atomic_fetch_or(&wait->posted, reason, __ATOMIC_ACQ_REL) == 0;
}

/// Called by the hub: returns the posted reasons and clears them.
static inline uint32_t tandem_wait_take_posted(tandem_wait *wait) {
  return __atomic_exchange_n(&wait->posted, 0, __ATOMIC_ACQ_REL);
}

static inline bool tandem_wait_is_posted(tandem_wait *wait) {
  return __atomic_load_n(&wait->posted, __ATOMIC_ACQUIRE) != 0;
}

/// Posts TANDEM_WAKE_CANCELLED to `wait` when the current task is cancelled; at once if it already is. Returns the handler to
/// pass to `tandem_wait_ignore_cancellation`, in the same task, before the wait is used for anything else.
const void *tandem_wait_heed_cancellation(tandem_wait *wait);

/// Cancels a task that has not ended, as Swift's `Task.cancel` does.
void tandem_cancel_task(const void *task);

/// Removes the handler. When this returns, the handler posts nothing more.
void tandem_wait_ignore_cancellation(const void *handler);

TANDEM_NONNULL_END
#endif
