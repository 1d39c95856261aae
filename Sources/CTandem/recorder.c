#define _GNU_SOURCE
#include "recorder.h"

#include <string.h>
#include <sys/mman.h>

#include "linux.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool tandem_hubs_record, tandem_bridges_are_counted;

void tandem_count_bridges(void) { __atomic_store_n(&tandem_bridges_are_counted, true, __ATOMIC_RELAXED); }

/* The number of calls of tandem_start_recording without a stop. It changes together with tandem_hubs_record, under a lock. */
static int watchers;
static bool watchers_locked;

static void change_watchers(int change) {
  while (__atomic_test_and_set(&watchers_locked, __ATOMIC_ACQUIRE)) {
  }
  watchers += change;
  __atomic_store_n(&tandem_hubs_record, watchers > 0, __ATOMIC_RELAXED);
  __atomic_clear(&watchers_locked, __ATOMIC_RELEASE);
}

void tandem_start_recording(void) { change_watchers(1); }
void tandem_stop_recording(void) { change_watchers(-1); }

/* MARK: the clock */

#if defined(__x86_64__)
/* Whether the time-stamp counter runs at a constant rate in all states of the CPU: CPUID 80000007h, EDX bit 8. */
static bool counter_is_constant(void) {
  unsigned a, b, c, d;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1 << 8);
}

static bool uses_counter;
__attribute__((constructor)) static void choose_clock(void) { uses_counter = counter_is_constant(); }

static inline uint64_t ticks(void) { return uses_counter ? __builtin_ia32_rdtsc() : tandem_real_nanoseconds(); }
#elif defined(__aarch64__)
static inline uint64_t ticks(void) {
  uint64_t count;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
}
#endif

uint64_t tandem_ticks(void) { return ticks(); }

/* Of several tries the one whose two readings of the counter are closest together. */
tandem_instant tandem_instant_now(void) {
  tandem_instant best = {0};
  uint64_t closest = UINT64_MAX;
  for (int tries = 0; tries < 8; tries++) {
    uint64_t before = ticks();
    uint64_t nanoseconds = tandem_real_nanoseconds();
    uint64_t distance = ticks() - before;
    if (distance >= closest) continue;
    closest = distance;
    best = (tandem_instant){.ticks = before + distance / 2, .nanoseconds = nanoseconds};
  }
  return best;
}

/* MARK: writing */

