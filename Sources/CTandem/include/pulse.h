/// What a hub notes of itself while it runs: counters, how long its turns take, and what the watchdog looks at.
#ifndef TANDEM_PULSE_H
#define TANDEM_PULSE_H

#include "fiber.h"
#include "linux.h"

TANDEM_NONNULL_BEGIN

enum { TANDEM_DELAY_BUCKETS = 40 };

/// Written by the hub's thread alone, except `stalls`. What the watchdog reads is written and read atomically.
typedef struct tandem_pulse {
  /// Jobs that were started, and returns from the poller: the watchdog's sign of life.
  uint64_t jobs, polls;
  /// Whether the hub is in the poller, and may be for long.
  uint32_t polling;
  /// The kernel's id of the hub's thread; 0 when it does not run.
  int32_t thread_id;
  tandem_thread *_Nullable thread;
  /// The frame of the hub's loop, where walks over the thread's own stack end.
  uintptr_t root;
  /// Holds that the watchdog has seen; written by its thread.
  uint64_t stalls;
  /// Times a green thread was started, parked, and had something awaited.
  uint64_t started, parked, awaited;
  /// When the poller returned last, in nanoseconds of the real monotonic clock.
  uint64_t turn_began;
  /// Turns by how long they took: bucket i holds those below 2^i nanoseconds and not below half of that.
  uint64_t delays[TANDEM_DELAY_BUCKETS];
  uint64_t delay_total, delay_maximum;
} tandem_pulse;

static inline void tandem_pulse_job(tandem_pulse *pulse) {
  __atomic_store_n(&pulse->jobs, pulse->jobs + 1, __ATOMIC_RELAXED);
}

/* Counted here because a change that Swift makes is, to the thread sanitizer, one of the whole struct. */
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

/// The poller is asked from `now` on. Counts the turn that ends here.
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
  if (!pulse->polling) return; /* it came back at once: the time from before will do */
  __atomic_store_n(&pulse->polling, 0, __ATOMIC_RELAXED);
  pulse->turn_began = tandem_real_nanoseconds();
}

/// Lets tandem_pulse_look interrupt this thread, whose signal mask it may have inherited from one of Swift's or Dispatch's
/// threads, or forbids it again. Returns whether it was forbidden.
bool tandem_pulse_allow_interrupts(bool allowed);

/// The calling function is the hub's loop, on the hub's thread.
void tandem_pulse_enter(tandem_pulse *pulse);

/// What the watchdog has seen of a thread.
typedef struct tandem_sighting {
  uintptr_t addresses[64];
  size_t count;
  /// Who runs on the green stack; null when it is on none.
  const char *_Nullable name;
  uint64_t number;
  /// Whether the thread computes; else it is blocked in a system call.
  bool is_running;
} tandem_sighting;

/// Looks at the hub's thread from another one. A thread that computes is interrupted by SIGURG for as long as it takes to
/// follow its frame pointers; one in a system call is left alone, since a signal would cut a sleep or a poll short. One
/// caller at a time.
void tandem_pulse_look(const tandem_pulse *pulse, tandem_sighting *seen);

/// Starts a detached OS thread that no signal interrupts. Returns 0, or an errno.
int tandem_start_watchdog_thread(void *_Nullable (*_Nonnull body)(void *_Nullable));

/// Sleeps for this long, really.
void tandem_pause(uint64_t nanoseconds);

/// Installs the handler of SIGURG; one that was there before is called for signals of others. Returns 0, or an errno.
int tandem_pulse_prepare(void);

TANDEM_NONNULL_END
#endif
