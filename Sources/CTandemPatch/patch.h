/// What the definitions share.
#ifndef TANDEM_PATCH_H
#define TANDEM_PATCH_H

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "CTandem.h"
#include "CTandemPatch.h"

/* The thread sanitizer defines the same functions, and does not work without its own. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TANDEM_PATCH_IS_LEFT_OUT 1
#endif
#endif

/* This library is linked into other people's executables: its helpers have names of their own there, and are not exported. */
#define PRIVATE(name) __asm__("tandem_patch_" #name) __attribute__((visibility("hidden")))

/* Nanoseconds. */
#define NEVER UINT64_MAX
#define SECOND 1000000000ull

/* The address of libc's function is looked up at its first call: constructors of libraries call before any code of ours runs. The
   definitions are weak, so that a program that defines one of these functions itself can be linked, and they are in a section of their
   own, by which `tandem_patch_unbound` recognizes them. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
/* The address sanitizer's own definitions are weak too, and come first. */
#define PATCHED __attribute__((section("tandem_patch_text")))
#endif
#endif
#ifndef PATCHED
#define PATCHED __attribute__((weak, section("tandem_patch_text")))
#endif
void *tandem_patch_libc(const char *name);
#define REAL(type, name, parameters, arguments)                                                                                \
  type name parameters PATCHED;                                                                                                \
  LOOKED_UP(type, name, parameters, arguments)
#define LOOKED_UP(type, name, parameters, arguments)                                                                           \
  static type look_up_##name parameters;                                                                                       \
  static type(*real_##name) parameters = look_up_##name;                                                                       \
  static type look_up_##name parameters {                                                                                      \
    real_##name = (type(*) parameters)tandem_patch_libc(#name);                                                                \
    return real_##name arguments;                                                                                              \
  }

/* Defines a function whose work on a green stack follows as `green_NAME`. Elsewhere it costs a load, a branch and two jumps. Both calls
   are jumps, so the return address in `green_NAME` is that of the caller. */
#define PATCH(type, name, parameters, arguments)                                                                               \
  REAL(type, name, parameters, arguments)                                                                                      \
  static type green_##name parameters;                                                                                         \
  type name parameters {                                                                                                       \
    if (__builtin_expect(tandem_this_thread.current != NULL, 0)) __attribute__((musttail)) return green_##name arguments;      \
    __attribute__((musttail)) return real_##name arguments;                                                                    \
  }

/// Returns the name of a function of libdispatch or CoreFoundation that the executable itself contains, so that calls arrive there
/// and not here; null if all calls arrive here.
const char *tandem_patch_unbound_queue(void);
const char *tandem_patch_unbound_loop(void);

