#define _GNU_SOURCE
/* The functions themselves, not their inline definitions. */
#ifndef __NO_INLINE__
#define __NO_INLINE__ 1
#endif
#include "descriptor.h"
#include "owners.h"
#include "streams.h"

#include <stdarg.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Reading from streams of stdio: see streams.c. */

/* Reads once into the empty buffer of a stream. Returns the next byte, which stays there, or EOF. */
extern int __underflow(FILE *file);

/// As glibc before it reads: writes what the stream itself has pending, and a prompt in standard output.
static void flush_before_reading(tandem_patch_function function, FILE *file) {
  if (__fpending(file)) flush_stream(function, file);
  if (file == stdout || !__flbf(stdout) || !__fpending(stdout) || !stream_may_wait(stdout)) return;
  bool is_interactive = file->_IO_buf_base ? (file->_flags & unbuffered) || __flbf(file) : isatty(fileno(file));
  if (!is_interactive) return;
  begin_using(function, stdout);
  flush_stream(function, stdout);
  end_using(stdout);
}

/// Waits until the descriptor is readable. Returns false with errno set, and the stream has its error indicator.
static bool wait_for_input(tandem_patch_function function, FILE *file) {
  waiting call = {.function = function, .fd = fileno(file), .events = POLLIN};
  if (is_ready(call.fd, POLLIN) || wait_for(&call) != give_up) return true;
  file->_flags |= _IO_ERR_SEEN;
  return false;
}

/// Makes sure that the buffer has a byte. Returns false at the end of the file, on an error, or with errno set to ECANCELED.
static bool fill(tandem_patch_function function, FILE *file) {
  if (file->_IO_read_ptr < file->_IO_read_end) return true;
  /* The buffer itself is there meanwhile. */
  bool is_filled = (file->_flags & is_in_backup) && file->_IO_save_base < file->_IO_save_end;
  if (is_filled) return __underflow(file) != EOF;
  /* The end of a terminal is not final, but that of a stream is until clearerr, fgetc(3). */
  if (feof_unlocked(file)) return false;
  flush_before_reading(function, file);
  return wait_for_input(function, file) && __underflow(file) != EOF;
}

/// Takes bytes up to the delimiter, at most `count`. Returns how many; `is_over` says whether the delimiter was the last one.
static size_t take(FILE *file, char *bytes, size_t count, int delimiter, bool *is_over) {
  size_t buffered = (size_t)(file->_IO_read_end - file->_IO_read_ptr), length = buffered < count ? buffered : count;
  const char *end = delimiter == EOF ? NULL : memchr(file->_IO_read_ptr, delimiter, length);
  *is_over = end != NULL;
  if (end) length = (size_t)(end - file->_IO_read_ptr) + 1;
  memcpy(bytes, file->_IO_read_ptr, length);
  file->_IO_read_ptr += length;
  return length;
}

static int get_green(tandem_patch_function function, FILE *file) {
  begin_using(function, file);
  int byte = fill(function, file) ? (unsigned char)*file->_IO_read_ptr++ : EOF;
  end_using(file);
  return byte;
}

static char *get_line_green(tandem_patch_function function, char *line, int size, FILE *file) {
  size_t length = 0;
  bool is_over = false;
  begin_using(function, file);
  int old_error = file->_flags & _IO_ERR_SEEN;
  file->_flags &= ~_IO_ERR_SEEN;
  while (length + 1 < (size_t)size && !is_over && fill(function, file))
    length += take(file, line + length, (size_t)size - 1 - length, '\n', &is_over);
  bool has_failed = ferror_unlocked(file) && errno != EAGAIN;
  file->_flags |= old_error;
  end_using(file);
  if ((length == 0 && size > 1) || has_failed) return NULL;
  line[length] = 0;
  return line;
}

/// Whether libc would read this many bytes past the buffer. Once a stream is read from, its buffer is allocated.
static bool skips_buffer(FILE *file, size_t count) {
  return file->_IO_buf_base && file->_IO_read_ptr == file->_IO_read_end && !(file->_flags & (is_in_backup | is_putting)) &&
         !feof_unlocked(file) && count >= (size_t)(file->_IO_buf_end - file->_IO_buf_base);
}

/// Reads past the buffer. Returns 0 at the end of the file, and after an error.
static size_t read_directly(tandem_patch_function function, FILE *file, char *bytes, size_t count) {
  flush_before_reading(function, file);
  ssize_t taken = tandem_patch_read(function, fileno(file), bytes, count);
  if (taken <= 0) file->_flags |= taken == 0 ? _IO_EOF_SEEN : _IO_ERR_SEEN;
  return taken > 0 ? (size_t)taken : 0;
}

