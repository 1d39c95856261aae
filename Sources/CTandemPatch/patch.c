#define _GNU_SOURCE
#include "patch.h"

#include <pthread.h>
#include <string.h>

static uint32_t enabled;
static tandem_patch_hub hub;
static tandem_patch_counts counts[TANDEM_PATCH_COUNT];

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
static void in_child(void) { __atomic_store_n(&enabled, 0, __ATOMIC_RELAXED); }

void tandem_patch_enable(uint32_t areas, tandem_patch_hub new) {
  static bool is_registered;
  hub = new;
  if (!__atomic_exchange_n(&is_registered, true, __ATOMIC_SEQ_CST)) {
    pthread_atfork(NULL, NULL, in_child);
  }
  __atomic_store_n(&enabled, areas, __ATOMIC_RELEASE);
}

uint32_t tandem_patch_areas(void) { return __atomic_load_n(&enabled, __ATOMIC_RELAXED); }

const char *tandem_patch_name(uint32_t function) { return names[function]; }

static void add(uint64_t *count) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); }

tandem_patch_counts tandem_patch_count(uint32_t function) {
  tandem_patch_counts now = {
      __atomic_load_n(&counts[function].calls, __ATOMIC_RELAXED), __atomic_load_n(&counts[function].waits, __ATOMIC_RELAXED)};
  return now;
}

static const uint32_t areas_of[] = {
#define AREA(name, area) TANDEM_PATCH_##area,
    TANDEM_PATCH_FUNCTIONS(AREA)
#undef AREA
};

const char *tandem_patch_unbound(uint32_t areas) {
  Dl_info first, own;
  if (!dladdr((void *)(uintptr_t)tandem_patch_unbound, &own)) return names[0];
  for (int index = 0; index < TANDEM_PATCH_COUNT; index++) {
    if (!(areas_of[index] & areas)) continue;
    void *bound = dlsym(RTLD_DEFAULT, names[index]);
    /* Functions that are not libc's may be in no library of the process. */
    if (areas_of[index] == TANDEM_PATCH_QUEUES && !bound) continue;
    if (!bound || !dladdr(bound, &first) || first.dli_fbase != own.dli_fbase) return names[index];
    if (areas_of[index] != TANDEM_PATCH_QUEUES && !dlsym(RTLD_NEXT, names[index])) return names[index];
  }
  return areas & TANDEM_PATCH_QUEUES ? tandem_patch_unbound_queue() : NULL;
}

void tandem_patch_begin_original(void) {
  tandem_fiber *fiber = tandem_this_thread.current;
  if (fiber) fiber->unpatched++;
}

void tandem_patch_end_original(void) {
  tandem_fiber *fiber = tandem_this_thread.current;
  if (fiber) fiber->unpatched--;
}

bool tandem_patch_is_green(tandem_fiber *fiber, tandem_patch_function function, uint32_t area) {
  if (!(__atomic_load_n(&enabled, __ATOMIC_ACQUIRE) & area) || fiber->unpatched) return false;
  /* In another task that runs on this stack, such as one started by Task.immediate, the host frame cannot wait. */
  if (fiber->task != tandem_current_task()) return false;
  add(&counts[function].calls);
  return true;
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

tandem_patch_outcome tandem_patch_poll(
    tandem_patch_function function, const struct pollfd *entries, size_t count, uint64_t deadline) {
  add(&counts[function].waits);
  tandem_patch_outcome outcome = ON_HUB(hub.poll(entries, count, deadline, names[function]));
  if (outcome == tandem_patch_cancelled) errno = ECANCELED;
  return outcome;
}

bool tandem_patch_sleep(tandem_patch_function function, uint64_t deadline) {
  add(&counts[function].waits);
  return ON_HUB(hub.sleep(deadline, names[function]));
}

tandem_wait *tandem_patch_begin(tandem_patch_function function, uint64_t deadline) {
  return ON_HUB(hub.begin(deadline, names[function]));
}

bool tandem_patch_park(tandem_patch_function function, tandem_wait *wait) {
  add(&counts[function].waits);
  return ON_HUB(hub.park(wait));
}

void tandem_patch_end(tandem_wait *wait) { (void)ON_HUB(hub.end(wait)); }

void tandem_patch_offload(tandem_patch_function function, void (*job)(void *context), void *context) {
  add(&counts[function].waits);
  if (!ON_HUB(hub.offload(job, context))) job(context);
}

void tandem_patch_deadlock(const void *lock, const tandem_fiber *holder) { hub.deadlock(lock, holder); }
