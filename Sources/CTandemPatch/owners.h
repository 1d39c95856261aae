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

/// Those of an OS thread: only its own green threads look like one owner to libc.
typedef struct holdings {
  holding *first, *unused;
} holdings;

extern _Thread_local holdings tandem_patch_holdings __attribute__((tls_model("initial-exec")));

/// Whether any green thread of this OS thread holds anything.
static inline bool any_is_held(void) { return __builtin_expect(tandem_patch_holdings.first != NULL, 0); }

/// Returns what a green thread of this OS thread holds; null if none holds the object. Only several readers hold one at a time.
static inline holding *holding_of(const void *object) {
  holding *next = tandem_patch_holdings.first;
  while (next && next->object != object) next = next->next;
  return next;
}

/// Returns what the running green thread holds; null if it does not hold the object.
static inline holding *own_holding_of(const void *object) {
  holding *next = tandem_patch_holdings.first;
  while (next && (next->object != object || next->fiber != tandem_this_thread.current)) next = next->next;
  return next;
}

/// Whether the running green thread holds any lock.
static inline bool holds_any(void) {
  const tandem_fiber *fiber = tandem_this_thread.current;
  for (const holding *next = tandem_patch_holdings.first; next; next = next->next)
    if (next->fiber == fiber) return true;
  return fiber->locks != 0;
}

/// Whether another green thread of this OS thread holds the object.
bool is_held_by_other(const void *object) PRIVATE(is_held_by_other);

/// Allocates a holding. Returns false if there is no memory.
bool tandem_patch_add_holding(void);

/// Notes that the running green thread holds the object, which it does not yet. Returns false if there is no memory.
static inline bool begin_holding(const void *object) {
  holdings *all = &tandem_patch_holdings;
  holding *new = all->unused;
  if (!new) {
    if (!tandem_patch_add_holding()) return false;
    new = all->unused;
  }
  all->unused = new->next;
  *new = (holding){object, tandem_this_thread.current, 1, all->first};
  all->first = new;
  return true;
}

/// Notes that the running green thread holds the object, once more. Returns false if there is no memory.
static inline bool hold(const void *object) {
  holding *own = own_holding_of(object);
  if (own) own->depth++;
  return own || begin_holding(object);
}

/// Returns the link to what any green thread of this OS thread holds: to null if none holds the object.
static inline holding **link_to(const void *object) {
  holding **link = &tandem_patch_holdings.first;
  while (*link && (*link)->object != object) link = &(*link)->next;
  return link;
}

/// Notes that a holding has been released once.
static inline void release_at(holding **link) {
  holding *own = *link;
  if (--own->depth != 0) return;
  *link = own->next;
  own->next = tandem_patch_holdings.unused;
  tandem_patch_holdings.unused = own;
}

/// Notes that the running green thread has released the object once. Does nothing if it does not hold it.
static inline void release(const void *object) {
  holding **link = &tandem_patch_holdings.first;
  while (*link && ((*link)->object != object || (*link)->fiber != tandem_this_thread.current)) link = &(*link)->next;
  if (*link) release_at(link);
}

#endif
