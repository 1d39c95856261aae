#define _GNU_SOURCE
#include "stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: a guard that does not split the mapping */
#endif

/* A frame larger than the guard can skip it. Guards use address space, not memory. */
enum { GUARD_SIZE = 64 * 1024 };

typedef struct tandem_slab {
  struct tandem_slab *next;     /* in its pool */
  struct tandem_slab *next_any; /* in the process, for the signal handler */
  char *base;
  size_t pitch; /* guard and stack */
} tandem_slab;

/* All slabs of the process. The signal handler walks this list without the lock. A slab is linked when it is
   complete, and unlinked before it is freed. */
static tandem_slab *_Atomic all_slabs;
static pthread_mutex_t all_slabs_lock = PTHREAD_MUTEX_INITIALIZER;

static void publish(tandem_slab *slab) {
  pthread_mutex_lock(&all_slabs_lock);
  slab->next_any = all_slabs;
  all_slabs = slab;
  pthread_mutex_unlock(&all_slabs_lock);
}

static void unpublish(tandem_slab *slab) {
  pthread_mutex_lock(&all_slabs_lock);
  if (all_slabs == slab) {
    all_slabs = slab->next_any;
  } else {
    tandem_slab *before = all_slabs;
    while (before->next_any != slab) before = before->next_any;
    before->next_any = slab->next_any;
  }
  pthread_mutex_unlock(&all_slabs_lock);
}

static tandem_fiber *fiber_at(const tandem_slab *slab, size_t index) {
  uintptr_t top = (uintptr_t)slab->base + (index + 1) * slab->pitch;
  return (tandem_fiber *)((top - sizeof(tandem_fiber)) & ~(uintptr_t)15);
}

void tandem_stack_pool_init(tandem_stack_pool *pool, size_t stack_size, void (*entry)(tandem_fiber *)) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  memset(pool, 0, sizeof *pool);
  pool->stack_size = (stack_size + page - 1) / page * page;
  pool->entry = entry;
}

