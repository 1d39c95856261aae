/// Definitions of libc's blocking functions that park the calling green thread in place of its OS thread.
///
/// The executable exports them, so that the calls of all its libraries arrive here. Off a green stack, and until
/// `tandem_patch_enable`, each calls the function of libc.
#ifndef CTANDEMPATCH_H
#define CTANDEMPATCH_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "CTandem.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// The functions, by area. Each has counters.
#define TANDEM_PATCH_FUNCTIONS(F)                                                                                              \
  F(read, IO) F(readv, IO) F(write, IO) F(writev, IO) F(recv, IO) F(recvfrom, IO) F(recvmsg, IO) F(send, IO) F(sendto, IO)     \
  F(sendmsg, IO) F(connect, IO) F(accept, IO) F(accept4, IO) F(poll, IO) F(ppoll, IO) F(select, IO) F(pselect, IO)             \
  F(epoll_wait, IO) F(epoll_pwait, IO) F(sleep, TIME) F(usleep, TIME) F(nanosleep, TIME) F(clock_nanosleep, TIME)   \
  F(pthread_mutex_lock, LOCKS) F(pthread_mutex_trylock, LOCKS) F(pthread_mutex_timedlock, LOCKS)                               \
  F(pthread_mutex_clocklock, LOCKS) F(pthread_cond_wait, LOCKS) F(pthread_cond_timedwait, LOCKS)                               \
  F(pthread_cond_clockwait, LOCKS) F(sem_wait, LOCKS) F(sem_timedwait, LOCKS) F(sem_clockwait, LOCKS) F(syscall, LOCKS)  \
  F(pthread_once, LOCKS) F(dispatch_sync, QUEUES) F(dispatch_barrier_sync, QUEUES) F(dispatch_async_and_wait, QUEUES)          \
  F(dispatch_barrier_async_and_wait, QUEUES) F(getaddrinfo, NAMES) F(getnameinfo, NAMES) F(gethostbyname, NAMES)               \
  F(gethostbyname_r, NAMES) F(waitpid, PROCESSES) F(system, PROCESSES) F(pclose, PROCESSES) F(pthread_join, PROCESSES)         \
  F(flock, PROCESSES) F(sched_yield, TIME) F(CFRunLoopGetCurrent, QUEUES) F(CFRunLoopRunInMode, QUEUES)                        \
  F(CFRunLoopRun, QUEUES)

/// The areas that can be switched on, as bits.
enum {
  TANDEM_PATCH_IO = 1,
  TANDEM_PATCH_TIME = 2,
  TANDEM_PATCH_LOCKS = 4,
  TANDEM_PATCH_QUEUES = 8,
  TANDEM_PATCH_NAMES = 16,
  TANDEM_PATCH_PROCESSES = 32,
};

/// The index of each function: TANDEM_PATCH_read, …
typedef enum tandem_patch_function {
#define TANDEM_PATCH_INDEX(name, area) TANDEM_PATCH_##name,
  TANDEM_PATCH_FUNCTIONS(TANDEM_PATCH_INDEX)
#undef TANDEM_PATCH_INDEX
  TANDEM_PATCH_COUNT
} tandem_patch_function;

/// Why a wait of the hub ended.
typedef enum __attribute__((enum_extensibility(closed))) tandem_patch_outcome : int32_t {
  tandem_patch_ready,
  /// A file that is always ready, or one that the hub cannot wait for: call the function of libc.
  tandem_patch_always_ready,
  tandem_patch_timed_out,
  tandem_patch_cancelled,
} tandem_patch_outcome;

/// What the hub does for the functions. Deadlines are in nanoseconds of the hub's clock; UINT64_MAX means no deadline.
typedef struct tandem_patch_hub {
  tandem_patch_outcome (*poll)(const struct pollfd *_Nullable entries, size_t count, uint64_t deadline, const char *what);
  /// Returns false if the task has been cancelled.
  bool (*sleep)(uint64_t deadline, const char *what);
  /// Begins a wait that a cancellation does not end. Any thread may post TANDEM_WAKE_READY to it until `end`.
  struct tandem_wait *_Nonnull (*_Nonnull begin)(uint64_t deadline, const char *what);
  /// Parks the green thread. Returns false if the deadline has passed.
  bool (*park)(struct tandem_wait *wait);
  /// Runs `job(context)` on an OS thread, and parks the green thread until it has ended. Returns false if it did not run.
  bool (*offload)(void (*job)(void *context), void *context);
  /// Ends the process: code on the hub's own stack wants a lock that a green thread of the same hub holds. `holder` is null if it
  /// is not known.
  void (*deadlock)(const void *lock, const tandem_fiber *_Nullable holder);
  /// Ends the wait. Returns true.
  bool (*end)(struct tandem_wait *wait);
} tandem_patch_hub;

/// Switches these areas on, and all others off. Any thread. `hub` is used until the end of the process.
void tandem_patch_enable(uint32_t areas, tandem_patch_hub hub);

/// Returns the areas that are switched on.
uint32_t tandem_patch_areas(void);

/// Returns the name of a function.
const char *tandem_patch_name(uint32_t function);

/// The counts of a function since the start of the process.
typedef struct tandem_patch_counts {
  /// Calls that were made on a green stack.
  uint64_t calls;
  /// Waits on the hub.
  uint64_t waits;
} tandem_patch_counts;

/// Returns the counts of a function. Any thread.
tandem_patch_counts tandem_patch_count(uint32_t function);

/// Returns the name of the first function of these areas whose calls do not arrive here, because another definition of it stands
/// before this one or because libc does not have it; null if all calls arrive here.
const char *_Nullable tandem_patch_unbound(uint32_t areas);

/// Runs the functions of libc on this green stack until the matching `tandem_patch_end_original`. Off a green stack it does
/// nothing.
void tandem_patch_begin_original(void);
void tandem_patch_end_original(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
