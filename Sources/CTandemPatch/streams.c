#define _GNU_SOURCE
#include "streams.h"
#include "descriptor.h"
#include "owners.h"
#include "waiters.h"

#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>

#ifndef TANDEM_PATCH_IS_LEFT_OUT

/* Streams of stdio. libc reads and writes their descriptors inside, where nothing can be put in its place.

   Reading: these functions take from the stream's buffer. When it is empty they wait on the hub until the descriptor is readable, and
   let libc fill the buffer, which takes one read(2). Writing: libc puts the bytes into the buffer if it need not be written for that.
   Otherwise these functions write the buffer and the bytes as write(2) does on a green stack.

   Streams of regular files and streams without a descriptor are libc's. To libc all green threads of a hub are one owner of a stream, so
   owners.c knows which one uses it, and the others wait. */

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

void begin_using(tandem_patch_function function, FILE *file) {
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

void end_using(FILE *file) {
  release(file);
  real_funlockfile(file);
  if (has_waiters(waits_for_file)) wake(file, 1);
}

bool stream_may_wait(FILE *file) {
  struct stat status;
  /* Wide streams have other buffers. */
  if (file->_mode > 0) return false;
  int saved = errno, fd = fileno(file);
  bool waits = fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISBLK(status.st_mode);
  errno = saved;
  return waits;
}

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

/* MARK: Writing the buffer */

size_t write_all(tandem_patch_function function, FILE *file, const char *bytes, size_t length) {
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

/* The bytes leave the buffer first, because libc lets async code of this hub write to the stream meanwhile. */
bool flush_stream(tandem_patch_function function, FILE *file) {
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

PATCH(int, fflush, (FILE * file), (file))
PATCH(int, fclose, (FILE * file), (file))

/* With null libc flushes all streams of the process, and may wait for any of them. */
static int green_fflush(FILE *file) {
  if (!file || !IS_GREEN(fflush, IO) || !stream_may_wait(file) || !__fwritable(file) || !__fpending(file)) return real_fflush(file);
  begin_using(TANDEM_PATCH_fflush, file);
  bool is_empty = flush_stream(TANDEM_PATCH_fflush, file);
  end_using(file);
  return is_empty ? 0 : EOF;
}

static int green_fclose(FILE *file) {
  if (!IS_GREEN(fclose, IO)) return real_fclose(file);
  begin_using(TANDEM_PATCH_fclose, file);
  bool is_flushed = !stream_may_wait(file) || flush_stream(TANDEM_PATCH_fclose, file);
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

#endif
