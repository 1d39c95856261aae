/// Calls that wait inside libc, where nothing can be put in their place: an OS thread makes them.
#ifndef TANDEM_PATCH_OFFLOADED_H
#define TANDEM_PATCH_OFFLOADED_H

#include "patch.h"

/* OFFLOADED(type, name, area, (parameters), (arguments), fields, (initial values), call) */
#define OFFLOADED(type, name, area, parameters, arguments, fields, values, call)                                               \
  PATCH(type, name, parameters, arguments)                                                                                     \
  struct name##_call {                                                                                                         \
    fields type result;                                                                                                        \
  };                                                                                                                           \
  static void run_##name(void *context) {                                                                                      \
    struct name##_call *a = context;                                                                                           \
    a->result = real_##name call;                                                                                              \
  }                                                                                                                            \
  static type green_##name parameters {                                                                                        \
    if (!IS_GREEN(name, area)) return real_##name arguments;                                                                   \
    struct name##_call a = values;                                                                                             \
    tandem_patch_offload(run_##name, &a);                                                                                      \
    return a.result;                                                                                                           \
  }
#define VALUES(...) {__VA_ARGS__}

#endif
