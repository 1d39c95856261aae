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
  F(read, IO) F(readv, IO) F(write, IO) F(writev, IO) F(recv, IO) F(recvfrom, IO) F(recvmsg, IO) F(recvmmsg, IO) F(send, IO)   \
  F(sendto, IO) F(sendmsg, IO) F(sendmmsg, IO) F(connect, IO) F(accept, IO) F(accept4, IO) F(poll, IO) F(ppoll, IO)            \
  F(select, IO) F(pselect, IO) F(epoll_wait, IO) F(epoll_pwait, IO) F(epoll_pwait2, IO) F(preadv2, IO) F(pwritev2, IO)         \
  F(sendfile, IO) F(splice, IO) F(tee, IO) F(vmsplice, IO) F(open, IO) F(openat, IO) F(mq_receive, IO)                         \
  F(mq_timedreceive, IO) F(mq_send, IO) F(mq_timedsend, IO) F(msgrcv, IO) F(msgsnd, IO) F(semop, IO) F(semtimedop, IO)         \
  F(fgetc, IO) F(getc, IO) F(getchar, IO) F(fgets, IO) F(fread, IO) F(getdelim, IO) F(getline, IO) F(__uflow, IO) F(__overflow, IO) \
  F(__isoc99_vfscanf, IO) F(__isoc99_fscanf, IO) F(__isoc99_scanf, IO) F(fwrite, IO) F(fputs, IO) F(puts, IO) F(fputc, IO)     \
  F(putc, IO) F(putchar, IO) F(fflush, IO) F(fclose, IO) F(vfprintf, IO) F(fprintf, IO) F(printf, IO) F(vprintf, IO)           \
  F(flockfile, IO) F(ftrylockfile, IO) F(sleep, TIME) F(usleep, TIME) F(nanosleep, TIME) F(clock_nanosleep, TIME)              \
  F(sched_yield, TIME) F(pthread_mutex_lock, LOCKS) F(pthread_mutex_trylock, LOCKS) F(pthread_mutex_timedlock, LOCKS)          \
  F(pthread_mutex_clocklock, LOCKS) F(pthread_cond_wait, LOCKS) F(pthread_cond_timedwait, LOCKS)                               \
  F(pthread_cond_clockwait, LOCKS) F(pthread_rwlock_rdlock, LOCKS) F(pthread_rwlock_wrlock, LOCKS)                             \
  F(pthread_rwlock_tryrdlock, LOCKS) F(pthread_rwlock_trywrlock, LOCKS) F(pthread_rwlock_timedrdlock, LOCKS)                   \
  F(pthread_rwlock_timedwrlock, LOCKS) F(pthread_rwlock_clockrdlock, LOCKS) F(pthread_rwlock_clockwrlock, LOCKS)               \
  F(pthread_barrier_wait, LOCKS) F(pthread_barrier_destroy, LOCKS) F(sem_wait, LOCKS) F(sem_timedwait, LOCKS)                  \
  F(sem_clockwait, LOCKS) F(pthread_once, LOCKS) F(call_once, LOCKS) F(syscall, LOCKS) F(dispatch_sync, QUEUES)                \
  F(dispatch_barrier_sync, QUEUES) F(dispatch_async_and_wait, QUEUES) F(dispatch_barrier_async_and_wait, QUEUES)               \
  F(CFRunLoopGetCurrent, QUEUES) F(CFRunLoopRunInMode, QUEUES) F(CFRunLoopRun, QUEUES)               \
  F(getaddrinfo, NAMES) F(getnameinfo, NAMES) F(gethostbyname, NAMES) F(gethostbyname_r, NAMES) F(gethostbyname2, NAMES)       \
  F(gethostbyname2_r, NAMES) F(gethostbyaddr, NAMES) F(gethostbyaddr_r, NAMES) F(res_query, NAMES) F(res_search, NAMES)        \
  F(res_nquery, NAMES) F(res_nsearch, NAMES) F(getpwnam, NAMES) F(getpwuid, NAMES) F(getgrnam, NAMES) F(getgrgid, NAMES)       \
  F(getpwnam_r, NAMES) F(getpwuid_r, NAMES) F(getgrnam_r, NAMES) F(getgrgid_r, NAMES) F(getgrouplist, NAMES)                   \
  F(wait, PROCESSES) F(waitpid, PROCESSES) F(wait3, PROCESSES) F(wait4, PROCESSES) F(waitid, PROCESSES) F(system, PROCESSES)   \
  F(pclose, PROCESSES) F(pthread_join, PROCESSES) F(pthread_timedjoin_np, PROCESSES) F(pthread_clockjoin_np, PROCESSES)        \
  F(sigwait, PROCESSES) F(sigwaitinfo, PROCESSES) F(sigtimedwait, PROCESSES) F(flock, PROCESSES) F(lockf, PROCESSES)           \
  F(fcntl, PROCESSES) F(pread, FILES) F(pwrite, FILES) F(preadv, FILES) F(pwritev, FILES) F(fsync, FILES)                      \
  F(fdatasync, FILES) F(syncfs, FILES) F(sync_file_range, FILES) F(copy_file_range, FILES)

/// The areas that can be switched on, as bits.
enum {
  TANDEM_PATCH_IO = 1,
  TANDEM_PATCH_TIME = 2,
  TANDEM_PATCH_LOCKS = 4,
  TANDEM_PATCH_QUEUES = 8,
  TANDEM_PATCH_NAMES = 16,
  TANDEM_PATCH_PROCESSES = 32,
  TANDEM_PATCH_FILES = 64,
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
  /// Lets other jobs run if the caller has run for long. Does nothing if it cannot park.
  void (*give_way)(void);
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

/// The counts of one caller of a function since the start of the process.
typedef struct tandem_patch_counts {
  /// Calls that were made on a green stack.
  uint64_t calls;
  /// Waits on the hub.
  uint64_t waits;
  /// Calls that an OS thread of the pool has made.
  uint64_t offloads;
  /// Calls of libc that may have blocked the hub's thread, and the longest time that one took, in nanoseconds.
  uint64_t holds, longest_hold;
} tandem_patch_counts;

/// Reads the counts of one function and one address that calls it; a null `caller` stands for all addresses beyond the table's
/// capacity. Entries without calls are unused. Returns false at the end of the table. Any thread.
bool tandem_patch_read_site(
    uint32_t index, uint32_t *function, const void *_Nullable *_Nonnull caller, tandem_patch_counts *counts);

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
