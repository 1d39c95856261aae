#define _GNU_SOURCE
#include "recorder.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

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
bool tandem_counter_is_steady;

__attribute__((preserve_most)) uint64_t tandem_ticks_of_kernel(void) { return tandem_real_nanoseconds(); }

static void choose_clock(void) {
  char sources[256];
  int fd = open("/sys/devices/system/clocksource/clocksource0/available_clocksource", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, sources, sizeof sources - 1);
  close(fd);
  sources[length > 0 ? length : 0] = 0;
  for (char *rest, *source = strtok_r(sources, " \n", &rest); source; source = strtok_r(NULL, " \n", &rest))
    if (strcmp(source, "tsc") == 0) tandem_counter_is_steady = true;
}
#elif defined(__aarch64__)
static void choose_clock(void) {}
#endif

static void choose_clock_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose_clock);
}

/* Of several tries the one whose two readings of the counter are closest together. */
tandem_instant tandem_instant_now(void) {
  choose_clock_once();
  tandem_instant best = {0};
  uint64_t closest = UINT64_MAX;
  for (int tries = 0; tries < 8; tries++) {
    uint64_t before = tandem_ticks();
    uint64_t nanoseconds = tandem_real_nanoseconds();
    uint64_t distance = tandem_ticks() - before;
    if (distance >= closest) continue;
    closest = distance;
    best = (tandem_instant){.ticks = before + distance / 2, .nanoseconds = nanoseconds};
  }
  return best;
}

/* MARK: writing */

void tandem_record_wait(const tandem_wait *wait) {
  tandem_recorder *recorder = tandem_this_thread.recorder;
  if (!recorder) return;
  tandem_record_event(
      recorder, (tandem_record){
                    .began = wait->began,
                    .subject = (uintptr_t)wait->task,
                    .name = (uintptr_t)wait->what,
                    .detail = recorder->job,
                    .event = TANDEM_EVENT_WAIT | (uint64_t)(uint32_t)wait->detail << 32});
}

void tandem_record_stall(tandem_recorder *recorder, uint64_t stalls) {
  recorder->stalls = stalls;
  tandem_record_event(
      recorder, (tandem_record){.began = recorder->job_began, .subject = recorder->job, .event = TANDEM_EVENT_STALL});
}

/* MARK: reading */

/* The writer may overwrite a slot while it is copied. Afterwards the reader looks at `written` again: a slot whose record is
   TANDEM_RECORDS or more behind may have been overwritten, or may just be. */
size_t tandem_recorder_read(const tandem_recorder *recorder, uint64_t from, tandem_record *records, size_t count, uint64_t *first) {
  uint64_t written = __atomic_load_n(&recorder->written, __ATOMIC_ACQUIRE);
  uint64_t oldest = written > TANDEM_RECORDS - 1 ? written - (TANDEM_RECORDS - 1) : 0;
  uint64_t begin = from > oldest ? from : oldest;
  *first = begin;
  if (begin >= written) return 0;
  uint64_t end = written - begin > count ? begin + count : written;
  for (uint64_t number = begin; number < end; number++) {
    const uint64_t *source = (const uint64_t *)(recorder->records + (number & (TANDEM_RECORDS - 1)));
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