static size_t read_all_green(tandem_patch_function function, void *bytes, size_t size, FILE *file) {
  size_t length = 0;
  bool is_over;
  begin_using(function, file);
  while (length < size) {
    char *rest = (char *)bytes + length;
    size_t taken = 0;
    if (skips_buffer(file, size - length)) taken = read_directly(function, file, rest, size - length);
    else if (fill(function, file)) taken = take(file, rest, size - length, EOF, &is_over);
    if (!taken) break;
    length += taken;
  }
  end_using(file);
  return length;
}

static ssize_t get_record_green(tandem_patch_function function, char **line, size_t *size, int delimiter, FILE *file) {
  size_t length = 0;
  bool is_over = false, has_failed = false;
  begin_using(function, file);
  while (!is_over && !has_failed && fill(function, file)) {
    size_t wanted = length + (size_t)(file->_IO_read_end - file->_IO_read_ptr) + 1;
    if (!*line || *size < wanted) {
      size_t larger = *line && *size * 2 > wanted ? *size * 2 : wanted < 120 ? 120 : wanted;
      char *grown = realloc(*line, larger);
      if ((has_failed = !grown)) break;
      *line = grown;
      *size = larger;
    }
    length += take(file, *line + length, *size - 1 - length, delimiter, &is_over);
  }
  end_using(file);
  if (length == 0 || has_failed) return -1;
  (*line)[length] = 0;
  return (ssize_t)length;
}

#define READS(name, file) (IS_CALLED_GREEN(name, IO) && stream_may_wait(file) && __freadable(file))

PATCH(int, fgetc, (FILE *file), (file))
PATCH(int, getc, (FILE *file), (file))
PATCH(int, getchar, (void), ())
PATCH(char *, fgets, (char *line, int size, FILE *file), (line, size, file))
PATCH(size_t, fread, (void *bytes, size_t size, size_t count, FILE *file), (bytes, size, count, file))
PATCH(ssize_t, getdelim, (char **line, size_t *size, int delimiter, FILE *file), (line, size, delimiter, file))
PATCH(ssize_t, getline, (char **line, size_t *size, FILE *file), (line, size, file))

static int green_fgetc(FILE *file) { return READS(fgetc, file) ? get_green(TANDEM_PATCH_fgetc, file) : real_fgetc(file); }
static int green_getc(FILE *file) { return READS(getc, file) ? get_green(TANDEM_PATCH_getc, file) : real_getc(file); }
static int green_getchar(void) { return READS(getchar, stdin) ? get_green(TANDEM_PATCH_getchar, stdin) : real_getchar(); }
int _IO_getc(FILE *file) __attribute__((weak, alias("getc")));

static char *green_fgets(char *line, int size, FILE *file) {
  if (size <= 0 || !READS(fgets, file)) return real_fgets(line, size, file);
  return get_line_green(TANDEM_PATCH_fgets, line, size, file);
}

static size_t green_fread(void *bytes, size_t size, size_t count, FILE *file) {
  size_t all;
  if (size == 0 || __builtin_mul_overflow(size, count, &all) || !READS(fread, file)) return real_fread(bytes, size, count, file);
  return read_all_green(TANDEM_PATCH_fread, bytes, all, file) / size;
}

static ssize_t green_getdelim(char **line, size_t *size, int delimiter, FILE *file) {
  if (!line || !size || !READS(getdelim, file)) return real_getdelim(line, size, delimiter, file);
  return get_record_green(TANDEM_PATCH_getdelim, line, size, (unsigned char)delimiter, file);
}

static ssize_t green_getline(char **line, size_t *size, FILE *file) {
  if (!line || !size || !READS(getline, file)) return real_getline(line, size, file);
  return get_record_green(TANDEM_PATCH_getline, line, size, '\n', file);
}

ssize_t __getdelim(char **line, size_t *size, int delimiter, FILE *file) __attribute__((weak, alias("getdelim")));

/* Variants without a lock: what they are for is speed, and a green thread must not be in a stream that another one uses. */

int fgetc_unlocked(FILE *file) __attribute__((weak, alias("fgetc")));
int getc_unlocked(FILE *file) __attribute__((weak, alias("getc")));
char *fgets_unlocked(char *line, int size, FILE *file) __attribute__((weak, alias("fgets")));
size_t fread_unlocked(void *bytes, size_t size, size_t count, FILE *file) __attribute__((weak, alias("fread")));

