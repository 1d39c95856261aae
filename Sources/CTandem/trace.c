#define _GNU_SOURCE
#include "trace.h"

#include <dlfcn.h>
#include <link.h>
#include <unwind.h>

/* For code that reads other stacks, which the sanitizers do not know. */
#define UNSANITIZED __attribute__((no_sanitize("address", "thread")))

/* MARK: unwind tables */

typedef struct tables_walk {
  uintptr_t *addresses;
  size_t limit, count, skip;
} tables_walk;

UNSANITIZED static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *argument) {
  tables_walk *walk = argument;
  uintptr_t address = _Unwind_GetIP(context);
  if (address == 0 || walk->count == walk->limit) return _URC_END_OF_STACK;
  if (walk->skip > 0) walk->skip--;
  else walk->addresses[walk->count++] = address;
  return _URC_NO_REASON;
}

UNSANITIZED static __attribute__((noinline)) void walk_tables(void *argument) {
  _Unwind_Backtrace(take_frame, argument);
}

UNSANITIZED size_t tandem_trace_here(uintptr_t *addresses, size_t limit) {
  tables_walk walk = {addresses, limit, 0, 2}; /* skips walk_tables and this function */
  walk_tables(&walk);
  return walk.count;
}

UNSANITIZED size_t tandem_trace_suspended(void *sp, uintptr_t *addresses, size_t limit) {
  tables_walk walk = {addresses, limit, 0, 2}; /* skips walk_tables and tandem_context_call */
  tandem_context_call(sp, walk_tables, &walk);
  return walk.count;
}

/* MARK: frame pointers */

enum { MAX_SEGMENTS = 256 };

static struct { uintptr_t low, high; } code[MAX_SEGMENTS];
static size_t code_count;

static int note_code(struct dl_phdr_info *info, size_t size, void *argument) {
  (void)size;
  size_t *count = argument;
  for (int i = 0; i < info->dlpi_phnum && *count < MAX_SEGMENTS; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || !(segment->p_flags & PF_R)) continue;
    code[*count].low = info->dlpi_addr + segment->p_vaddr + 8; /* room for the call instruction before a return address */
    code[*count].high = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;
    ++*count;
  }
  return 0;
}

void tandem_trace_prepare(void) {
  size_t count = 0;
  dl_iterate_phdr(note_code, &count);
  __atomic_store_n(&code_count, count, __ATOMIC_RELEASE);
}

const char *tandem_exported_name(uintptr_t address, const char **file) {
  Dl_info info;
  if (!dladdr((const void *)address, &info)) return NULL;
  *file = info.dli_fname;
  return info.dli_sname;
}

/* Returns the index of the code segment that contains the address, or -1. */
UNSANITIZED static ptrdiff_t code_index(uintptr_t address) {
  size_t count = __atomic_load_n(&code_count, __ATOMIC_ACQUIRE), i = 0;
  while (i < count && (address < code[i].low || address >= code[i].high)) i++;
  return i == count ? -1 : (ptrdiff_t)i;
}

/* Whether the address is in code, directly after a call instruction. */
UNSANITIZED static bool is_return_address(uintptr_t address) {
  if (code_index(address) < 0) return false;
#if defined(__x86_64__)
  const uint8_t *next = (const uint8_t *)address;
  if (next[-5] == 0xe8) return true; /* call rel32 */
  for (int length = 2; length <= 7; length++) { /* a call through a register or memory */
    if (next[-length] == 0xff && (next[1 - length] & 0x38) == 0x10) return true;
  }
  return false;
#elif defined(__aarch64__)
  if (address % 4) return false;
  uint32_t before = ((const uint32_t *)address)[-1];
  return (before & 0xfc000000) == 0x94000000 || (before & 0xfffffc1f) == 0xd63f0000; /* bl, blr */
#endif
}

/* The maximum distance of tandem_fiber_main's frame from the top of its stack, in bytes. */
enum { FIRST_FRAMES = 256 };

/* Follows the chain of frames from `frame`. Returns the number of return addresses, or -1 if the chain does not end
   at the root. */
UNSANITIZED static ptrdiff_t follow(
    uintptr_t frame, uintptr_t root, uintptr_t high, uintptr_t *addresses, size_t limit) {
  for (size_t count = 0;;) {
    if (frame == root) return (ptrdiff_t)count;
    if (frame % sizeof(uintptr_t) || frame > high - 2 * sizeof(uintptr_t)) return -1;
    uintptr_t next = ((const uintptr_t *)frame)[0], back = ((const uintptr_t *)frame)[1];
    if (!is_return_address(back)) return -1;
    if (count < limit) addresses[count++] = back;
    if (next == 0) return root == 0 && high - frame <= FIRST_FRAMES ? (ptrdiff_t)count : -1;
    if (next <= frame) return -1;
    frame = next;
  }
}

UNSANITIZED size_t tandem_trace_frames(
    tandem_registers registers, uintptr_t root, uintptr_t high, uintptr_t *addresses, size_t limit) {
  if (limit < 16) return 0;
  uintptr_t sp = (registers.sp + 7) & ~(uintptr_t)7;
  size_t count = 0;
  addresses[count++] = registers.pc;
  if (registers.fp >= sp) {
    /* A function without a frame has its return address at the top of the stack, or in the link register. */
    uintptr_t link = registers.link ? registers.link : sp < high ? *(const uintptr_t *)sp : 0;
    bool has_frame = registers.fp < high && link == ((const uintptr_t *)registers.fp)[1];
    if (!has_frame && is_return_address(link)) addresses[count++] = link;
    /* In system libraries, several nested calls may have no frame. */
    if (code_index(registers.pc) != code_index((uintptr_t)tandem_trace_frames)) {
      for (uintptr_t word = sp + sizeof word; word < registers.fp && word < sp + 1024 && word < high && count < 9;
           word += sizeof word) {
        if (is_return_address(*(const uintptr_t *)word)) addresses[count++] = *(const uintptr_t *)word;
      }
    }
    ptrdiff_t chain = follow(registers.fp, root, high, addresses + count, limit - count);
    if (chain >= 0) return count + (size_t)chain;
    count = 1;
  }
  /* The innermost code keeps no frame pointer. Its callers' return addresses are between the stack pointer and the
     first frame whose chain reaches the root. */
  for (uintptr_t word = sp; word + 2 * sizeof word <= high; word += sizeof word) {
    ptrdiff_t chain = follow(word, root, high, addresses + count, limit - count);
    if (chain > 0) return count + (size_t)chain;
    uintptr_t value = *(const uintptr_t *)word;
    if (count < 9 && is_return_address(value)) addresses[count++] = value;
  }
  return count;
}