int tandem_stack_pool_grow(tandem_stack_pool *pool) {
  size_t pitch = pool->stack_size + GUARD_SIZE;
  tandem_slab *slab = calloc(1, sizeof *slab);
  if (!slab) return ENOMEM;
  slab->pitch = pitch;
  slab->base = mmap(NULL, pitch * TANDEM_STACKS_PER_SLAB, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (slab->base == MAP_FAILED) {
    int error = errno;
    free(slab);
    errno = error;
    return error;
  }
  /* A huge page would make each parked green thread resident in 2 MiB steps. */
  madvise(slab->base, pitch * TANDEM_STACKS_PER_SLAB, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < TANDEM_STACKS_PER_SLAB; i++) {
    char *guard = slab->base + i * pitch;
    if (madvise(guard, GUARD_SIZE, MADV_GUARD_INSTALL) != 0 && mprotect(guard, GUARD_SIZE, PROT_NONE) != 0) {
      int error = errno;
      munmap(slab->base, pitch * TANDEM_STACKS_PER_SLAB);
      free(slab);
      errno = error;
      return error;
    }
  }
  slab->next = pool->slabs;
  pool->slabs = slab;
  publish(slab);
  /* Linked from the last to the first, so that the first is used first. Touched only now: one page per stack. */
  for (size_t i = TANDEM_STACKS_PER_SLAB; i-- > 0;) {
    tandem_fiber *fiber = fiber_at(slab, i);
    fiber->low = (uintptr_t)slab->base + i * pitch + GUARD_SIZE;
    fiber->high = (uintptr_t)fiber;
    tandem_fiber_prepare(fiber, pool->entry);
    fiber->number = pool->total + i + 1;
    fiber->next_free = pool->free;
    pool->free = fiber;
  }
  pool->total += TANDEM_STACKS_PER_SLAB;
  return 0;
}

void tandem_stack_pool_destroy(tandem_stack_pool *pool) {
  for (tandem_slab *slab = pool->slabs; slab;) {
    tandem_slab *next = slab->next;
    for (size_t i = 0; i < TANDEM_STACKS_PER_SLAB; i++) tandem_fiber_forget(fiber_at(slab, i));
    unpublish(slab);
    munmap(slab->base, slab->pitch * TANDEM_STACKS_PER_SLAB);
    free(slab);
    slab = next;
  }
  pool->slabs = NULL;
  pool->free = NULL;
  pool->used = NULL;
}

/* MARK: cold pages */

enum { KEPT = 16 * 1024 };

bool tandem_stack_pool_trim(tandem_stack_pool *pool, size_t limit) {
  uintptr_t page_mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
  for (; pool->used && limit > 0; limit--) {
    tandem_fiber *fiber = pool->used;
    pool->used = fiber->next_used;
    fiber->is_used = false;
    if (fiber->is_lent) continue;
    /* The fiber is suspended in tandem_fiber_suspend, a few frames below the top of its stack. */
    uintptr_t kept = fiber->high - KEPT, sp = (uintptr_t)fiber->sp;
    uintptr_t end = (kept < sp ? kept : sp) & ~page_mask;
    if (end > fiber->low) madvise((void *)fiber->low, end - fiber->low, MADV_DONTNEED);
  }
  return pool->used != NULL;
}

size_t tandem_stack_pool_lent(const tandem_stack_pool *pool, tandem_fiber **fibers, size_t limit) {
  size_t count = 0;
  for (const tandem_slab *slab = pool->slabs; slab; slab = slab->next) {
    for (size_t i = 0; i < TANDEM_STACKS_PER_SLAB && count < limit; i++) {
      tandem_fiber *fiber = fiber_at(slab, i);
      if (fiber->is_lent) fibers[count++] = fiber;
    }
  }
  return count;
}

size_t tandem_slab_lent(tandem_slab **slab, tandem_fiber **fibers) {
  size_t count = 0;
  for (size_t i = 0; i < TANDEM_STACKS_PER_SLAB; i++) {
    tandem_fiber *fiber = fiber_at(*slab, i);
    if (fiber->is_lent) fibers[count++] = fiber;
  }
  *slab = (*slab)->next;
  return count;
}

tandem_fiber *tandem_stack_pool_find(const tandem_stack_pool *pool, uint64_t number) {
  for (const tandem_slab *slab = pool->slabs; slab; slab = slab->next) {
    uint64_t first = fiber_at(slab, 0)->number;
    if (number < first || number - first >= TANDEM_STACKS_PER_SLAB) continue;
    tandem_fiber *fiber = fiber_at(slab, number - first);
    return fiber->is_lent ? fiber : NULL;
  }
  return NULL;
}

/* MARK: overflow */

static struct sigaction previous_segv, previous_bus;
static pthread_once_t install_once = PTHREAD_ONCE_INIT;

/* A line of text, written with write(2). Async-signal-safe. */
typedef struct line {
  char text[512];
  size_t length;
} line;

static void put(line *line, const char *text) {
  while (*text && line->length < sizeof line->text) line->text[line->length++] = *text++;
}

static void put_number(line *line, size_t number) {
  char digits[24];
  size_t i = sizeof digits;
  digits[--i] = 0;
  do digits[--i] = (char)('0' + number % 10);
  while (number /= 10);
  put(line, digits + i);
}

static void report_overflow(uintptr_t address) {
  for (tandem_slab *slab = all_slabs; slab; slab = slab->next_any) {
    uintptr_t base = (uintptr_t)slab->base;
    if (address < base || address >= base + slab->pitch * TANDEM_STACKS_PER_SLAB) continue;
    if ((address - base) % slab->pitch >= GUARD_SIZE) return; /* inside a stack, not in a guard */
    tandem_fiber *fiber = fiber_at(slab, (address - base) / slab->pitch);
    line line = {.length = 0};
    put(&line, "fatal: green thread stack overflow in ");
    put(&line, fiber->name ? fiber->name : "an unnamed green thread");
    put(&line, ": its stack of ");
    put_number(&line, (slab->pitch - GUARD_SIZE) / 1024);
    put(&line, " KiB is used up. Raise HubConfiguration.stackSize (tandemd: hub.stack-size-kib), or recurse less.\n");
    if (write(STDERR_FILENO, line.text, line.length) < 0) return;
    return;
  }
}

static void on_fault(int number, siginfo_t *info, void *context) {
  report_overflow((uintptr_t)info->si_addr);
  const struct sigaction *previous = number == SIGSEGV ? &previous_segv : &previous_bus;
  if (previous->sa_flags & SA_SIGINFO) {
    previous->sa_sigaction(number, info, context);
  } else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
    previous->sa_handler(number);
  } else {
    /* Restore the default action: the faulting instruction runs again and ends the process. */
    signal(number, SIG_DFL);
  }
}

static void install_handlers(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &previous_segv);
  sigaction(SIGBUS, &action, &previous_bus);
}

static _Thread_local void *signal_stack;

int tandem_overflow_watch_thread(void) {
  pthread_once(&install_once, install_handlers);
  stack_t now;
  if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE)) return 0; /* the thread already has one */
  size_t size = 64 * 1024;
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  stack_t wanted = {.ss_sp = memory, .ss_size = size};
  if (sigaltstack(&wanted, NULL) != 0) {
    int error = errno;
    munmap(memory, size);
    return error;
  }
  signal_stack = memory;
  return 0;
}

void tandem_overflow_unwatch_thread(void) {
  if (!signal_stack) return;
  stack_t off = {.ss_flags = SS_DISABLE};
  sigaltstack(&off, NULL);
  munmap(signal_stack, 64 * 1024);
  signal_stack = NULL;
}