/* getc_unlocked of optimized code takes from the buffer itself, and calls this when it is empty. */
PATCH(int, __uflow, (FILE *file), (file))
static int green___uflow(FILE *file) { return READS(__uflow, file) && !fill(TANDEM_PATCH___uflow, file) ? EOF : real___uflow(file); }

/* Formatted input takes as many bytes as it needs, so an OS thread makes the call unless a line is there, or unless the caller has
   locked the stream, which the other thread could not use. */

typedef int scan_function(FILE *file, const char *format, va_list list);

typedef struct scan_call {
  scan_function *scan;
  FILE *file;
  const char *format;
  va_list list;
  int result;
} scan_call;

static void run_scan(void *context) {
  scan_call *call = context;
  call->result = call->scan(call->file, call->format, call->list);
}

static int scan_green(tandem_patch_function function, scan_function *scan, FILE *file, const char *format, va_list list) {
  /* The first bytes come without an OS thread, of which there are few. */
  begin_using(function, file);
  bool has_bytes = fill(function, file);
  size_t buffered = (size_t)(file->_IO_read_end - file->_IO_read_ptr);
  bool has_line = has_bytes && memchr(file->_IO_read_ptr, '\n', buffered);
  end_using(file);
  if (!has_bytes) return EOF;
  if (has_line) return scan(file, format, list);
  if (own_holding_of(file)) return HOLDING(scan(file, format, list));
  scan_call call = {.scan = scan, .file = file, .format = format};
  va_copy(call.list, list);
  tandem_patch_offload(run_scan, &call);
  va_end(call.list);
  return call.result;
}

/* The names that <stdio.h> gives these functions, by the C standard that the caller is compiled for. */
#define SCANNERS(prefix)                                                                                                       \
  int prefix##vfscanf(FILE *file, const char *format, va_list list) PATCHED;                                                   \
  LOOKED_UP(int, prefix##vfscanf, (FILE *file, const char *format, va_list list), (file, format, list))                        \
  int prefix##vfscanf(FILE *file, const char *format, va_list list) {                                                          \
    return READS(__isoc99_vfscanf, file)                                                                                       \
               ? scan_green(TANDEM_PATCH___isoc99_vfscanf, real_##prefix##vfscanf, file, format, list)                         \
               : real_##prefix##vfscanf(file, format, list);                                                                   \
  }                                                                                                                            \
  int prefix##fscanf(FILE *file, const char *format, ...) PATCHED;                                                             \
  int prefix##fscanf(FILE *file, const char *format, ...) {                                                                    \
    va_list list;                                                                                                              \
    va_start(list, format);                                                                                                    \
    int result = READS(__isoc99_fscanf, file)                                                                                  \
                     ? scan_green(TANDEM_PATCH___isoc99_fscanf, real_##prefix##vfscanf, file, format, list)                    \
                     : real_##prefix##vfscanf(file, format, list);                                                             \
    va_end(list);                                                                                                              \
    return result;                                                                                                             \
  }                                                                                                                            \
  int prefix##scanf(const char *format, ...) PATCHED;                                                                          \
  int prefix##scanf(const char *format, ...) {                                                                                 \
    va_list list;                                                                                                              \
    va_start(list, format);                                                                                                    \
    int result = READS(__isoc99_scanf, stdin)                                                                                  \
                     ? scan_green(TANDEM_PATCH___isoc99_scanf, real_##prefix##vfscanf, stdin, format, list)                    \
                     : real_##prefix##vfscanf(stdin, format, list);                                                            \
    va_end(list);                                                                                                              \
    return result;                                                                                                             \
  }
SCANNERS(__isoc99_)
SCANNERS(__isoc23_)

/* MARK: Fortified variants, which code compiled with _FORTIFY_SOURCE calls */

extern void __chk_fail(void) __attribute__((noreturn));

char *__fgets_chk(char *line, size_t size, int count, FILE *file) {
  if ((size_t)count > size && count > 0) __chk_fail();
  return fgets(line, count, file);
}

size_t __fread_chk(void *bytes, size_t room, size_t size, size_t count, FILE *file) {
  size_t all;
  if (__builtin_mul_overflow(size, count, &all) || all > room) __chk_fail();
  return fread(bytes, size, count, file);
}

#endif
