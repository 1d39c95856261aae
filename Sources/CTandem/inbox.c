#include "inbox.h"

#include <sched.h>

#include "linux.h"

bool tandem_inbox_put(tandem_inbox *inbox, void *item, bool is_wait) {
  uintptr_t tagged = (uintptr_t)item | (is_wait ? 1 : 0);
  __atomic_fetch_add(&inbox->putting, 1, __ATOMIC_SEQ_CST);
  uintptr_t head = __atomic_load_n(&inbox->head, __ATOMIC_RELAXED);
  bool open;
  do {
    open = head != TANDEM_INBOX_CLOSED;
    if (!open) break;
    *tandem_item_link(tagged) = head;
  } while (!__atomic_compare_exchange_n(&inbox->head, &head, tagged, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  if (open) tandem_inbox_wake(inbox);
  __atomic_fetch_sub(&inbox->putting, 1, __ATOMIC_RELEASE);
  return open;
}

void tandem_inbox_wake(tandem_inbox *inbox) {
  /* At most one write per sleep: the thread that clears the flag writes. */
  if (__atomic_load_n(&inbox->asleep, __ATOMIC_SEQ_CST) &&
      __atomic_exchange_n(&inbox->asleep, 0, __ATOMIC_SEQ_CST))
    tandem_eventfd_add(inbox->event_fd);
}

static uintptr_t exchange_and_reverse(tandem_inbox *inbox, uintptr_t replacement) {
  uintptr_t item = __atomic_exchange_n(&inbox->head, replacement, __ATOMIC_SEQ_CST);
  uintptr_t oldest = 0;
  while (item) {
    uintptr_t *link = tandem_item_link(item), next = *link;
    *link = oldest;
    oldest = item;
    item = next;
  }
  return oldest;
}

uintptr_t tandem_inbox_take(tandem_inbox *inbox) {
  if (tandem_inbox_is_empty(inbox)) return 0;
  return exchange_and_reverse(inbox, 0);
}

uintptr_t tandem_inbox_close(tandem_inbox *inbox) {
  uintptr_t items = exchange_and_reverse(inbox, TANDEM_INBOX_CLOSED);
  while (__atomic_load_n(&inbox->putting, __ATOMIC_ACQUIRE)) sched_yield();
  return items;
}

bool tandem_inbox_prepare_sleep(tandem_inbox *inbox) {
  /* Sequentially consistent, as in tandem_inbox_put: if the store and the load were reordered, the hub could miss
     the item while the other thread misses the flag. */
  __atomic_store_n(&inbox->asleep, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&inbox->head, __ATOMIC_SEQ_CST) == 0) return true;
  __atomic_store_n(&inbox->asleep, 0, __ATOMIC_RELAXED);
  return false;
}
