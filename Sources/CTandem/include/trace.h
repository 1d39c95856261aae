/// Return addresses of stacks: of a stack that is suspended, by the unwind tables, and of another thread, by its frame
/// pointers.
#ifndef TANDEM_TRACE_H
#define TANDEM_TRACE_H

#include "fiber.h"

TANDEM_NONNULL_BEGIN

/// Where the caller is. Returns how many addresses it put there.
size_t tandem_trace_here(uintptr_t *addresses, size_t limit);

/// Where a stack is that tandem_context_switch saved as `sp`, on this thread. The stack is not disturbed.
size_t tandem_trace_suspended(void *sp, uintptr_t *addresses, size_t limit);

/// Calls `function(argument)` on top of a stack that tandem_context_switch saved as `sp`, such that unwinders go on into
/// what is suspended there.
void tandem_context_call(void *sp, void (*function)(void *_Nullable), void *_Nullable argument);

/// A thread that was interrupted, or that is in a system call: its registers, as far as they are known.
typedef struct tandem_registers {
  uintptr_t pc, sp;
  /// 0 when it is not known: then the stack is searched for the first chain of frames that ends at `root`.
  uintptr_t fp;
  /// The register that holds the return address of a function without a frame; 0 where there is none.
  uintptr_t link;
} tandem_registers;

/// Follows frame pointers up to the frame at `root`, or if `root` is 0, to the first frame of a fiber's stack that ends at
/// `high`. Reads nothing outside [sp, high), takes no lock, and calls nothing: for signal handlers.
size_t tandem_trace_frames(
    tandem_registers registers, uintptr_t root, uintptr_t high, uintptr_t *addresses, size_t limit);

/// The exported function at or before an address, and the file that has it, or null. As long as that file is loaded.
const char *_Nullable tandem_exported_name(uintptr_t address, const char *_Nullable *_Nonnull file);

/// Notes where code lies, so that tandem_trace_frames can tell a return address. Before its first use; not in a signal handler.
void tandem_trace_prepare(void);

TANDEM_NONNULL_END
#endif
