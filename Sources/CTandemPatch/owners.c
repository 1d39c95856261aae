#define _GNU_SOURCE
#include "owners.h"

_Thread_local holding *tandem_patch_held;
static _Thread_local holding *unused;

static holding **find(const void *object, const tandem_fiber *fiber) {
  holding **link = &tandem_patch_held;
  while (*link && ((*link)->object != object || (*link)->fiber != fiber)) link = &(*link)->next;
  return link;
}

const tandem_fiber *holder_of(const void *object) {
  for (holding *next = tandem_patch_held; next; next = next->next)
    if (next->object == object) return next->fiber;
  return NULL;
}

bool is_held(const void *object) { return *find(object, tandem_this_thread.current) != NULL; }

bool is_held_by_other(const void *object) {
  for (holding *next = tandem_patch_held; next; next = next->next)
    if (next->object == object && next->fiber != tandem_this_thread.current) return true;
  return false;
}

bool hold(const void *object) {
  holding *known = *find(object, tandem_this_thread.current);
  if (known) {
    known->depth++;
    return true;
  }
  holding *new = unused;
  if (new) unused = new->next;
  else if (!(new = malloc(sizeof *new))) return false;
  *new = (holding){object, tandem_this_thread.current, 1, tandem_patch_held};
  tandem_patch_held = new;
  return true;
}

void release(const void *object) {
  holding **link = find(object, tandem_this_thread.current), *known = *link;
  if (!known || --known->depth != 0) return;
  *link = known->next;
  known->next = unused;
  unused = known;
}
