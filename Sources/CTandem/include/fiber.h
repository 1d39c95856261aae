/// A fiber: a stack, and the point where it will go on.
///
/// A fiber is entered with `tandem_fiber_resume`, which returns when the code on the fiber calls
/// `tandem_fiber_suspend` or when its entry returns. It is always the thread that created it which
/// resumes it: compilers keep thread-local addresses across calls.
#ifndef TANDEM_FIBER_H
#define TANDEM_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#define TANDEM_NONNULL_BEGIN _Pragma("clang assume_nonnull begin")
#define TANDEM_NONNULL_END _Pragma("clang assume_nonnull end")
#endif

TANDEM_NONNULL_BEGIN

/// What a fiber asks of its host frame when it hands the thread back.
typedef enum __attribute__((enum_extensibility(closed))) tandem_signal : uint32_t {
  /// The entry returned; the stack may go back to its pool.
  tandem_signal_finished = 0,
  /// The fiber waits: suspend the task until `waiting_on` is woken.
  tandem_signal_parked = 1,
  /// The fiber wants `operation` to be awaited in its task.
  tandem_signal_awaiting = 2,
} tandem_signal;

struct tandem_wait;

/// Lives at the top of its own stack, so that a parked green thread touches one page.
typedef struct tandem_fiber {
  /// What the fiber calls when it is resumed for the first time, and again after each finish.
  void (*_Nullable entry)(struct tandem_fiber *fiber);
  /// Saved stack pointer of the fiber while it is suspended.
  void *_Nullable sp;
  /// Saved stack pointer of whoever resumed it, while it runs.
  void *_Nullable host_sp;
  /// The fiber that was running on this thread when this one was resumed.
  struct tandem_fiber *_Nullable resumer;
  /// Why it handed the thread back.
  tandem_signal signal;
  /// The accesses that this stack holds open, kept for the Swift runtime while it is suspended.
  void *_Nullable exclusivity[2];
  /// A Swift `() -> Void`: what to run. Initialized by the host.
  void *_Nullable body[2];
  /// A Swift async closure: what to await. Initialized by the fiber before tandem_signal_awaiting.
  void *_Nullable operation[2];
  /// What it waits for. Set by the fiber before tandem_signal_parked.
  struct tandem_wait *_Nullable waiting_on;
  /// The Swift task that has borrowed this stack.
  const void *_Nullable task;
  /// NUL-terminated, never freed: who runs here, for messages.
  const char *_Nullable name;
  /// Which stack of its pool this is, from 1.
  uint64_t number;
  /// Next in the pool's list of free stacks.
  struct tandem_fiber *_Nullable next_free;
  /// Next in the pool's list of stacks that were used since they were trimmed, and whether it stands there.
  struct tandem_fiber *_Nullable next_used;
  bool is_used;
  bool is_lent;
  /// Usable range of the stack: `low` is just above the guard, `high` just below this struct.
  uintptr_t low, high;
  void *_Nullable sanitizer_fiber, *_Nullable sanitizer_host, *_Nullable fake_stack;
  const void *_Nullable host_bottom;
  size_t host_size;
} tandem_fiber;

/// What this OS thread is doing.
typedef struct tandem_thread {
  tandem_fiber *_Nullable current;
  /// The hub that owns this thread, unretained; null on threads that are no hub's.
  void *_Nullable hub;
  /// The time of a hub that has a virtual clock; null for all others.
  const uint64_t *_Nullable virtual_now;
  /// What the running task is about to wait for.
  struct tandem_wait *_Nullable parking;
} tandem_thread;

extern _Thread_local tandem_thread tandem_this_thread;

static inline tandem_fiber *_Nullable tandem_current_fiber(void) { return tandem_this_thread.current; }
static inline struct tandem_wait *_Nullable tandem_parking(void) { return tandem_this_thread.parking; }
static inline void tandem_set_parking(struct tandem_wait *_Nullable wait) { tandem_this_thread.parking = wait; }
static inline void *_Nullable tandem_current_hub(void) { return tandem_this_thread.hub; }
static inline void tandem_set_current_hub(void *_Nullable hub, const uint64_t *_Nullable virtual_now) {
  tandem_this_thread.hub = hub;
  tandem_this_thread.virtual_now = virtual_now;
}

/// Makes `fiber` ready to be resumed for the first time: it will call `entry(fiber)`.
/// When `entry` returns, the fiber signals tandem_signal_finished; resumed again, it calls `entry` anew.
void tandem_fiber_prepare(tandem_fiber *fiber, void (*entry)(tandem_fiber *fiber));

/// Runs the fiber until it hands the thread back.
tandem_signal tandem_fiber_resume(tandem_fiber *fiber);

/// Called on the fiber: hands the thread back to whoever resumed it.
void tandem_fiber_suspend(tandem_fiber *fiber, tandem_signal signal);

/// Frees what the sanitizers hold for a fiber that will not be resumed again.
void tandem_fiber_forget(tandem_fiber *fiber);

/// The switch alone, without the bracket, for measuring: saves this point in `*save`, goes on at `to`.
void tandem_context_switch(void *_Nullable *_Nonnull save, void *to);

/// The current Swift task, or null.
const void *_Nullable tandem_current_task(void);

TANDEM_NONNULL_END
#endif
