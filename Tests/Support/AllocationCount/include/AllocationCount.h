/// Counts each thread's allocations, for tests: it replaces the malloc of the executable that it is linked into.
#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/// Whether allocations are counted: not under the sanitizers, which have their own allocators.
bool allocations_are_counted(void);

/// The number of calls of malloc and its relatives by the calling thread, from any code: this, Swift's runtime, libc.
uint64_t allocations_of_this_thread(void);

/// The number of bytes that are allocated in this process and not freed.
uint64_t allocated_bytes(void);

#endif
