/// Streams of stdio on pipes, sockets and terminals.
#ifndef TANDEM_PATCH_STREAMS_H
#define TANDEM_PATCH_STREAMS_H

#include "patch.h"

/// glibc's flags of a stream: it has no buffer, ungetc has put bytes before those of the buffer, the buffer holds output.
enum { unbuffered = 2, is_in_backup = 0x100, is_putting = 0x800 };

/// Waits until this green thread may use the stream. Deaf to a cancellation, as a lock.
void begin_using(tandem_patch_function function, FILE *file) PRIVATE(begin_using);
void end_using(FILE *file) PRIVATE(end_using);

/// Whether reading or writing the stream may wait: it has a descriptor, of a pipe, a socket or a terminal.
bool stream_may_wait(FILE *file) PRIVATE(stream_may_wait);

/// Writes all bytes as write(2) does on a green stack. Returns how many; after an error, which sets the stream's error indicator, fewer.
size_t write_all(tandem_patch_function function, FILE *file, const char *bytes, size_t length) PRIVATE(write_all);

/// Writes what the buffer holds. Returns whether all of it is written. The caller uses the stream.
bool flush_stream(tandem_patch_function function, FILE *file) PRIVATE(flush_stream);

#endif
