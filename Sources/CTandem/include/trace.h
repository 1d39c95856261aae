/// Return addresses of stacks: unwind tables serve suspended stacks, frame pointers serve other threads.
#ifndef TANDEM_TRACE_H
#define TANDEM_TRACE_H

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// Writes the return addresses of the calling code, innermost first. Returns how many were written.
size_t tandem_trace_here(uintptr_t *addresses, size_t limit);

/// Writes the return addresses of a stack that tandem_context_switch saved as `sp`, on this thread. The stack is not changed.
/// Returns how many were written.
size_t tandem_trace_suspended(void *sp, uintptr_t *addresses, size_t limit);

/// Calls `function(argument)` on top of a stack that tandem_context_switch saved as `sp`, such that unwinders continue into the
/// suspended frames.
void tandem_context_call(void *sp, void (*function)(void *_Nullable), void *_Nullable argument);

/// The known registers of a thread that was interrupted, or that is in a system call.
typedef struct tandem_registers {
  uintptr_t pc, sp;
  /// 0 if unknown: then the stack is searched for the first chain of frames that ends at `root`.
  uintptr_t fp;
  /// The register that holds the return address of a function without a frame; 0 if there is none.
  uintptr_t link;
} tandem_registers;

/// Follows frame pointers up to the frame at `root` or, if `root` is 0, to the first frame of a fiber's stack that ends at
/// `high`. Reads no stack memory outside [sp, high), takes no lock and calls no library function, so signal handlers may call it.
/// `limit` must be at least 16. Returns how many addresses were written.
size_t tandem_trace_frames(
    tandem_registers registers, uintptr_t root, uintptr_t high, uintptr_t *addresses, size_t limit);

/// Returns the exported function at or before an address, or null, and sets `file` to the file that contains it. Both strings are
/// valid while that file is loaded.
const char *_Nullable tandem_exported_name(uintptr_t address, const char *_Nullable *_Nonnull file);

/// Records which memory contains code, so that tandem_trace_frames can recognize return addresses. Must be called before the
/// first tandem_trace_frames; not in a signal handler.
void tandem_trace_prepare(void);

TANDEM_NONNULL_END
#endif
