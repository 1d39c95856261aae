#define _GNU_SOURCE
/* The functions themselves, not their inline definitions. */
#ifndef __NO_INLINE__
#define __NO_INLINE__ 1
#endif
#include "descriptor.h"
#include "owners.h"
#include "waiters.h"

#include <stdarg.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Streams of stdio. libc reads and writes their descriptors inside, where nothing can be put in its place.

   Reading: these functions take from the stream's buffer. When it is empty they wait on the hub until the descriptor is readable, and
   let libc fill the buffer, which takes one read(2). Writing: libc puts the bytes into the buffer if it need not be written for that.
   Otherwise these functions write the buffer and the bytes as write(2) does on a green stack.

   Streams of regular files and streams without a descriptor are libc's. To libc all green threads of a hub are one owner of a stream, so
   owners.c knows which one uses it, and the others wait. */

/* Reads once into the empty buffer of a stream. Returns the next byte, which stays there, or EOF. */
extern int __underflow(FILE *file);

PATCH(void, flockfile, (FILE *file), (file))
PATCH(int, ftrylockfile, (FILE *file), (file))
REAL(void, funlockfile, (FILE *file), (file))

/* MARK: One user at a time */

static bool try_use(FILE *file) {
  if (is_held_by_other(file) || real_ftrylockfile(file) != 0) return false;
  if (hold(file)) return true;
  real_funlockfile(file);
  return false;
}

/// Waits until this green thread may use the stream. Deaf to a cancellation, as a lock.
static void begin_using(tandem_patch_function function, FILE *file) {
  for (bool is_mine = try_use(file); !is_mine;) {
    waiter self;
    /* An OS thread tells nobody that it has unlocked the stream. */
    begin_waiting(&self, file, function, after(2000000));
    waiters_lock(file);
    enlist(&self, waits_for_file);
    waiters_unlock(file);
    is_mine = try_use(file);
    if (!is_mine) wait_in_line(&self);
    withdraw(&self, waits_for_file);
    if (!is_mine) is_mine = try_use(file);
  }
}

static void end_using(FILE *file) {
  release(file);
  real_funlockfile(file);
  if (has_waiters(waits_for_file)) wake(file, 1);
}

/// Whether reading or writing the stream may wait: it has a descriptor, of a pipe, a socket or a terminal.
static bool may_wait(FILE *file) {
  struct stat status;
  /* Wide streams have other buffers. */
  if (file->_mode > 0) return false;
  int saved = errno, fd = fileno(file);
  bool waits = fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISBLK(status.st_mode);
  errno = saved;
  return waits;
}

/* glibc's flags of a stream: it has no buffer, ungetc has put bytes before those of the buffer, the buffer holds output. */
enum { unbuffered = 2, is_in_backup = 0x100, is_putting = 0x800 };

/* MARK: Writing the buffer */

/// Writes all bytes as write(2) does on a green stack. Returns how many; after an error, which sets the stream's error indicator, fewer.
static size_t write_all(tandem_patch_function function, FILE *file, const char *bytes, size_t length) {
  size_t total = 0;
  while (total < length) {
    ssize_t put = tandem_patch_write(function, fileno(file), bytes + total, length - total);
    if (put <= 0) {
      file->_flags |= _IO_ERR_SEEN;
      break;
    }
    total += (size_t)put;
  }
  return total;
}

/// Writes what the buffer holds. Returns whether all of it is written. The bytes leave the buffer first, because libc lets async code of
/// this hub write to the stream meanwhile.
static bool flush(tandem_patch_function function, FILE *file) {
  size_t pending = __fpending(file);
  if (!pending) return true;
  char *bytes = malloc(pending);
  if (!bytes) {
    file->_flags |= _IO_ERR_SEEN;
    return false;
  }
  memcpy(bytes, file->_IO_write_base, pending);
  file->_IO_write_ptr = file->_IO_write_base;
  size_t put = write_all(function, file, bytes, pending), rest = pending - put, later = __fpending(file);
  /* What is not written stays, before what has come since. */
  if (rest && rest + later <= (size_t)(file->_IO_buf_end - file->_IO_write_base)) {
    memmove(file->_IO_write_base + rest, file->_IO_write_base, later);
    memcpy(file->_IO_write_base, bytes + put, rest);
    file->_IO_write_ptr += rest;
  }
  int error = errno;
  free(bytes);
  errno = error;
  return rest == 0;
}

/// What fflush and fclose would write.
static bool flush_green(tandem_patch_function function, FILE *file) {
  begin_using(function, file);
  bool is_empty = flush(function, file);
  end_using(file);
  return is_empty;
}

/* MARK: Reading */

/// As glibc before it reads: writes what the stream itself has pending, and a prompt in standard output.
static void flush_before_reading(tandem_patch_function function, FILE *file) {
  if (__fpending(file)) flush(function, file);
  if (file == stdout || !__flbf(stdout) || !__fpending(stdout) || !may_wait(stdout)) return;
  bool is_interactive = file->_IO_buf_base ? (file->_flags & unbuffered) || __flbf(file) : isatty(fileno(file));
  if (is_interactive) flush_green(function, stdout);
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

#define READS(name, file) (IS_CALLED_GREEN(name, IO) && may_wait(file) && __freadable(file))

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

/* MARK: Writing */

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
  else if (flush(function, file))
    put = go_to_buffer(file, bytes, length) ? real_fwrite(bytes, 1, length, file) : write_all(function, file, bytes, length);
  end_using(file);
  return put;
}

#define WRITES(name, file) (IS_CALLED_GREEN(name, IO) && may_wait(file) && __fwritable(file))

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

PATCH(int, fflush, (FILE * file), (file))
PATCH(int, fclose, (FILE * file), (file))

/* With null libc flushes all streams of the process, and may wait for any of them. */
static int green_fflush(FILE *file) {
  if (!file || !WRITES(fflush, file) || !__fpending(file)) return real_fflush(file);
  return flush_green(TANDEM_PATCH_fflush, file) ? 0 : EOF;
}

static int green_fclose(FILE *file) {
  if (!IS_GREEN(fclose, IO)) return real_fclose(file);
  begin_using(TANDEM_PATCH_fclose, file);
  bool is_flushed = !may_wait(file) || flush(TANDEM_PATCH_fclose, file);
  int error = errno;
  /* The caller may have locked it, too. Nobody else gets in before it is closed. */
  own_holding_of(file)->depth = 1;
  release(file);
  real_funlockfile(file);
  /* What could not be written is lost, fclose(3): libc must not wait for it. */
  if (!is_flushed) __fpurge(file);
  int result = real_fclose(file);
  if (is_flushed) return result;
  errno = error;
  return EOF;
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

/* MARK: Locking by the program itself */

static void green_flockfile(FILE *file) {
  if (!IS_GREEN(flockfile, IO)) return real_flockfile(file);
  begin_using(TANDEM_PATCH_flockfile, file);
}

static int green_ftrylockfile(FILE *file) {
  if (!IS_GREEN(ftrylockfile, IO)) return real_ftrylockfile(file);
  return try_use(file) ? 0 : -1;
}

void funlockfile(FILE *file) {
  if (tandem_this_thread.current && own_holding_of(file)) return end_using(file);
  real_funlockfile(file);
}

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
