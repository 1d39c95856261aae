/// System calls without libc: TandemPatch takes the place of libc's functions, and the core must not wait as unmodified code does.
#ifndef TANDEM_SYSTEM_CALLS_H
#define TANDEM_SYSTEM_CALLS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// Makes a system call. Returns its result, or the negative error number. Does not change errno.
static inline long tandem_kernel_call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long result __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(result) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
#else
#error "Tandem runs on x86-64 and ARM64"
#endif
  return result;
}

/// Makes a system call. Returns its result, or -1 with errno set.
static inline long tandem_system_call(long number, long a, long b, long c, long d, long e, long f) {
  long result = tandem_kernel_call(number, a, b, c, d, e, f);
  if (__builtin_expect((unsigned long)result > -4096ul, 0)) {
    errno = (int)-result;
    return -1;
  }
  return result;
}

/// As read(2), write(2), send(2) and recv(2).
ssize_t tandem_read(int fd, void *_Nullable buffer, size_t count);
ssize_t tandem_write(int fd, const void *_Nullable buffer, size_t count);
ssize_t tandem_send(int fd, const void *_Nullable buffer, size_t count, int flags);
ssize_t tandem_recv(int fd, void *_Nullable buffer, size_t count, int flags);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
