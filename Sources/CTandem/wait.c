#include "wait.h"

/* The two runtime functions behind Swift's withTaskCancellationHandler. That function takes a nonisolated operation:
   called in an actor, it leaves the actor's executor, and possibly the hub's thread, before it suspends. */
typedef void (*cancellation_handler)(__attribute__((swift_context)) void *context) __attribute__((swiftcall));
extern const void *swift_task_addCancellationHandler(cancellation_handler handler, void *context) __attribute__((swiftcall));
extern void swift_task_removeCancellationHandler(const void *handler) __attribute__((swiftcall));

/* Runs under the task's status lock, on the thread that cancels. It must only post. */
__attribute__((swiftcall)) static void on_cancel(__attribute__((swift_context)) void *wait) {
  if (tandem_wait_post(wait, TANDEM_WAKE_CANCELLED)) tandem_inbox_put(((tandem_wait *)wait)->inbox, wait, true);
}

const void *tandem_wait_heed_cancellation(tandem_wait *wait) { return swift_task_addCancellationHandler(on_cancel, wait); }

void tandem_wait_ignore_cancellation(const void *handler) { swift_task_removeCancellationHandler(handler); }

extern void swift_task_cancel(const void *task) __attribute__((swiftcall));

void tandem_cancel_task(const void *task) { swift_task_cancel(task); }
