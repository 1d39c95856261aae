/// Stacks for fibers: slabs of stacks of one size, each with a guard below. The stack that was given back last is used first.
#ifndef TANDEM_STACK_H
#define TANDEM_STACK_H

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// The stacks of one hub. Not thread-safe: only the hub's thread may use it.
typedef struct tandem_stack_pool {
  tandem_fiber *_Nullable free;
  /// The stacks that were used since they were last trimmed.
  tandem_fiber *_Nullable used;
  /// Bytes per stack, without its guard; a multiple of the page size.
  size_t stack_size;
  /// The number of stacks in use now, and the maximum so far.
  uint64_t in_use, high_water;
  /// The number of stacks mapped so far.
  uint64_t total;
  struct tandem_slab *_Nullable slabs;
  void (*_Nullable entry)(tandem_fiber *fiber);
} tandem_stack_pool;

/// Initializes a pool without mapping memory. `stack_size` is rounded up to whole pages.
void tandem_stack_pool_init(tandem_stack_pool *pool, size_t stack_size, void (*entry)(tandem_fiber *));

/// Maps one more slab and adds its stacks to the free list. Returns 0, or an errno.
int tandem_stack_pool_grow(tandem_stack_pool *pool);

/// Unmaps all stacks. None may be in use.
void tandem_stack_pool_destroy(tandem_stack_pool *pool);

/// Takes a stack whose fiber is ready to be resumed. Returns null if no memory could be mapped; errno has the reason.
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

/// Gives the pages of at most `limit` free stacks that were used since the last trim back to the kernel, except the topmost
/// 16 KiB of each. Skips stacks that are in use. Returns whether there are more.
bool tandem_stack_pool_trim(tandem_stack_pool *pool, size_t limit);

/// Writes the fibers that are in use to `fibers`, at most `limit`. Returns how many were written.
size_t tandem_stack_pool_lent(
    const tandem_stack_pool *pool, tandem_fiber *_Nullable *_Nonnull fibers, size_t limit);

/// The maximum number of stacks in a slab.
enum { TANDEM_STACKS_PER_SLAB = 64 };

/// Writes the fibers of `*slab` that are in use to `fibers`, which has room for TANDEM_STACKS_PER_SLAB, and sets `*slab` to the next
/// slab; null after the last. Begin with `pool->slabs`. A slab stays valid as long as its pool. Returns how many were written.
size_t tandem_slab_lent(struct tandem_slab *_Nullable *_Nonnull slab, tandem_fiber *_Nullable *_Nonnull fibers);

/// Returns the fiber with this number; null if no fiber in use has it.
tandem_fiber *_Nullable tandem_stack_pool_find(const tandem_stack_pool *pool, uint64_t number);

/// Gives this OS thread an alternate signal stack, and the process a handler of SIGSEGV and SIGBUS. If the fault is in the guard
/// of a stack, the handler writes to standard error which green thread overflowed and which setting to raise. Then it passes the
/// signal to the previous handler, or to the default action. Returns 0, or an errno.
int tandem_overflow_watch_thread(void);

/// Removes the alternate signal stack of this thread, if Tandem installed it.
void tandem_overflow_unwatch_thread(void);

TANDEM_NONNULL_END
#endif
