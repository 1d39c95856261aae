/// Counts what each thread allocates, for tests: the executable that this is linked into has its malloc counted.
#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/// Whether anything is counted: not under the sanitizers, which bring an allocator of their own.
bool allocations_are_counted(void);

/// How often the calling thread has called malloc or one of its kind, whoever called: this code, Swift's runtime, libc.
uint64_t allocations_of_this_thread(void);

/// Bytes that are allocated now in this process and not freed.
uint64_t allocated_bytes(void);

#endif