__attribute__((noinline)) static bool map_ring(tandem_recorder *recorder) {
  void *records = mmap(NULL, TANDEM_RECORDS * sizeof(tandem_record), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (records == MAP_FAILED) return false; /* without memory nothing is recorded */
  __atomic_store_n(&recorder->records, records, __ATOMIC_RELEASE);
  return true;
}

void tandem_recorder_free(tandem_recorder *recorder) {
  if (recorder->records) munmap(recorder->records, TANDEM_RECORDS * sizeof(tandem_record));
  recorder->records = NULL;
}

#define STORE(field, value) __atomic_store_n(&record->field, (value), __ATOMIC_RELAXED)

static inline void put(
    tandem_recorder *recorder, uint64_t event, uint64_t time, uint64_t began, uint64_t subject, uint64_t name, uint64_t detail) {
  if (__builtin_expect(!recorder->records, 0) && !map_ring(recorder)) return;
  uint64_t number = recorder->written;
  tandem_record *record = recorder->records + (number & (TANDEM_RECORDS - 1));
  /* The words of this record become visible after the number of the last one: see tandem_recorder_read. */
  __atomic_thread_fence(__ATOMIC_RELEASE);
  STORE(ticks, time);
  STORE(began, began);
  STORE(subject, subject);
  STORE(name, name);
  STORE(detail, detail);
  STORE(event, event);
  __atomic_store_n(&recorder->written, number + 1, __ATOMIC_RELEASE);
}

static inline tandem_recorder *own(void) { return tandem_this_thread.recorder; }

void tandem_record_poll(uint64_t began, uint64_t events, bool could_wait) {
  tandem_recorder *recorder = own();
  if (recorder) put(recorder, TANDEM_EVENT_POLL, ticks(), began, 0, 0, events << 1 | could_wait);
}

void tandem_record_slice(const tandem_fiber *fiber, uint64_t began) {
  tandem_recorder *recorder = own();
  if (recorder)
    put(recorder, TANDEM_EVENT_SLICE, ticks(), began, (uintptr_t)fiber->task, (uintptr_t)fiber->name,
        fiber->signal | fiber->number << 8);
}

void tandem_record_wait(const tandem_wait *wait) {
  tandem_recorder *recorder = own();
  if (recorder)
    put(recorder, TANDEM_EVENT_WAIT | (uint64_t)(uint32_t)wait->detail << 32, ticks(), wait->began, (uintptr_t)wait->task,
        (uintptr_t)wait->what, (uintptr_t)tandem_current_task());
}

void tandem_record_mark(uint32_t event, const void *subject, const char *name, uint64_t detail) {
  tandem_recorder *recorder = own();
  if (recorder) put(recorder, event, ticks(), 0, (uintptr_t)subject, (uintptr_t)name, detail);
}

uint64_t tandem_record_job_begins(const void *job) {
  uint64_t now = ticks();
  tandem_recorder *recorder = own();
  if (recorder) {
    __atomic_store_n(&recorder->job, (uintptr_t)job, __ATOMIC_RELAXED);
    __atomic_store_n(&recorder->job_began, now, __ATOMIC_RELAXED);
  }
  return now;
}

void tandem_record_job_ended(const void *job, uint64_t began, bool stalled) {
  tandem_recorder *recorder = own();
  if (!recorder) return;
  uint64_t now = ticks();
  __atomic_store_n(&recorder->job_began, 0, __ATOMIC_RELAXED);
  put(recorder, TANDEM_EVENT_JOB, now, began, (uintptr_t)job, 0, 0);
  if (stalled) put(recorder, TANDEM_EVENT_STALL, now, began, (uintptr_t)job, 0, 0);
}

/* MARK: reading */

/* The writer may overwrite a slot while it is copied. Afterwards the reader looks at `written` again: a slot whose record is
   TANDEM_RECORDS or more behind may have been overwritten, or may just be. */
size_t tandem_recorder_read(const tandem_recorder *recorder, uint64_t from, tandem_record *records, size_t count, uint64_t *first) {
  uint64_t written = __atomic_load_n(&recorder->written, __ATOMIC_ACQUIRE);
  const tandem_record *ring = __atomic_load_n(&recorder->records, __ATOMIC_ACQUIRE);
  uint64_t oldest = written > TANDEM_RECORDS - 1 ? written - (TANDEM_RECORDS - 1) : 0;
  uint64_t begin = from > oldest ? from : oldest;
  *first = begin;
  if (!ring || begin >= written) return 0;
  uint64_t end = written - begin > count ? begin + count : written;
  for (uint64_t number = begin; number < end; number++) {
    const uint64_t *source = (const uint64_t *)(ring + (number & (TANDEM_RECORDS - 1)));
    uint64_t *target = (uint64_t *)(records + (number - begin));
    for (size_t word = 0; word < sizeof(tandem_record) / sizeof(uint64_t); word++)
      target[word] = __atomic_load_n(source + word, __ATOMIC_RELAXED);
  }
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  written = __atomic_load_n(&recorder->written, __ATOMIC_RELAXED);
  oldest = written > TANDEM_RECORDS - 1 ? written - (TANDEM_RECORDS - 1) : 0;
  if (oldest <= begin) return end - begin;
  uint64_t lost = oldest < end ? oldest - begin : end - begin;
  memmove(records, records + lost, (end - begin - lost) * sizeof(tandem_record));
  *first = begin + lost;
  return end - begin - lost;
}
