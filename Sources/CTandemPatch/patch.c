#define _GNU_SOURCE
#include "owners.h"
#include "waiters.h"

#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

uint32_t tandem_patch_enabled;
static tandem_patch_hub hub;

static const char *const names[] = {
#define NAME(name, area) #name,
    TANDEM_PATCH_FUNCTIONS(NAME)
#undef NAME
};

void *tandem_patch_libc(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found) return found;
  /* stdio may call back into this library. */
  fprintf(stderr, "TandemPatch: libc has no %s here: a fully static executable cannot be patched\n", name);
  abort();
}

/* A child process has no hub: its calls block it, as they would anywhere. */
static void in_child(void) {
  __atomic_store_n(&tandem_patch_enabled, 0, __ATOMIC_RELAXED);
  reset_waiters();
}

void tandem_patch_enable(uint32_t areas, tandem_patch_hub new) {
  static bool is_registered;
  hub = new;
  if (!__atomic_exchange_n(&is_registered, true, __ATOMIC_SEQ_CST)) {
    pthread_atfork(NULL, NULL, in_child);
  }
  __atomic_store_n(&tandem_patch_enabled, areas, __ATOMIC_RELEASE);
}

uint32_t tandem_patch_areas(void) { return __atomic_load_n(&tandem_patch_enabled, __ATOMIC_RELAXED); }

const char *tandem_patch_name(uint32_t function) { return names[function]; }

/* MARK: Counters */

/* A function and the address that called it are one site. A table without removal: the first call of a site takes a free entry. */

enum { SITES = 2048, PROBES = 16 };

typedef struct site {
  /// The caller's address, with the number of the function in the lower 16 bits; 0 in a free entry.
  uint64_t key;
  tandem_patch_counts counts;
} __attribute__((aligned(64))) site;

static site sites[SITES];
/* The calls of a function for which no entry is free. */
static site others[TANDEM_PATCH_COUNT];

static void add(uint64_t *count) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); }

static inline uint64_t key_of(tandem_patch_function function, const void *caller) {
  return (uint64_t)(uintptr_t)caller << 16 | function;
}

/* Addresses of callers differ in their lower bits. */
static inline site *place_of(tandem_patch_function function, const void *caller, unsigned probe) {
  return &sites[(((uintptr_t)caller ^ (uintptr_t)function << 5) + probe) % SITES];
}

