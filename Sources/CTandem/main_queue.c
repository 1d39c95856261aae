#define _GNU_SOURCE
#include "main_queue.h"

#include <dlfcn.h>
#include <poll.h>
#include <unistd.h>

#include "linux.h"

/* The functions with which CoreFoundation's run loop runs the main queue: one returns an eventfd that becomes
   readable when work is queued, the other runs that work. Looked up at run time, because a program may be linked
   without libdispatch. */
static struct {
  void *queue;
  int (*handle)(void);
  void (*run)(void *);
  void (*add)(void *queue, void *context, void (*work)(void *));
} dispatch;

static bool find_dispatch(void) {
  if (!dispatch.queue) {
    dispatch.handle = (int (*)(void))dlsym(RTLD_DEFAULT, "_dispatch_get_main_queue_handle_4CF");
    dispatch.run = (void (*)(void *))dlsym(RTLD_DEFAULT, "_dispatch_main_queue_callback_4CF");
    dispatch.add = (void (*)(void *, void *, void (*)(void *)))dlsym(RTLD_DEFAULT, "dispatch_async_f");
    dispatch.queue = dlsym(RTLD_DEFAULT, "_dispatch_main_q");
  }
  return dispatch.handle && dispatch.run && dispatch.add && dispatch.queue;
}

static void count(void *number) { (*(int *)number)++; }

static int clear(int fd) {
  uint64_t value;
  return read(fd, &value, sizeof value) == sizeof value;
}

bool tandem_main_queue_can_run(void) {
  /* Only this thread runs the queue, so only this thread changes the count. Inside code that the queue runs,
     `dispatch.run` does nothing, and the count stays the same. */
  static int probes;
  if (!tandem_is_main_thread() || !find_dispatch()) return false;
  int before = probes;
  dispatch.handle(); /* from now on libdispatch signals the eventfd */
  dispatch.add(dispatch.queue, &probes, count);
  dispatch.run(NULL);
  return probes != before;
}

void tandem_main_queue_run(int done) {
  struct pollfd entries[2] = {{.fd = done, .events = POLLIN}, {.fd = dispatch.handle(), .events = POLLIN}};
  for (;;) {
    if (poll(entries, 2, -1) < 0) continue; /* EINTR */
    if (entries[0].revents) return;
    if (entries[1].revents && clear(entries[1].fd)) dispatch.run(NULL);
  }
}
