#define _GNU_SOURCE
#include "recorder.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "linux.h"

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

static void choose_clock_once(void);

void tandem_start_recording(void) {
  choose_clock_once();
  change_watchers(1);
}

void tandem_stop_recording(void) { change_watchers(-1); }

/* MARK: the clock */

#if defined(__x86_64__)
/* Whether the time-stamp counter runs at the same constant rate on all CPUs: the kernel lists it only then. */
static bool uses_counter;

static void choose_clock(void) {
  char sources[256];
  int fd = open("/sys/devices/system/clocksource/clocksource0/available_clocksource", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, sources, sizeof sources - 1);
  close(fd);
  sources[length > 0 ? length : 0] = 0;
  for (char *rest, *source = strtok_r(sources, " \n", &rest); source; source = strtok_r(NULL, " \n", &rest))
    if (strcmp(source, "tsc") == 0) uses_counter = true;
}

static inline bool has_counter(void) { return __builtin_expect(uses_counter, 1); }
static inline uint64_t counter(void) { return __builtin_ia32_rdtsc(); }
#elif defined(__aarch64__)
static void choose_clock(void) {}

static inline bool has_counter(void) { return true; }
static inline uint64_t counter(void) {
  uint64_t count;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
}
#endif

static inline uint64_t ticks(void) { return has_counter() ? counter() : tandem_real_nanoseconds(); }

static void choose_clock_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose_clock);
}

uint64_t tandem_ticks(void) { return ticks(); }

/* Of several tries the one whose two readings of the counter are closest together. */
tandem_instant tandem_instant_now(void) {
  choose_clock_once();
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

/* The functions below have no frame of their own on their usual path: what is rare is a tail call. */
#define RARE __attribute__((noinline, cold))

#define STORE(field, value) __atomic_store_n(&record->field, (value), __ATOMIC_RELAXED)

static inline void store(
    tandem_recorder *recorder, uint64_t event, uint64_t time, uint64_t began, uint64_t subject, uint64_t name, uint64_t detail) {
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

RARE static void store_with_kernels_clock(
    tandem_recorder *recorder, uint64_t event, uint64_t began, uint64_t subject, uint64_t name, uint64_t detail) {
  store(recorder, event, ticks(), began, subject, name, detail);
}

/* Writes a record, if the hub has a ring. */
static inline void put(
    tandem_recorder *recorder, uint64_t event, uint64_t began, uint64_t subject, uint64_t name, uint64_t detail) {
  if (!recorder || !recorder->records) return;
  if (!has_counter()) return store_with_kernels_clock(recorder, event, began, subject, name, detail);
  store(recorder, event, counter(), began, subject, name, detail);
}

static inline tandem_recorder *own(void) { return tandem_this_thread.recorder; }

void tandem_record_poll(uint64_t began, uint64_t events, bool could_wait) {
  put(own(), TANDEM_EVENT_POLL, began, 0, 0, events << 1 | could_wait);
}

void tandem_record_slice(const tandem_fiber *fiber, uint64_t began) {
  put(own(), TANDEM_EVENT_SLICE, began, (uintptr_t)fiber->task, (uintptr_t)fiber->name, fiber->signal | fiber->number << 8);
}

void tandem_record_wait(const tandem_wait *wait) {
  tandem_recorder *recorder = own();
  if (!recorder) return;
  put(recorder, TANDEM_EVENT_WAIT | (uint64_t)(uint32_t)wait->detail << 32, wait->began, (uintptr_t)wait->task,
      (uintptr_t)wait->what, recorder->job);
}

void tandem_record_mark(uint32_t event, const void *subject, const char *name, uint64_t detail) {
  put(own(), event, 0, (uintptr_t)subject, (uintptr_t)name, detail);
}

void tandem_record_mark_of_job(uint32_t event, const char *name, uint64_t detail) {
  tandem_recorder *recorder = own();
  if (recorder) put(recorder, event, 0, recorder->job, (uintptr_t)name, detail);
}

RARE static void map_ring(tandem_recorder *recorder) {
  void *records = mmap(NULL, TANDEM_RECORDS * sizeof(tandem_record), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (records != MAP_FAILED) __atomic_store_n(&recorder->records, records, __ATOMIC_RELEASE); /* else nothing is recorded */
}

void tandem_record_job_begins(const void *job) {
  tandem_recorder *recorder = own();
  if (!recorder) return;
  if (__builtin_expect(!recorder->records, 0)) map_ring(recorder);
  __atomic_store_n(&recorder->job, (uintptr_t)job, __ATOMIC_RELAXED);
  __atomic_store_n(&recorder->job_began, ticks(), __ATOMIC_RELAXED);
}

RARE static void write_stall(tandem_recorder *recorder, uint64_t stalls) {
  recorder->stalls = stalls;
  put(recorder, TANDEM_EVENT_STALL, recorder->job_began, recorder->job, 0, 0);
}

void tandem_record_job_ended(uint64_t stalls) {
  tandem_recorder *recorder = own();
  if (!recorder) return;
  if (__builtin_expect(recorder->stalls != stalls, 0)) write_stall(recorder, stalls);
  uint64_t job = recorder->job;
  uint64_t began = recorder->job_began;
  __atomic_store_n(&recorder->job, 0, __ATOMIC_RELAXED);
  put(recorder, TANDEM_EVENT_JOB, began, job, 0, 0);
}

void tandem_recorder_free(tandem_recorder *recorder) {
  if (recorder->records) munmap(recorder->records, TANDEM_RECORDS * sizeof(tandem_record));
  recorder->records = NULL;
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
