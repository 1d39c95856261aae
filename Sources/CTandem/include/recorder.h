/// The flight recorder: one ring per hub, into which the hub's thread writes what it does while somebody watches.
///
/// Each ring has one writer, the hub's thread, and any number of readers on any thread. Nobody takes a lock. A reader that is too
/// slow loses the oldest records, and learns how many.
#ifndef TANDEM_RECORDER_H
#define TANDEM_RECORDER_H

#include "wait.h"

TANDEM_NONNULL_BEGIN

/// What a record says. `ticks` is the time at which it was written; the last column says what the other fields are.
///
/// | event | written | began | subject | name | detail |
/// | --- | --- | --- | --- | --- | --- |
/// | POLL | after the hub has asked the kernel | nanoseconds | | | number of events << 1, and whether the hub could wait |
/// | JOB | after a job | ticks | job, which is the task if a task was resumed | | |
/// | SLICE | after a green thread ran | ticks | task | name of the green thread | `tandem_signal`, and the stack's number << 8 |
/// | TO_ASYNC, TO_BLOCKING | at a call of a bridge | | task | file | line |
/// | WAIT | when a wait is woken | nanoseconds, turn's precision | task that waits | what it waits for | job that wakes it; 0 for the kernel, a timer or another thread |
/// | TASK | when a task that the hub knows begins, and ends | | task | name of the task; null at its end | |
/// | REQUEST, ANSWER | when a request begins, and ends | | job | route; null if it has none | for REQUEST the number of its id, 0 if the client gave the id; for ANSWER the status |
/// | FETCH, FETCHED | when a fetch begins, and ends | | | origin; null for FETCHED | number of the fetch; for FETCHED also the status << 48, 0 without an answer |
/// | STALL | after a job that the watchdog has reported | ticks | job | | |
enum : uint32_t {
  TANDEM_EVENT_POLL = 1,
  TANDEM_EVENT_JOB,
  TANDEM_EVENT_SLICE,
  TANDEM_EVENT_TO_ASYNC,
  TANDEM_EVENT_TO_BLOCKING,
  TANDEM_EVENT_WAIT,
  TANDEM_EVENT_TASK,
  TANDEM_EVENT_REQUEST,
  TANDEM_EVENT_ANSWER,
  TANDEM_EVENT_FETCH,
  TANDEM_EVENT_FETCHED,
  TANDEM_EVENT_STALL,
};

typedef struct tandem_record {
  uint64_t ticks;
  uint64_t began;
  uint64_t subject;
  /// A string that is never freed, as an address; or 0.
  uint64_t name;
  uint64_t detail;
  /// The event in the lower half; in the upper half, for WAIT, the descriptor; -1 for none.
  uint64_t event;
} tandem_record;

/// The number of records of a ring. A power of 2.
enum { TANDEM_RECORDS = 65536 };

typedef struct tandem_recorder {
  /// Mapped by the hub's thread before the first job that is recorded.
  tandem_record *_Nullable records;
  /// The number of records written since the start. A reader may use it on any thread, atomically.
  uint64_t written;
  /// The job that runs, and the ticks at which it began. The job is 0 between jobs, and for one that began before recording did. Atomic.
  uint64_t job, job_began;
  /// The number of stalls at the end of the last job.
  uint64_t stalls;
} tandem_recorder;

/// Whether hubs record, and whether any hub counts calls of bridges. Use the functions below.
extern bool tandem_hubs_record __attribute__((visibility("hidden")));
extern bool tandem_bridges_are_counted __attribute__((visibility("hidden")));

/// Whether hubs record. Any thread. Two instructions: compilers load an atomic into a register before they compare it.
static inline bool tandem_is_recording(void) {
#if defined(__x86_64__)
  bool is_recording;
  __asm__ volatile("cmpb $0, %1" : "=@ccne"(is_recording) : "m"(tandem_hubs_record));
  return __builtin_expect(is_recording, 0);
#else
  return __builtin_expect(__atomic_load_n(&tandem_hubs_record, __ATOMIC_RELAXED), 0);
#endif
}

/// Whether calls of bridges are recorded, or counted by any hub. Any thread.
static inline bool tandem_watches_bridges(void) {
  return __atomic_load_n(&tandem_bridges_are_counted, __ATOMIC_RELAXED) || tandem_is_recording();
}

/// Starts counting bridge calls. Any thread.
void tandem_count_bridges(void);

/// Starts recording on all hubs. Each call needs a `tandem_stop_recording`. Any thread.
void tandem_start_recording(void);
void tandem_stop_recording(void);

/// Returns the time on the clock of records: the CPU's counter, or CLOCK_MONOTONIC where the kernel does not trust the counter. It may
/// be used once `tandem_start_recording` or `tandem_instant_now` has been called.
uint64_t tandem_ticks(void);

/// The present time on both clocks.
typedef struct tandem_instant {
  uint64_t ticks;
  uint64_t nanoseconds;
} tandem_instant;
tandem_instant tandem_instant_now(void);

/// Returns the number of records written. Any thread.
static inline uint64_t tandem_recorder_written(const tandem_recorder *recorder) {
  return __atomic_load_n(&recorder->written, __ATOMIC_ACQUIRE);
}

/// Returns the running job, and sets `*began` to the ticks at which it began; 0 between jobs. Any thread.
static inline uint64_t tandem_recorder_running(const tandem_recorder *recorder, uint64_t *began) {
  *began = __atomic_load_n(&recorder->job_began, __ATOMIC_RELAXED);
  return __atomic_load_n(&recorder->job, __ATOMIC_RELAXED);
}

/// Frees the ring. No reader may be left.
void tandem_recorder_free(tandem_recorder *recorder);

/// Copies the records from number `from` on, at most `count`, into `records`. Returns how many it has copied. Sets `*first` to the
/// number of the first of them, which is larger than `from` if the ring has lost records. Any thread.
size_t tandem_recorder_read(const tandem_recorder *recorder, uint64_t from, tandem_record *records, size_t count, uint64_t *first);

/* The following functions write a record on the hub of the calling thread, and do nothing on other threads. Call them only if
   `tandem_is_recording`. */

void tandem_record_poll(uint64_t began, uint64_t events, bool could_wait);
void tandem_record_slice(const tandem_fiber *fiber, uint64_t began);
void tandem_record_wait(const tandem_wait *wait);
/// Writes a record of an event that has no beginning.
void tandem_record_mark(uint32_t event, const void *_Nullable subject, const char *_Nullable name, uint64_t detail);
/// Writes such a record for the running job.
void tandem_record_mark_of_job(uint32_t event, const char *_Nullable name, uint64_t detail);

/// Called before a job runs.
void tandem_record_job_begins(const void *job);
/// Called when the job has ended. `stalls` is the number of stalls of the hub so far.
void tandem_record_job_ended(uint64_t stalls);

TANDEM_NONNULL_END
#endif
