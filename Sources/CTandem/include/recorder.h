/// The flight recorder: one ring per hub, into which the hub's thread writes what it does while somebody watches.
///
/// Each ring has one writer, the hub's thread, and any number of readers on any thread. Nobody takes a lock. A reader that is too
/// slow loses the oldest records, and learns how many.
#ifndef TANDEM_RECORDER_H
#define TANDEM_RECORDER_H

#include "linux.h"
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
/// | REQUEST | when a request begins | | job | route; null if it has none | number of its id; 0 if the client gave the id |
/// | ANSWER | when a request ends | | job | | status |
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
  /// The ring, of TANDEM_RECORDS.
  tandem_record *records;
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

#if defined(__x86_64__)
/// Whether the time-stamp counter runs at the same constant rate on all CPUs: the kernel lists it only then. Use `tandem_ticks`.
extern bool tandem_counter_is_steady __attribute__((visibility("hidden")));

/// Returns `tandem_real_nanoseconds`. It preserves the registers, so callers that read the counter save none for this call.
__attribute__((preserve_most, cold, noinline, visibility("hidden"))) uint64_t tandem_ticks_of_kernel(void);
#endif

/// Returns the time on the clock of records: the CPU's counter, or CLOCK_MONOTONIC where the kernel does not trust the counter. It may
/// be used once `tandem_start_recording` or `tandem_instant_now` has been called.
static inline uint64_t tandem_ticks(void) {
#if defined(__x86_64__)
  return __builtin_expect(tandem_counter_is_steady, 1) ? __builtin_ia32_rdtsc() : tandem_ticks_of_kernel();
#elif defined(__aarch64__)
  uint64_t count;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
#endif
}

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

/// Copies the records from number `from` on, at most `count`, into `records`. Returns how many it has copied. Sets `*first` to the
/// number of the first of them, which is larger than `from` if the ring has lost records. Any thread.
size_t tandem_recorder_read(const tandem_recorder *recorder, uint64_t from, tandem_record *records, size_t count, uint64_t *first);

/* The following functions write records. Call them only on the recorder's hub, and only if `tandem_is_recording`. They are inline,
   because a call and its frame would add a third to the instructions of a record. */

/// Writes a record of the event, with the present time.
static inline void tandem_record_event(tandem_recorder *recorder, tandem_record event) {
  uint64_t number = recorder->written;
  tandem_record *record = recorder->records + (number & (TANDEM_RECORDS - 1));
  event.ticks = tandem_ticks();
  /* The words of this record become visible after the number of the last one: see tandem_recorder_read. */
  __atomic_thread_fence(__ATOMIC_RELEASE);
  __atomic_store_n(&record->ticks, event.ticks, __ATOMIC_RELAXED);
  __atomic_store_n(&record->began, event.began, __ATOMIC_RELAXED);
  __atomic_store_n(&record->subject, event.subject, __ATOMIC_RELAXED);
  __atomic_store_n(&record->name, event.name, __ATOMIC_RELAXED);
  __atomic_store_n(&record->detail, event.detail, __ATOMIC_RELAXED);
  __atomic_store_n(&record->event, event.event, __ATOMIC_RELAXED);
  __atomic_store_n(&recorder->written, number + 1, __ATOMIC_RELEASE);
}

/// Called when the kernel has answered.
static inline void tandem_record_poll(tandem_recorder *recorder, uint64_t began, size_t events, bool could_wait) {
  tandem_record_event(recorder, (tandem_record){.began = began, .detail = events << 1 | could_wait, .event = TANDEM_EVENT_POLL});
}

/// Called before a job runs.
static inline void tandem_record_job_begins(tandem_recorder *recorder, const void *job) {
  __atomic_store_n(&recorder->job, (uintptr_t)job, __ATOMIC_RELAXED);
  __atomic_store_n(&recorder->job_began, tandem_ticks(), __ATOMIC_RELAXED);
}

/// Records that the watchdog has reported the job that ends.
void tandem_record_stall(tandem_recorder *recorder, uint64_t stalls);

/// Called when the job has ended. `stalls` is the number of stalls of the hub so far.
static inline void tandem_record_job_ended(tandem_recorder *recorder, uint64_t stalls) {
  if (__builtin_expect(recorder->stalls != stalls, 0)) tandem_record_stall(recorder, stalls);
  uint64_t job = recorder->job;
  __atomic_store_n(&recorder->job, 0, __ATOMIC_RELAXED);
  tandem_record_event(recorder, (tandem_record){.began = recorder->job_began, .subject = job, .event = TANDEM_EVENT_JOB});
}

/* The following functions use the recorder of the calling thread's hub. On a thread without a hub they do nothing. */

/// Called when the green thread has returned control.
static inline void tandem_record_slice(const tandem_fiber *fiber, uint64_t began) {
  tandem_recorder *recorder = tandem_this_thread.recorder;
  if (!recorder) return;
  tandem_record_event(
      recorder, (tandem_record){
                    .began = began,
                    .subject = (uintptr_t)fiber->task,
                    .name = (uintptr_t)fiber->name,
                    .detail = fiber->signal | fiber->number << 8,
                    .event = TANDEM_EVENT_SLICE});
}

/// Called when the wait is woken. Not inline, because waits are woken in many places.
void tandem_record_wait(const tandem_wait *wait);

/// Writes a record of an event that has no beginning.
static inline void tandem_record_mark(
    uint32_t event, const void *_Nullable subject, const char *_Nullable name, uint64_t detail) {
  tandem_recorder *recorder = tandem_this_thread.recorder;
  if (!recorder) return;
  tandem_record_event(
      recorder, (tandem_record){.subject = (uintptr_t)subject, .name = (uintptr_t)name, .detail = detail, .event = event});
}

/// Writes such a record for the running job.
static inline void tandem_record_mark_of_job(uint32_t event, const char *_Nullable name, uint64_t detail) {
  tandem_recorder *recorder = tandem_this_thread.recorder;
  if (!recorder) return;
  tandem_record_event(
      recorder, (tandem_record){.subject = recorder->job, .name = (uintptr_t)name, .detail = detail, .event = event});
}

TANDEM_NONNULL_END
#endif
