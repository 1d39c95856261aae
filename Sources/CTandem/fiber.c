#include "fiber.h"

#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TANDEM_ASAN 1
#include <sanitizer/common_interface_defs.h>
#endif
#if __has_feature(thread_sanitizer)
#define TANDEM_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif
#endif

_Thread_local tandem_thread tandem_this_thread;

/* The Swift runtime keeps a list of the open accesses of a thread; its nodes are on the stack. The concurrency
   runtime itself calls these two functions around each job. They remove the fiber's part of the list while the fiber
   is suspended, and put it back when it is resumed. */
extern void swift_task_enterThreadLocalContext(char *state);
extern void swift_task_exitThreadLocalContext(char *state);
extern const void *swift_task_getCurrent(void) __attribute__((swiftcall));

const void *tandem_current_task(void) { return swift_task_getCurrent(); }

/* context_<cpu>.S */
extern void tandem_context_boot(void);

static void finish_switch_to_fiber(tandem_fiber *fiber) {
#if TANDEM_ASAN
  __sanitizer_finish_switch_fiber(fiber->fake_stack, &fiber->host_bottom, &fiber->host_size);
#else
  (void)fiber;
#endif
}

/* The rounding mode and other control bits, in the form in which tandem_context_switch saves them. */
static uint64_t float_control(void) {
#if defined(__x86_64__)
  uint32_t mxcsr;
  uint16_t x87;
  __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
  return (mxcsr & 0xffc0) | (uint64_t)x87 << 32; /* without mxcsr's status flags: they are not settings */
#elif defined(__aarch64__)
  uint64_t fpcr;
  __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
  return fpcr;
#endif
}

static void set_float_control(uint64_t control) {
#if defined(__x86_64__)
  uint32_t mxcsr = (uint32_t)control;
  uint16_t x87 = (uint16_t)(control >> 32);
  __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(control));
#endif
}

/* The first function on every fiber. Called by tandem_context_boot. */
__attribute__((used, noreturn)) void tandem_fiber_main(tandem_fiber *fiber) {
  finish_switch_to_fiber(fiber);
  uint64_t control = float_control();
  for (;;) {
    fiber->entry(fiber);
    /* The next user of this stack must start with the same settings as the first. */
    if (float_control() != control) set_float_control(control);
    tandem_fiber_suspend(fiber, tandem_signal_finished);
  }
}

void tandem_fiber_prepare(tandem_fiber *fiber, void (*entry)(tandem_fiber *)) {
  fiber->entry = entry;
  uintptr_t *sp = (uintptr_t *)fiber->high;
#if defined(__x86_64__)
  /* What tandem_context_switch pops: mxcsr and x87 control word, r15 r14 r13 r12 rbx rbp, return address. */
  *--sp = 0; /* two words keep the boot frame 16-byte aligned at its call */
  *--sp = 0;
  *--sp = (uintptr_t)tandem_context_boot;
  *--sp = 0;                /* rbp: ends frame-pointer walks */
  *--sp = (uintptr_t)fiber; /* rbx */
  *--sp = 0;
  *--sp = 0;
  *--sp = 0;
  *--sp = 0;
  *--sp = float_control();
#elif defined(__aarch64__)
  /* What tandem_context_switch loads: x19...x30, d8...d15, fpcr. */
  sp -= 22;
  memset(sp, 0, 22 * sizeof *sp);
  sp[0] = (uintptr_t)fiber;                /* x19 */
  sp[11] = (uintptr_t)tandem_context_boot; /* x30 */
  sp[20] = float_control();
#else
#error "Tandem knows x86_64 and aarch64"
#endif
  fiber->sp = sp;
}

tandem_signal tandem_fiber_resume(tandem_fiber *fiber) {
  tandem_thread *thread = &tandem_this_thread;
  fiber->resumer = thread->current;
  __atomic_store_n(&thread->current, fiber, __ATOMIC_RELAXED); /* the watchdog reads it */
  swift_task_enterThreadLocalContext((char *)fiber->exclusivity);
#if TANDEM_TSAN
  if (!fiber->sanitizer_fiber) fiber->sanitizer_fiber = __tsan_create_fiber(0); /* here, not earlier: the limit is 8,128 */
  fiber->sanitizer_host = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber->sanitizer_fiber, 0);
#endif
#if TANDEM_ASAN
  void *host_fake_stack;
  __sanitizer_start_switch_fiber(&host_fake_stack, (void *)fiber->low, fiber->high - fiber->low);
#endif
  tandem_context_switch(&fiber->host_sp, (void *)fiber->sp);
#if TANDEM_ASAN
  __sanitizer_finish_switch_fiber(host_fake_stack, NULL, NULL);
#endif
  swift_task_exitThreadLocalContext((char *)fiber->exclusivity);
  __atomic_store_n(&thread->current, fiber->resumer, __ATOMIC_RELAXED);
  return fiber->signal;
}

void tandem_fiber_suspend(tandem_fiber *fiber, tandem_signal signal) {
  fiber->signal = signal;
#if TANDEM_TSAN
  __tsan_switch_to_fiber(fiber->sanitizer_host, 0);
#endif
#if TANDEM_ASAN
  __sanitizer_start_switch_fiber(&fiber->fake_stack, fiber->host_bottom, fiber->host_size);
#endif
  tandem_context_switch(&fiber->sp, (void *)fiber->host_sp);
  finish_switch_to_fiber(fiber);
}

void tandem_fiber_forget(tandem_fiber *fiber) {
#if TANDEM_TSAN
  if (fiber->sanitizer_fiber) __tsan_destroy_fiber(fiber->sanitizer_fiber);
#else
  (void)fiber;
#endif
}
