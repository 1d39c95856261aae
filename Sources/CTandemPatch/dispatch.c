#define _GNU_SOURCE
#include "waiters.h"

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Synchronous calls of libdispatch's queues.

   libdispatch takes the OS thread for the owner of a queue, and would call a second green thread's dispatch_sync on the same queue a
   deadlock. So a green thread hands the work to the queue asynchronously, and parks until it is done. The work then runs on a thread
   of libdispatch: its blocking calls block that thread, and task-locals do not reach it.

   These functions are libdispatch's, not libc's. With --static-swift-stdlib they are in the executable, where a second definition is
   an error; hence weak definitions, and the names of the linker's --wrap. */

/// The head of a block, from the Block ABI.
typedef struct block {
  const void *class;
  int32_t flags, reserved;
  void (*invoke)(void *block);
} block;

/// A call that waits for its work.
typedef struct call {
  void *context;
  void (*work)(void *context);
} call;

static void run_call(void *context) {
  call *call = context;
  call->work(call->context);
  /* From here on the call may be gone. */
  wake(context, 1);
}

typedef void submit(void *queue, void *context, void (*work)(void *));
extern void dispatch_async_f(void *queue, void *context, void (*work)(void *)) __attribute__((weak));
extern void dispatch_barrier_async_f(void *queue, void *context, void (*work)(void *)) __attribute__((weak));

static void call_green(
    tandem_patch_function function, submit *submit, void *queue, void *context, void (*work)(void *)) {
  call call = {context, work};
  waiter self;
  begin_waiting(&self, &call, function, NEVER);
  waiters_lock(&call);
  enlist(&self, waits_for_call);
  waiters_unlock(&call);
  submit(queue, &call, run_call);
  wait_in_line(&self);
  withdraw(&self, waits_for_call);
}

#define WRAP(name) __wrap_##name
#define SYNCHRONOUS(name, submit)                                                                                              \
  extern void __real_##name(void *queue, void *block) __attribute__((weak));                                                   \
  static void (*found_##name)(void *, void *);                                                                                 \
  void WRAP(name)(void *queue, void *work) {                                                                                   \
    if (IS_CALLED_GREEN(name, QUEUES)) return call_green(TANDEM_PATCH_##name, submit, queue, work, ((block *)work)->invoke);   \
    if (__real_##name) return __real_##name(queue, work);                                                                      \
    if (!found_##name) found_##name = tandem_patch_libc(#name);                                                                \
    found_##name(queue, work);                                                                                                 \
  }                                                                                                                            \
  static void own_##name(void *queue, void *work) { WRAP(name)(queue, work); }                                                 \
  extern void __real_##name##_f(void *queue, void *context, void (*work)(void *)) __attribute__((weak));                       \
  static void (*found_##name##_f)(void *, void *, void (*)(void *));                                                           \
  void WRAP(name##_f)(void *queue, void *context, void (*work)(void *)) {                                                      \
    if (IS_CALLED_GREEN(name, QUEUES)) return call_green(TANDEM_PATCH_##name, submit, queue, context, work);                   \
    if (__real_##name##_f) return __real_##name##_f(queue, context, work);                                                     \
    if (!found_##name##_f) found_##name##_f = tandem_patch_libc(#name "_f");                                                   \
    found_##name##_f(queue, context, work);                                                                                    \
  }                                                                                                                            \
  static void own_##name##_f(void *queue, void *context, void (*work)(void *)) { WRAP(name##_f)(queue, context, work); }       \
  void name(void *queue, void *work) __attribute__((weak, alias("own_" #name)));                                               \
  void name##_f(void *queue, void *context, void (*work)(void *)) __attribute__((weak, alias("own_" #name "_f")));

SYNCHRONOUS(dispatch_sync, dispatch_async_f)
SYNCHRONOUS(dispatch_barrier_sync, dispatch_barrier_async_f)
SYNCHRONOUS(dispatch_async_and_wait, dispatch_async_f)
SYNCHRONOUS(dispatch_barrier_async_and_wait, dispatch_barrier_async_f)

const char *tandem_patch_unbound_queue(void) {
  CHECK(dispatch_sync)
  CHECK(dispatch_barrier_sync)
  CHECK(dispatch_async_and_wait)
  CHECK(dispatch_barrier_async_and_wait)
  return tandem_patch_unbound_loop();
}

#endif
