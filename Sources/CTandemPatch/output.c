#define _GNU_SOURCE
/* The functions themselves, not their inline definitions. */
#ifndef __NO_INLINE__
#define __NO_INLINE__ 1
#endif
#include "streams.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <string.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Writing to streams of stdio: see streams.c. */

/// Whether libc puts these bytes into the buffer, and writes nothing.
static bool go_to_buffer(FILE *file, const char *bytes, size_t length) {
  /* The least size of a buffer that glibc allocates by itself, and of one that it uses for the first bytes. */
  enum { least = 1024, least_used = 128 };
  if ((file->_flags & unbuffered) || (__flbf(file) && memchr(bytes, '\n', length))) return false;
  if (!file->_IO_buf_base) return length < least;
  if (!(file->_flags & is_putting) && file->_IO_buf_end - file->_IO_buf_base < least_used) return false;
  return length < (size_t)(__fpending(file) ? file->_IO_buf_end - file->_IO_write_ptr : file->_IO_buf_end - file->_IO_buf_base);
}

PATCH(size_t, fwrite, (const void *bytes, size_t size, size_t count, FILE *file), (bytes, size, count, file))

static size_t put_green(tandem_patch_function function, FILE *file, const char *bytes, size_t length) {
  begin_using(function, file);
  size_t put = 0;
  if (go_to_buffer(file, bytes, length)) put = real_fwrite(bytes, 1, length, file);
  else if (flush_stream(function, file))
    put = go_to_buffer(file, bytes, length) ? real_fwrite(bytes, 1, length, file) : write_all(function, file, bytes, length);
  end_using(file);
  return put;
}

#define WRITES(name, file) (IS_CALLED_GREEN(name, IO) && stream_may_wait(file) && __fwritable(file))

static size_t green_fwrite(const void *bytes, size_t size, size_t count, FILE *file) {
  size_t all;
  if (size == 0 || __builtin_mul_overflow(size, count, &all) || !WRITES(fwrite, file)) return real_fwrite(bytes, size, count, file);
  return put_green(TANDEM_PATCH_fwrite, file, bytes, all) / size;
}

PATCH(int, fputs, (const char *text, FILE *file), (text, file))
PATCH(int, puts, (const char *text), (text))
PATCH(int, fputc, (int byte, FILE *file), (byte, file))
PATCH(int, putc, (int byte, FILE *file), (byte, file))
PATCH(int, putchar, (int byte), (byte))

static int put_text(tandem_patch_function function, FILE *file, const char *text) {
  size_t length = strlen(text);
  return put_green(function, file, text, length) == length ? 1 : EOF;
}

static int put_byte(tandem_patch_function function, FILE *file, int byte) {
  char bytes[] = {(char)byte};
  return put_green(function, file, bytes, 1) == 1 ? (unsigned char)byte : EOF;
}

static int green_fputs(const char *text, FILE *file) {
  return WRITES(fputs, file) ? put_text(TANDEM_PATCH_fputs, file, text) : real_fputs(text, file);
}

static int green_puts(const char *text) {
  if (!WRITES(puts, stdout)) return real_puts(text);
  begin_using(TANDEM_PATCH_puts, stdout);
  bool is_written =
      put_text(TANDEM_PATCH_puts, stdout, text) != EOF && put_byte(TANDEM_PATCH_puts, stdout, '\n') != EOF;
  end_using(stdout);
  size_t length = strlen(text) + 1;
  return !is_written ? EOF : length < INT_MAX ? (int)length : INT_MAX;
}

static int green_fputc(int byte, FILE *file) {
  return WRITES(fputc, file) ? put_byte(TANDEM_PATCH_fputc, file, byte) : real_fputc(byte, file);
}
static int green_putc(int byte, FILE *file) { return WRITES(putc, file) ? put_byte(TANDEM_PATCH_putc, file, byte) : real_putc(byte, file); }
static int green_putchar(int byte) { return WRITES(putchar, stdout) ? put_byte(TANDEM_PATCH_putchar, stdout, byte) : real_putchar(byte); }
int _IO_putc(int byte, FILE *file) __attribute__((weak, alias("putc")));
size_t fwrite_unlocked(const void *bytes, size_t size, size_t count, FILE *file) __attribute__((weak, alias("fwrite")));
int fputs_unlocked(const char *text, FILE *file) __attribute__((weak, alias("fputs")));
int fputc_unlocked(int byte, FILE *file) __attribute__((weak, alias("fputc")));
int putc_unlocked(int byte, FILE *file) __attribute__((weak, alias("putc")));

