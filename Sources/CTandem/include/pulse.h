/// The data that a hub records about itself while it runs: counters, the duration of its turns, and the state that the watchdog
/// reads.
#ifndef TANDEM_PULSE_H
#define TANDEM_PULSE_H

#include "fiber.h"
#include "linux.h"

TANDEM_NONNULL_BEGIN

enum { TANDEM_DELAY_BUCKETS = 40 };

/// Written only by the hub's thread, except `stalls`. Fields that the watchdog reads are written and read atomically.
typedef struct tandem_pulse {
  /// The number of jobs started, and of returns from the poller: the watchdog sees from them that the hub makes progress.
  uint64_t jobs, polls;
  /// Whether the hub is in a call of the poller that may sleep.
  uint32_t polling;
  /// The kernel's id of the hub's thread; 0 before the hub has run.
  int32_t thread_id;
  tandem_thread *_Nullable thread;
  /// The frame of the hub's loop, at which walks over the thread's own stack end.
  uintptr_t root;
  /// The number of stalls that the watchdog has seen; written by the watchdog's thread.
  uint64_t stalls;
  /// The number of times that a green thread was started, was parked, and awaited async code.
  uint64_t started, parked, awaited;
  /// The time when the current turn began, in nanoseconds of CLOCK_MONOTONIC: the last return from a poll that could sleep, or
  /// else the last call of the poller.
  uint64_t turn_began;
  /// Turns by duration: bucket i counts turns of less than 2^i nanoseconds and at least half of that.
  uint64_t delays[TANDEM_DELAY_BUCKETS];
  uint64_t delay_total, delay_maximum;
} tandem_pulse;

/// Returns the kernel's id of the hub's thread; 0 before the hub has run. Any thread.
static inline int32_t tandem_pulse_thread_id(const tandem_pulse *pulse) {
  return __atomic_load_n(&pulse->thread_id, __ATOMIC_ACQUIRE);
}

/// Whether the calling thread is the hub's. Any thread.
bool tandem_pulse_is_of_this_thread(const tandem_pulse *pulse);

static inline void tandem_pulse_job(tandem_pulse *pulse) {
  __atomic_store_n(&pulse->jobs, pulse->jobs + 1, __ATOMIC_RELAXED);
}

/* Counted in C because the thread sanitizer takes a change from Swift for a change of the whole struct. */
static inline void tandem_pulse_started(tandem_pulse *pulse) { pulse->started++; }
static inline void tandem_pulse_parked(tandem_pulse *pulse) { pulse->parked++; }
static inline void tandem_pulse_awaited(tandem_pulse *pulse) { pulse->awaited++; }

static inline uint64_t tandem_pulse_beats(const tandem_pulse *pulse) {
  return __atomic_load_n(&pulse->jobs, __ATOMIC_RELAXED) + __atomic_load_n(&pulse->polls, __ATOMIC_RELAXED);
}

static inline bool tandem_pulse_is_polling(const tandem_pulse *pulse) {
  return __atomic_load_n(&pulse->polling, __ATOMIC_RELAXED) != 0;
}

static inline uint64_t tandem_pulse_stalls(const tandem_pulse *pulse) {
  return __atomic_load_n(&pulse->stalls, __ATOMIC_RELAXED);
}

static inline void tandem_pulse_count_stall(tandem_pulse *pulse) {
  __atomic_fetch_add(&pulse->stalls, 1, __ATOMIC_RELAXED);
}

/// Called before the poller is asked, at `now`. Counts the turn that ends here.
static inline void tandem_pulse_will_poll(tandem_pulse *pulse, uint64_t now, bool may_sleep) {
  uint64_t delay = now - pulse->turn_began;
  int bucket = delay ? 64 - __builtin_clzll(delay) : 0;
  pulse->delays[bucket < TANDEM_DELAY_BUCKETS ? bucket : TANDEM_DELAY_BUCKETS - 1]++;
  pulse->delay_total += delay;
  if (delay > pulse->delay_maximum) pulse->delay_maximum = delay;
  pulse->turn_began = now;
  if (may_sleep) __atomic_store_n(&pulse->polling, 1, __ATOMIC_RELAXED);
}

static inline void tandem_pulse_did_poll(tandem_pulse *pulse) {
  __atomic_store_n(&pulse->polls, pulse->polls + 1, __ATOMIC_RELAXED);
  if (!pulse->polling) return; /* the call could not sleep: the time from before it is exact enough */
  __atomic_store_n(&pulse->polling, 0, __ATOMIC_RELAXED);
  pulse->turn_began = tandem_real_nanoseconds();
}

/// Unblocks SIGURG in this thread, so that tandem_pulse_look can interrupt it, or blocks it again. Threads that are started from
/// one of Swift's or Dispatch's threads inherit a mask that blocks it. Returns whether it was blocked before.
bool tandem_pulse_allow_interrupts(bool allowed);

/// Records the calling thread as the hub's thread, and the calling function's frame as that of the hub's loop. A turn begins.
void tandem_pulse_enter(tandem_pulse *pulse);

/// The state of a thread as the watchdog has seen it.
typedef struct tandem_sighting {
  uintptr_t addresses[64];
  size_t count;
  /// The name of the green thread that runs; null if the thread is not on a green stack.
  const char *_Nullable name;
  uint64_t number;
  /// Whether the thread was computing; otherwise it was blocked in a system call.
  bool is_running;
} tandem_sighting;

/// Reads the stack of the hub's thread from another thread. A thread that computes is interrupted by SIGURG while the handler
/// follows its frame pointers. A thread in a system call is not interrupted, because a signal would end a sleep or a poll early.
/// Must not be called by two threads at once.
void tandem_pulse_look(const tandem_pulse *pulse, tandem_sighting *seen);

/// Starts a detached OS thread in which all signals are blocked. Returns 0, or an errno.
int tandem_start_watchdog_thread(void *_Nullable (*_Nonnull body)(void *_Nullable));

/// Sleeps for this long, also if signals interrupt it.
void tandem_pause(uint64_t nanoseconds);

/// Installs the handler of SIGURG. An earlier handler is called for signals that Tandem did not send. Returns 0, or an errno.
int tandem_pulse_prepare(void);

TANDEM_NONNULL_END
#endif
