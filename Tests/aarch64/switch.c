// Fifty fibers take turns a thousand times, with numbers kept in integer and floating-point registers across the switch.
// scripts/check/aarch64 builds it for ARM64 and runs it. The switch itself does not need Swift's runtime.
#include <stdio.h>

#include "fiber.h"
#include "stack.h"
#include "trace.h"

enum { FIBERS = 50, ROUNDS = 1000 };

void swift_task_enterThreadLocalContext(char *state) { (void)state; }
void swift_task_exitThreadLocalContext(char *state) { (void)state; }
__attribute__((swiftcall)) const void *swift_task_getCurrent(void) { return 0; }

/* Suspends the fiber in a call `depth` frames below this one. */
__attribute__((noinline)) static int descend(tandem_fiber *fiber, int depth) {
  if (depth == 0) tandem_fiber_suspend(fiber, tandem_signal_parked);
  else depth += descend(fiber, depth - 1);
  __asm__ volatile("" ::: "memory"); /* keeps the compiler from making a loop of the recursion */
  return depth;
}

static int descended[FIBERS + 1];

static void entry_descending(tandem_fiber *fiber) { descended[fiber->number] = descend(fiber, (int)fiber->number); }

/* Walks suspended stacks by the unwind tables and by frame pointers, compares the two, and resumes the fibers. */
static int check_traces(void) {
  tandem_stack_pool pool;
  tandem_stack_pool_init(&pool, 64 * 1024, entry_descending);
  tandem_trace_prepare();
  size_t base = 0;
  for (int i = 1; i <= FIBERS; i++) {
    tandem_fiber *fiber = tandem_stack_take(&pool);
    tandem_fiber_resume(fiber);
    uintptr_t tables[100], frames[100];
    size_t count = tandem_trace_suspended(fiber->sp, tables, 100);
    if (i == 1) base = count - 1;
    if (base < 3 || count != base + (size_t)i) return printf("depth %d: %zu frames after %zu\n", i, count, base), 1;
    const uintptr_t *saved = fiber->sp;
#if defined(__aarch64__)
    tandem_registers registers = {.pc = saved[11], .sp = (uintptr_t)(saved + 22), .fp = saved[10]};
#else
    tandem_registers registers = {.pc = saved[7], .sp = (uintptr_t)(saved + 8), .fp = saved[6]};
#endif
    size_t walked = tandem_trace_frames(registers, 0, fiber->high, frames, 100);
    /* Both end in tandem_context_boot; the tables also know the frame of tandem_context_switch. */
    for (size_t j = 1; j <= (size_t)i + 2; j++) {
      if (frames[walked - j] != tables[count - j]) return printf("depth %d: frame %zu differs\n", i, j), 1;
    }
    registers.fp = 0; /* as in a thread that is in a system call */
    walked = tandem_trace_frames(registers, 0, fiber->high, frames, 100);
    if (frames[walked - i] != tables[count - i]) return printf("depth %d: not found\n", i), 1;
    if (tandem_fiber_resume(fiber) != tandem_signal_finished || descended[fiber->number] != i * (i + 1) / 2)
      return printf("depth %d: disturbed\n", i), 1;
  }
  tandem_stack_pool_destroy(&pool);
  printf("%d suspended stacks traced\n", FIBERS);
  return 0;
}

static double sums[FIBERS + 1];

static void entry(tandem_fiber *fiber) {
  double a = (double)fiber->number, b = 2.5 * (double)fiber->number, c = 3.5;
  uint64_t turns = fiber->number;
  for (int i = 0; i < ROUNDS; i++) {
    tandem_fiber_suspend(fiber, tandem_signal_parked);
    a += 1;
    turns += 1;
  }
  sums[fiber->number] = a + b + c + (double)turns;
}

int main(void) {
  tandem_stack_pool pool;
  tandem_stack_pool_init(&pool, 64 * 1024, entry);
  tandem_fiber *fibers[FIBERS];
  for (int i = 0; i < FIBERS; i++) fibers[i] = tandem_stack_take(&pool);
  for (int alive = FIBERS; alive > 0;) {
    for (int i = 0; i < FIBERS; i++) {
      if (!fibers[i] || tandem_fiber_resume(fibers[i]) != tandem_signal_finished) continue;
      tandem_stack_give_back(&pool, fibers[i]);
      fibers[i] = NULL;
      alive--;
    }
  }
  for (int i = 1; i <= FIBERS; i++) {
    double expected = (i + ROUNDS) + 2.5 * i + 3.5 + (i + ROUNDS);
    if (sums[i] != expected) return printf("fiber %d: %f, expected %f\n", i, sums[i], expected), 1;
  }
  tandem_stack_pool_destroy(&pool);
  printf("%d fibers switched %d times each\n", FIBERS, ROUNDS);
  return check_traces();
}
