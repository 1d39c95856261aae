/// The locks that green threads of this OS thread hold, where libc knows the owner: to libc all green threads of a hub are one owner.
#ifndef TANDEM_PATCH_OWNERS_H
#define TANDEM_PATCH_OWNERS_H

#include "patch.h"

/// A lock that a green thread holds, as often as `depth` says.
typedef struct holding {
  const void *object;
  const tandem_fiber *fiber;
  uint32_t depth;
  struct holding *next;
} holding;

/* Per OS thread: only its own green threads look like one owner to libc. */
extern _Thread_local holding *tandem_patch_held;

/// Whether any green thread of this OS thread holds anything.
static inline bool any_is_held(void) { return __builtin_expect(tandem_patch_held != NULL, 0); }

/// Returns a green thread of this OS thread that holds the object; null if none does.
const tandem_fiber *holder_of(const void *object);
/// Whether the running green thread holds the object.
bool is_held(const void *object);
/// Whether another green thread of this OS thread holds the object.
bool is_held_by_other(const void *object);
/// Notes that the caller holds the object, once more. Returns false if there is no memory.
bool hold(const void *object);
/// Notes that the caller has released the object once. Does nothing if it does not hold it.
void release(const void *object);

#endif