/* In a static build the library's own definition takes the place of the weak one, unless the linker has wrapped it. */
#define CHECK(name)                                                                                                            \
  if ((void *)(uintptr_t)name != (void *)(uintptr_t)own_##name && !__real_##name) return #name;

/// Out of line: the caller is on a green stack. Returns whether the call waits on the hub, and counts it.
bool tandem_patch_is_green(tandem_fiber *fiber, tandem_patch_function function, uint32_t area, const void *caller);

/// Whether the calling function must wait on the hub. Only for the functions that take libc's place and for `green_NAME`: their return
/// address is the caller that the report names. The caller must be on a green stack.
#define IS_GREEN(name, area)                                                                                                   \
  tandem_patch_is_green(tandem_this_thread.current, TANDEM_PATCH_##name, TANDEM_PATCH_##area, __builtin_return_address(0))
/// The same on any stack.
#define IS_CALLED_GREEN(name, area) (__builtin_expect(tandem_this_thread.current != NULL, 0) && IS_GREEN(name, area))

/// Evaluates a call of libc that may block this thread on a green stack because there is no other way, and counts the hold.
#define HOLDING(call)                                                                                                          \
  ({                                                                                                                           \
    uint64_t began = tandem_real_nanoseconds();                                                                                \
    __typeof__(call) held_result = (call);                                                                                     \
    tandem_patch_count_hold(began);                                                                                            \
    held_result;                                                                                                               \
  })
/// Counts a call that has blocked this thread since `began`, on CLOCK_MONOTONIC. Does not change errno.
void tandem_patch_count_hold(uint64_t began);

/// Waits on the hub for one of the entries. Counts the wait. If the task has been cancelled, shuts down the connections among the
/// entries and sets errno to ECANCELED; leaves errno unchanged otherwise.
tandem_patch_outcome tandem_patch_poll(
    tandem_patch_function function, const struct pollfd *entries, size_t count, uint64_t deadline);

/// Whether the descriptor has one of these events now.
bool is_ready(int fd, short events) PRIVATE(is_ready);

/// Waits on the hub until the deadline. Returns false if the task has been cancelled. Does not change errno.
bool tandem_patch_sleep(tandem_patch_function function, uint64_t deadline);

/// Returns when the next try is due: a little later each time, and no later than the deadline. `pause` begins at 0.
uint64_t tandem_patch_next_try(uint64_t *pause, uint64_t deadline);

/// For something that nobody tells of when it changes: waits on the hub, a little longer each time. `pause` begins at 0. Returns false
/// with errno set to ECANCELED if the task has been cancelled, or to `expired` if the deadline has passed.
bool tandem_patch_retry(tandem_patch_function function, uint64_t *pause, uint64_t deadline, int expired);
/// The same for waits that a cancellation does not end. Returns false if the deadline has passed. Does not change errno.
bool tandem_patch_retry_deaf(tandem_patch_function function, uint64_t *pause, uint64_t deadline);

/// Runs `job(context)` on an OS thread of the pool and parks, or on this thread if the pool is full. errno and h_errno are those that
/// the job leaves. A cancellation does not end it: libc may write to the caller's memory until the job has ended.
void tandem_patch_offload(void (*job)(void *context), void *context);

/// Begins a wait on the hub that a cancellation does not end. Returns null if the caller cannot park: then `tandem_patch_block` waits.
tandem_wait *tandem_patch_begin(tandem_patch_function function, uint64_t deadline);
/// Parks until the wait is woken. Counts the wait. Returns false if its deadline has passed. Does not change errno.
bool tandem_patch_park(tandem_wait *wait);
/// Blocks this thread until the flag is set or the deadline has passed.
void tandem_patch_block(uint64_t deadline, const bool *is_over);
/// Ends a wait, whether or not it was parked on.
void tandem_patch_end(tandem_wait *wait);

extern uint32_t tandem_patch_enabled __attribute__((visibility("hidden")));

/// Whether the area is switched on.
static inline bool is_enabled(uint32_t area) { return __atomic_load_n(&tandem_patch_enabled, __ATOMIC_ACQUIRE) & area; }

/// Whether the caller is async code of a hub, on the hub's own stack, with locks switched on.
static inline bool is_on_hubs_stack(void) {
  return __builtin_expect(tandem_this_thread.hub != NULL, 0) && !tandem_this_thread.current && is_enabled(TANDEM_PATCH_LOCKS);
}

/// Tells the processor that this is a loop that waits for another one.
static inline void pause_processor(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("yield");
#endif
}

/// Blocks this thread for a millisecond, or until the deadline.
void tandem_patch_block_briefly(uint64_t deadline);

/* The body of a function that differs on all stacks of a hub's thread. Both calls are jumps. */
#define ON_HUBS(hubs, libc)                                                                                                    \
  if (__builtin_expect(tandem_this_thread.hub != NULL, 0)) __attribute__((musttail)) return hubs;                              \
  __attribute__((musttail)) return libc;

/// Ends the process with a report: the caller waits for a green thread that cannot run before the caller has returned.
void tandem_patch_deadlock(const void *lock, const tandem_fiber *holder);

/// Returns the deadline that is this long from now on the hub's clock.
static inline uint64_t after(uint64_t nanoseconds) {
  uint64_t now = tandem_monotonic_nanoseconds();
  return nanoseconds < NEVER - now ? now + nanoseconds : NEVER;
}

/// Returns the hub's deadline for a time on a clock; for a null time, none.
uint64_t deadline_at(clockid_t clock, const struct timespec *time) PRIVATE(deadline_at);

/// Returns the hub's deadline for a time from now; for a null time, none.
static inline uint64_t deadline_in(const struct timespec *time) {
  if (!time || (uint64_t)time->tv_sec >= NEVER / SECOND) return NEVER;
  return after((uint64_t)time->tv_sec * SECOND + (uint64_t)time->tv_nsec);
}

/// Whether libc must refuse this time from now.
static inline bool is_invalid_interval(const struct timespec *time) {
  return time && (time->tv_sec < 0 || (uint64_t)time->tv_nsec >= SECOND);
}

/// Whether libc must refuse this time on a clock.
static inline bool is_invalid_time(const struct timespec *time) { return time && (uint64_t)time->tv_nsec >= SECOND; }

#endif
