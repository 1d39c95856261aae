/// Stacks for fibers: slabs of equal stacks, each with a guard below, handed out last used first.
#ifndef TANDEM_STACK_H
#define TANDEM_STACK_H

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// One hub's stacks. Not thread-safe: only its hub's thread may use it.
typedef struct tandem_stack_pool {
  tandem_fiber *_Nullable free;
  /// Stacks given back since they were trimmed.
  tandem_fiber *_Nullable used;
  /// Bytes a stack, without its guard; a multiple of the page size.
  size_t stack_size;
  /// Stacks lent out now, and the most that ever were.
  uint64_t in_use, high_water;
  /// Stacks mapped so far.
  uint64_t total;
  struct tandem_slab *_Nullable slabs;
  void (*_Nullable entry)(tandem_fiber *fiber);
} tandem_stack_pool;

/// `stack_size` is rounded up to whole pages.
void tandem_stack_pool_init(tandem_stack_pool *pool, size_t stack_size, void (*entry)(tandem_fiber *));

/// Maps one more slab and puts its stacks on the free list. Returns 0, or an errno.
int tandem_stack_pool_grow(tandem_stack_pool *pool);

/// Unmaps everything. No stack may be lent out.
void tandem_stack_pool_destroy(tandem_stack_pool *pool);

/// A stack whose fiber is ready to be resumed, or null when no memory could be mapped (errno says why).
static inline tandem_fiber *_Nullable tandem_stack_take(tandem_stack_pool *pool) {
  tandem_fiber *fiber = pool->free;
  if (__builtin_expect(!fiber, 0)) {
    if (tandem_stack_pool_grow(pool)) return (tandem_fiber *)0;
    fiber = pool->free;
  }
  pool->free = fiber->next_free;
  fiber->is_lent = true;
  if (++pool->in_use > pool->high_water) pool->high_water = pool->in_use;
  return fiber;
}

static inline void tandem_stack_give_back(tandem_stack_pool *pool, tandem_fiber *fiber) {
  fiber->next_free = pool->free;
  pool->free = fiber;
  pool->in_use--;
  fiber->is_lent = false;
  if (!fiber->is_used) {
    fiber->is_used = true;
    fiber->next_used = pool->used;
    pool->used = fiber;
  }
}

/// Hands the pages of at most `limit` of the stacks that were given back since the last time to the kernel, except the
/// topmost 16 KiB of each. Returns whether there are more. A stack that is lent out again is passed over.
bool tandem_stack_pool_trim(tandem_stack_pool *pool, size_t limit);

/// Puts the fibers that are lent out into `fibers`, at most `limit`. Returns how many it put there.
size_t tandem_stack_pool_lent(
    const tandem_stack_pool *pool, tandem_fiber *_Nullable *_Nonnull fibers, size_t limit);

/// Gives this OS thread an alternate signal stack, and the process a SIGSEGV and SIGBUS handler that
/// recognizes a guard page of ours: it writes which green thread overflowed and what to raise, then
/// lets the handler that was there before end the process. Returns 0, or an errno.
int tandem_overflow_watch_thread(void);

/// Takes this thread's alternate signal stack away again.
void tandem_overflow_unwatch_thread(void);

TANDEM_NONNULL_END
#endif
