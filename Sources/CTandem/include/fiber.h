/// A fiber: a stack, and the point at which its code continues.
///
/// `tandem_fiber_resume` runs a fiber. It returns when the code on the fiber calls `tandem_fiber_suspend` or when its entry
/// returns. A fiber must always be resumed by the thread on which it first ran: compilers keep thread-local addresses across
/// calls.
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

/// Why a fiber returned control to its host frame.
typedef enum __attribute__((enum_extensibility(closed))) tandem_signal : uint32_t {
  /// The entry returned; the stack may be given back to its pool.
  tandem_signal_finished = 0,
  /// The fiber waits: the host must suspend the task until `waiting_on` is woken.
  tandem_signal_parked = 1,
  /// The fiber needs `operation` to be awaited in its task.
  tandem_signal_awaiting = 2,
} tandem_signal;

struct tandem_wait;
struct tandem_recorder;

/// A fiber's state. It is at the top of the fiber's own stack, so that a parked green thread touches one page.
typedef struct tandem_fiber {
  /// The function that the fiber calls when it is first resumed, and again after each finish.
  void (*_Nullable entry)(struct tandem_fiber *fiber);
  /// The fiber's stack pointer, saved while it is suspended.
  void *_Nullable sp;
  /// The stack pointer of the code that resumed the fiber, saved while the fiber runs.
  void *_Nullable host_sp;
  /// The fiber that was running on this thread when this one was resumed.
  struct tandem_fiber *_Nullable resumer;
  /// Why the fiber last returned control.
  tandem_signal signal;
  /// The accesses that this stack holds open, saved for the Swift runtime while the fiber is suspended.
  void *_Nullable exclusivity[2];
  /// A Swift `() -> Void`: the closure to run. Initialized by the host.
  void *_Nullable body[2];
  /// A Swift async closure: the operation to await. Initialized by the fiber before it signals tandem_signal_awaiting.
  void *_Nullable operation[2];
  /// The wait that the fiber parks on. Set by the fiber before it signals tandem_signal_parked.
  struct tandem_wait *_Nullable waiting_on;
  /// The Swift task that has borrowed this stack.
  const void *_Nullable task;
  /// The name of the green thread, for messages. NUL-terminated, never freed.
  const char *_Nullable name;
  /// The number of this stack in its pool, from 1.
  uint64_t number;
  /// Next in the pool's list of free stacks.
  struct tandem_fiber *_Nullable next_free;
  /// The next in the pool's list of stacks that were used since the last trim; `is_used` says whether the stack is in that list.
  struct tandem_fiber *_Nullable next_used;
  bool is_used;
  bool is_lent;
  /// Whether a sleep of unmodified blocking code has ended because the task was cancelled. Only one sleep ends so.
  bool sleep_was_cancelled;
  /// The number of open `TandemPatch.original` calls: while it is not 0, calls of libc are not made green.
  uint32_t unpatched;
  /// The number of mutexes of pthreads that unmodified code has locked on this stack. A hint: another thread may unlock them.
  uint32_t locks;
  /// The counters of the call of libc that is being made green.
  void *_Nullable patched_call;
  /// The usable range of the stack: `low` is just above the guard, `high` just below this struct.
  uintptr_t low, high;
  void *_Nullable sanitizer_fiber, *_Nullable sanitizer_host, *_Nullable fake_stack;
  const void *_Nullable host_bottom;
  size_t host_size;
} tandem_fiber;

/// The state of an OS thread.
typedef struct tandem_thread {
  tandem_fiber *_Nullable current;
  /// The hub that owns this thread, unretained; null if the thread has no hub.
  void *_Nullable hub;
  /// The clock of a hub with a virtual clock, in nanoseconds; null for all other threads.
  const uint64_t *_Nullable virtual_now;
  /// The hub's flight recorder; null if the thread has no hub.
  struct tandem_recorder *_Nullable recorder;
  /// The wait on which the running task is about to suspend.
  struct tandem_wait *_Nullable parking;
  /// The executor for which the hub runs the present job: a TANDEM_JOB_ value of inbox.h.
  uintptr_t job_kind;
} tandem_thread;

/* Initial-exec: an access takes two instructions and no call. A library that is loaded later, such as a guest of Python, takes its room from
   the reserve that the dynamic linker keeps for that. */
extern _Thread_local tandem_thread tandem_this_thread __attribute__((tls_model("initial-exec")));

static inline tandem_fiber *_Nullable tandem_current_fiber(void) { return tandem_this_thread.current; }
static inline struct tandem_wait *_Nullable tandem_parking(void) { return tandem_this_thread.parking; }
static inline void tandem_set_parking(struct tandem_wait *_Nullable wait) { tandem_this_thread.parking = wait; }
static inline uintptr_t tandem_job_kind(void) { return tandem_this_thread.job_kind; }
static inline void tandem_set_job_kind(uintptr_t kind) { tandem_this_thread.job_kind = kind; }
static inline void *_Nullable tandem_current_hub(void) { return tandem_this_thread.hub; }
static inline void tandem_set_current_hub(
    void *_Nullable hub, const uint64_t *_Nullable virtual_now, struct tandem_recorder *_Nullable recorder) {
  tandem_this_thread.hub = hub;
  tandem_this_thread.virtual_now = virtual_now;
  tandem_this_thread.recorder = recorder;
}

/// Prepares `fiber` to be resumed for the first time: it will call `entry(fiber)`. When `entry` returns, the fiber signals
/// tandem_signal_finished; if it is resumed after that, it calls `entry` again.
void tandem_fiber_prepare(tandem_fiber *fiber, void (*entry)(tandem_fiber *fiber));

/// Runs the fiber until it returns control, and returns the reason.
tandem_signal tandem_fiber_resume(tandem_fiber *fiber);

/// Called on the fiber: returns control to the code that resumed it.
void tandem_fiber_suspend(tandem_fiber *fiber, tandem_signal signal);

/// Frees the sanitizers' data for a fiber that will not be resumed again.
void tandem_fiber_forget(tandem_fiber *fiber);

/// The bare stack switch, without saving Swift's open accesses; used directly only for measurements. Saves this point in `*save`
/// and continues at `to`.
void tandem_context_switch(void *_Nullable *_Nonnull save, void *to);

/// Returns the current Swift task, or null.
const void *_Nullable tandem_current_task(void);

TANDEM_NONNULL_END
#endif