/* putc_unlocked of optimized code puts bytes into the buffer itself, and calls this when there is no room. */
PATCH(int, __overflow, (FILE * file, int byte), (file, byte))
static int green___overflow(FILE *file, int byte) {
  return byte != EOF && WRITES(__overflow, file) ? put_byte(TANDEM_PATCH___overflow, file, byte) : real___overflow(file, byte);
}

/* Formatted output. */

int vfprintf(FILE *file, const char *format, va_list list) PATCHED;
LOOKED_UP(int, vfprintf, (FILE *file, const char *format, va_list list), (file, format, list))

extern int __vasprintf_chk(char **text, int flag, const char *format, va_list list);

/// `flag` is that of the fortified variants, which do not allow %n in memory that can be written to; otherwise 0.
static int print_green(tandem_patch_function function, FILE *file, int flag, const char *format, va_list list) {
  char *text;
  int length = __vasprintf_chk(&text, flag, format, list);
  if (length < 0) return -1;
  size_t written = put_green(function, file, text, (size_t)length);
  int error = errno;
  free(text);
  errno = error;
  return written == (size_t)length ? length : -1;
}

#define PRINT(name, file, flag, libc)                                                                                          \
  (WRITES(name, file) ? print_green(TANDEM_PATCH_##name, file, flag, format, list) : libc)
#define PRINT_LIST(name, file, flag, libc)                                                                                     \
  va_list list;                                                                                                                \
  va_start(list, format);                                                                                                      \
  int result = PRINT(name, file, flag, libc);                                                                                  \
  va_end(list);                                                                                                                \
  return result;

int vfprintf(FILE *file, const char *format, va_list list) { return PRINT(vfprintf, file, 0, real_vfprintf(file, format, list)); }
int vprintf(const char *format, va_list list) PATCHED;
int vprintf(const char *format, va_list list) { return PRINT(vprintf, stdout, 0, real_vfprintf(stdout, format, list)); }
int fprintf(FILE *file, const char *format, ...) PATCHED;
int fprintf(FILE *file, const char *format, ...) { PRINT_LIST(fprintf, file, 0, real_vfprintf(file, format, list)) }
int printf(const char *format, ...) PATCHED;
int printf(const char *format, ...) { PRINT_LIST(printf, stdout, 0, real_vfprintf(stdout, format, list)) }

/* MARK: Fortified variants, which code compiled with _FORTIFY_SOURCE calls */

int __vfprintf_chk(FILE *file, int flag, const char *format, va_list list) PATCHED;
LOOKED_UP(int, __vfprintf_chk, (FILE *file, int flag, const char *format, va_list list), (file, flag, format, list))
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list list) {
  return PRINT(vfprintf, file, flag, real___vfprintf_chk(file, flag, format, list));
}
int __vprintf_chk(int flag, const char *format, va_list list) PATCHED;
int __vprintf_chk(int flag, const char *format, va_list list) {
  return PRINT(vprintf, stdout, flag, real___vfprintf_chk(stdout, flag, format, list));
}
int __fprintf_chk(FILE *file, int flag, const char *format, ...) PATCHED;
int __fprintf_chk(FILE *file, int flag, const char *format, ...) {
  PRINT_LIST(fprintf, file, flag, real___vfprintf_chk(file, flag, format, list))
}
int __printf_chk(int flag, const char *format, ...) PATCHED;
int __printf_chk(int flag, const char *format, ...) {
  PRINT_LIST(printf, stdout, flag, real___vfprintf_chk(stdout, flag, format, list))
}

#endif