/// Finds the entry of a caller, or takes a free one.
static __attribute__((noinline)) site *look_up(tandem_patch_function function, const void *caller) {
  uint64_t key = key_of(function, caller);
  for (unsigned probe = 0; probe < PROBES; probe++) {
    site *site = place_of(function, caller, probe);
    uint64_t found = __atomic_load_n(&site->key, __ATOMIC_RELAXED);
    if (found == 0 && __atomic_compare_exchange_n(&site->key, &found, key, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return site;
    if (found == key) return site;
  }
  return &others[function];
}

static tandem_patch_counts read_counts(tandem_patch_counts *counts) {
  return (tandem_patch_counts){
      __atomic_load_n(&counts->calls, __ATOMIC_RELAXED), __atomic_load_n(&counts->waits, __ATOMIC_RELAXED),
      __atomic_load_n(&counts->offloads, __ATOMIC_RELAXED), __atomic_load_n(&counts->holds, __ATOMIC_RELAXED),
      __atomic_load_n(&counts->longest_hold, __ATOMIC_RELAXED)};
}

bool tandem_patch_read_site(uint32_t index, uint32_t *function, const void **caller, tandem_patch_counts *counts) {
  if (index >= SITES + TANDEM_PATCH_COUNT) return false;
  if (index >= SITES) {
    *function = index - SITES;
    *caller = NULL;
    *counts = read_counts(&others[index - SITES].counts);
    return true;
  }
  uint64_t key = __atomic_load_n(&sites[index].key, __ATOMIC_RELAXED);
  *function = (uint32_t)(key & 0xFFFF);
  *caller = (const void *)(uintptr_t)(key >> 16);
  *counts = read_counts(&sites[index].counts);
  return true;
}

static tandem_patch_counts *current_counts(void) { return &((site *)tandem_this_thread.current->patched_call)->counts; }

void tandem_patch_count_hold(uint64_t began) {
  int saved = errno;
  uint64_t length = tandem_real_nanoseconds() - began;
  tandem_patch_counts *counts = current_counts();
  add(&counts->holds);
  uint64_t longest = __atomic_load_n(&counts->longest_hold, __ATOMIC_RELAXED);
  while (length > longest &&
         !__atomic_compare_exchange_n(&counts->longest_hold, &longest, length, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
  errno = saved;
}

/* MARK: Bindings */

static const uint32_t areas_of[] = {
#define AREA(name, area) TANDEM_PATCH_##area,
    TANDEM_PATCH_FUNCTIONS(AREA)
#undef AREA
};

#ifdef TANDEM_PATCH_IS_LEFT_OUT

const char *tandem_patch_unbound(uint32_t areas) {
  for (int index = 0; index < TANDEM_PATCH_COUNT; index++)
    if (areas_of[index] & areas) return names[index];
  return NULL;
}

#else

/* The linker defines these. */
extern const char __start_tandem_patch_text[], __stop_tandem_patch_text[];

const char *tandem_patch_unbound(uint32_t areas) {
  for (int index = 0; index < TANDEM_PATCH_COUNT; index++) {
    /* Those of queues are not libc's, and may be in no library of the process. */
    if (!(areas_of[index] & areas) || areas_of[index] == TANDEM_PATCH_QUEUES) continue;
    const char *bound = dlsym(RTLD_DEFAULT, names[index]);
    if (bound < __start_tandem_patch_text || bound >= __stop_tandem_patch_text) return names[index];
    if (!dlsym(RTLD_NEXT, names[index])) return names[index];
  }
  return areas & TANDEM_PATCH_QUEUES ? tandem_patch_unbound_queue() : NULL;
}

#endif

void tandem_patch_begin_original(void) {
  tandem_fiber *fiber = tandem_this_thread.current;
  if (fiber) fiber->unpatched++;
}

void tandem_patch_end_original(void) {
  tandem_fiber *fiber = tandem_this_thread.current;
  if (fiber) fiber->unpatched--;
}

/* The rare cases have the signature of `tandem_patch_is_green`, which jumps to them and so needs no frame of its own. */

/// Lets other jobs run: a loop over poll with a descriptor that is always ready must not keep the hub from its other work. Not in calls
/// that transfer bytes, nor while the caller holds a lock that is known: async code may share a lock that is never held across a wait.
static __attribute__((noinline)) bool give_way(
    tandem_fiber *fiber, tandem_patch_function function, uint32_t area, const void *caller) {
  (void)area, (void)caller;
  if (function < TANDEM_PATCH_poll || function > TANDEM_PATCH_epoll_pwait2 || holds_any()) return true;
  int saved = errno;
  fiber->unpatched++;
  hub.give_way();
  fiber->unpatched--;
  errno = saved;
  return true;
}

/// The first call of a site, or one whose place is taken.
static __attribute__((noinline)) bool begin_other_call(
    tandem_fiber *fiber, tandem_patch_function function, uint32_t area, const void *caller) {
  site *site = look_up(function, caller);
  fiber->patched_call = site;
  if ((uint8_t)__atomic_fetch_add(&site->counts.calls, 1, __ATOMIC_RELAXED) != UINT8_MAX) return true;
  return give_way(fiber, function, area, caller);
}

bool tandem_patch_is_green(tandem_fiber *fiber, tandem_patch_function function, uint32_t area, const void *caller) {
  if (!is_enabled(area) || fiber->unpatched) return false;
  site *site = place_of(function, caller, 0);
  if (__builtin_expect(__atomic_load_n(&site->key, __ATOMIC_RELAXED) != key_of(function, caller), 0))
    __attribute__((musttail)) return begin_other_call(fiber, function, area, caller);
  fiber->patched_call = site;
  if (__builtin_expect((uint8_t)__atomic_fetch_add(&site->counts.calls, 1, __ATOMIC_RELAXED) == UINT8_MAX, 0))
    __attribute__((musttail)) return give_way(fiber, function, area, caller);
  return true;
}

/* MARK: Waiting on the hub */

/// Whether the caller can park. The host frame waits for the green thread's task only: another task on this stack, such as one started
/// by Task.immediate, blocks the hub's thread.
static bool can_park(void) { return tandem_this_thread.current->task == tandem_current_task(); }

void tandem_patch_block_briefly(uint64_t deadline) {
  uint64_t now = tandem_monotonic_nanoseconds(), rest = deadline > now ? deadline - now : 0;
  struct timespec time = {0, rest < 1000000 ? (long)rest : 1000000};
  tandem_kernel_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&time, 0, 0, 0);
}

/// As tandem_patch_poll, on this thread.
static tandem_patch_outcome block_in_poll(const struct pollfd *entries, size_t count, uint64_t deadline) {
  uint64_t now = tandem_monotonic_nanoseconds(), rest = deadline > now ? deadline - now : 0;
  struct timespec time = {(time_t)(rest / SECOND), (long)(rest % SECOND)};
  long found = tandem_kernel_call(SYS_ppoll, (long)entries, (long)count, deadline == NEVER ? 0 : (long)&time, 0, 8, 0);
  return found == 0 ? tandem_patch_timed_out : tandem_patch_ready;
}

/* While the hub's own code runs on the green stack, the locks that it or the Swift runtime takes are libc's: it must not wait in
   the middle of a change. The count is the fiber's, so that it does not hold for the fibers that run meanwhile. */
#define ON_HUB(call)                                                                                                           \
  ({                                                                                                                           \
    tandem_fiber *fiber = tandem_this_thread.current;                                                                          \
    int saved = errno;                                                                                                         \
    fiber->unpatched++;                                                                                                        \
    __typeof__(call) result = (call);                                                                                          \
    fiber->unpatched--;                                                                                                        \
    errno = saved;                                                                                                             \
    result;                                                                                                                    \
  })

/* A wait that is cancelled leaves its connection in the middle of an exchange. Libraries take an error of poll for harmless: libpq calls
   the connection good, and gives the next user of a pool the rows of the cancelled query. So the connection ends, and all later calls
   say so. Only a connection to a named peer: both ends of a socketpair are this process's own. */
static void shut_connection(int fd) {
  union {
    struct sockaddr any;
    struct sockaddr_storage all;
  } peer;
  socklen_t length = sizeof peer;
  int type = 0;
  socklen_t size = sizeof type;
  if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return;
  if (getpeername(fd, &peer.any, &length) == 0 && length > sizeof peer.any.sa_family) shutdown(fd, SHUT_RDWR);
}

tandem_patch_outcome tandem_patch_poll(
    tandem_patch_function function, const struct pollfd *entries, size_t count, uint64_t deadline) {
  if (!can_park()) return HOLDING(block_in_poll(entries, count, deadline));
  add(&current_counts()->waits);
  tandem_patch_outcome outcome = ON_HUB(hub.poll(entries, count, deadline, names[function]));
  if (outcome == tandem_patch_cancelled) {
    for (size_t index = 0; index < count; index++) shut_connection(entries[index].fd);
    errno = ECANCELED;
  }
  return outcome;
}

bool tandem_patch_sleep(tandem_patch_function function, uint64_t deadline) {
  if (!can_park()) return HOLDING(block_in_poll(NULL, 0, deadline)) == tandem_patch_timed_out;
  add(&current_counts()->waits);
  return ON_HUB(hub.sleep(deadline, names[function]));
}

tandem_wait *tandem_patch_begin(tandem_patch_function function, uint64_t deadline) {
  return can_park() ? ON_HUB(hub.begin(deadline, names[function])) : NULL;
}

bool tandem_patch_park(tandem_wait *wait) {
  add(&current_counts()->waits);
  return ON_HUB(hub.park(wait));
}

void tandem_patch_block(uint64_t deadline, const bool *is_over) {
  uint64_t began = tandem_real_nanoseconds();
  while (!__atomic_load_n(is_over, __ATOMIC_ACQUIRE) && tandem_monotonic_nanoseconds() < deadline) tandem_patch_block_briefly(deadline);
  tandem_patch_count_hold(began);
}

void tandem_patch_end(tandem_wait *wait) {
  if (wait) (void)ON_HUB(hub.end(wait));
}

uint64_t tandem_patch_next_try(uint64_t *pause, uint64_t deadline) {
  enum { first = 1000000, longest = 4000000 };
  *pause = *pause == 0 ? first : *pause < longest ? *pause * 2 : *pause;
  uint64_t until = after(*pause);
  return until < deadline ? until : deadline;
}

bool tandem_patch_retry(tandem_patch_function function, uint64_t *pause, uint64_t deadline, int expired) {
  if (tandem_monotonic_nanoseconds() >= deadline) {
    errno = expired;
    return false;
  }
  return tandem_patch_poll(function, NULL, 0, tandem_patch_next_try(pause, deadline)) != tandem_patch_cancelled;
}

bool tandem_patch_retry_deaf(tandem_patch_function function, uint64_t *pause, uint64_t deadline) {
  if (tandem_monotonic_nanoseconds() >= deadline) return false;
  uint64_t until = tandem_patch_next_try(pause, deadline);
  const bool never = false;
  tandem_wait *wait = tandem_patch_begin(function, until);
  if (wait) tandem_patch_park(wait);
  else tandem_patch_block(until, &never);
  tandem_patch_end(wait);
  return true;
}

typedef struct job {
  void (*run)(void *context);
  void *context;
  int error, host_error;
} job;

static void run_job(void *context) {
  job *job = context;
  errno = 0;
  job->run(job->context);
  job->error = errno;
  job->host_error = h_errno;
}

void tandem_patch_offload(void (*run)(void *context), void *context) {
  tandem_patch_counts *counts = current_counts();
  job job = {run, context, 0, 0};
  int saved = errno;
  add(&counts->offloads);
  if (!can_park() || !ON_HUB(hub.offload(run_job, &job))) {
    uint64_t began = tandem_real_nanoseconds();
    run_job(&job);
    tandem_patch_count_hold(began);
  }
  errno = job.error ? job.error : saved;
  h_errno = job.host_error;
}

void tandem_patch_deadlock(const void *lock, const tandem_fiber *holder) { hub.deadlock(lock, holder); }

uint64_t deadline_at(clockid_t clock, const struct timespec *time) {
  if (!time) return NEVER;
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) return NEVER;
  if (time->tv_sec < now.tv_sec || (time->tv_sec == now.tv_sec && time->tv_nsec <= now.tv_nsec)) return 0;
  uint64_t seconds = (uint64_t)(time->tv_sec - now.tv_sec);
  return seconds < NEVER / SECOND / 2 ? after(seconds * SECOND + (uint64_t)time->tv_nsec - (uint64_t)now.tv_nsec) : NEVER;
}
