#define _GNU_SOURCE
#include "patch.h"

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* CoreFoundation's run loops.

   A run loop belongs to an OS thread, and must not be run by two green threads at once. So each green stack has one of its own,
   created when it is first asked for, and kept with the stack. Calls within CoreFoundation do not arrive here, so CFRunLoopRun and
   CFRunLoopRunInMode are redefined too. The remarks in dispatch.c on weak definitions hold here as well. */

typedef const void *string;
extern void *_CFRunLoopGet0(uintptr_t thread) __attribute__((weak));
extern int32_t CFRunLoopRunSpecific(void *loop, string mode, double seconds, uint8_t returns) __attribute__((weak));
extern const string kCFRunLoopDefaultMode __attribute__((weak));

extern void *__real_CFRunLoopGetCurrent(void) __attribute__((weak));
extern int32_t __real_CFRunLoopRunInMode(string mode, double seconds, uint8_t returns) __attribute__((weak));
extern void __real_CFRunLoopRun(void) __attribute__((weak));

static void *own_loop(void) { return _CFRunLoopGet0((uintptr_t)tandem_this_thread.current); }
static bool can_run(void) { return _CFRunLoopGet0 && CFRunLoopRunSpecific; }

void *__wrap_CFRunLoopGetCurrent(void) {
  if (IS_CALLED_GREEN(CFRunLoopGetCurrent, QUEUES) && can_run()) return own_loop();
  if (__real_CFRunLoopGetCurrent) return __real_CFRunLoopGetCurrent();
  static void *(*found)(void);
  if (!found) found = tandem_patch_libc("CFRunLoopGetCurrent");
  return found();
}

int32_t __wrap_CFRunLoopRunInMode(string mode, double seconds, uint8_t returns) {
  if (IS_CALLED_GREEN(CFRunLoopRunInMode, QUEUES) && can_run()) return CFRunLoopRunSpecific(own_loop(), mode, seconds, returns);
  if (__real_CFRunLoopRunInMode) return __real_CFRunLoopRunInMode(mode, seconds, returns);
  static int32_t (*found)(string, double, uint8_t);
  if (!found) found = tandem_patch_libc("CFRunLoopRunInMode");
  return found(mode, seconds, returns);
}

void __wrap_CFRunLoopRun(void) {
  enum { stopped = 2, finished = 1 };
  if (IS_CALLED_GREEN(CFRunLoopRun, QUEUES) && can_run()) {
    int32_t result;
    do result = CFRunLoopRunSpecific(own_loop(), kCFRunLoopDefaultMode, 1.0e10, 0);
    while (result != stopped && result != finished);
    return;
  }
  if (__real_CFRunLoopRun) return __real_CFRunLoopRun();
  static void (*found)(void);
  if (!found) found = tandem_patch_libc("CFRunLoopRun");
  found();
}

static void *own_CFRunLoopGetCurrent(void) { return __wrap_CFRunLoopGetCurrent(); }
static int32_t own_CFRunLoopRunInMode(string mode, double seconds, uint8_t returns) {
  return __wrap_CFRunLoopRunInMode(mode, seconds, returns);
}
static void own_CFRunLoopRun(void) { __wrap_CFRunLoopRun(); }

void *CFRunLoopGetCurrent(void) __attribute__((weak, alias("own_CFRunLoopGetCurrent")));
int32_t CFRunLoopRunInMode(string mode, double seconds, uint8_t returns) __attribute__((weak, alias("own_CFRunLoopRunInMode")));
void CFRunLoopRun(void) __attribute__((weak, alias("own_CFRunLoopRun")));

const char *tandem_patch_unbound_loop(void) {
  CHECK(CFRunLoopGetCurrent)
  CHECK(CFRunLoopRunInMode)
  CHECK(CFRunLoopRun)
  return NULL;
}

#endif
