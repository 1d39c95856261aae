// Fifty fibers take turns a thousand times, with numbers kept in integer and floating-point registers across the switch.
// Built for aarch64 and run by scripts/check-aarch64; Swift's runtime is not needed for the switch itself.
#include <stdio.h>

#include "fiber.h"
#include "stack.h"

enum { FIBERS = 50, ROUNDS = 1000 };

void swift_task_enterThreadLocalContext(char *state) { (void)state; }
void swift_task_exitThreadLocalContext(char *state) { (void)state; }
__attribute__((swiftcall)) const void *swift_task_getCurrent(void) { return 0; }

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
  return 0;
}
