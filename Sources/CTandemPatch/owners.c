#define _GNU_SOURCE
#include "owners.h"

_Thread_local holdings tandem_patch_holdings;

bool is_held_by_other(const void *object) {
  for (holding *next = tandem_patch_holdings.first; next; next = next->next)
    if (next->object == object && next->fiber != tandem_this_thread.current) return true;
  return false;
}

bool tandem_patch_add_holding(void) {
  holding *new = malloc(sizeof *new);
  if (!new) return false;
  new->next = tandem_patch_holdings.unused;
  tandem_patch_holdings.unused = new;
  return true;
}
