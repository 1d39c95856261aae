#include "AllocationCount.h"

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

bool allocations_are_counted(void) { return false; }
uint64_t allocations_of_this_thread(void) { return 0; }
uint64_t allocated_bytes(void) { return 0; }

#else

#include <errno.h>
#include <malloc.h>
#include <stddef.h>

/* The dynamic linker prefers an executable's own symbols, so calls from shared libraries arrive here too. Each call is passed on
   to glibc, whose free() therefore needs no replacement. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

/* Initial-exec: finding it must not allocate. */
static _Thread_local uint64_t allocations __attribute__((tls_model("initial-exec")));

bool allocations_are_counted(void) { return true; }
uint64_t allocations_of_this_thread(void) { return allocations; }

uint64_t allocated_bytes(void) {
  struct mallinfo2 now = mallinfo2();
  return now.uordblks + now.hblkhd;
}

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  allocations++;
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (alignment < sizeof(void *) || (alignment & (alignment - 1))) return EINVAL;
  void *found = memalign(alignment, size);
  if (!found) return ENOMEM;
  *memory = found;
  return 0;
}

#endif
