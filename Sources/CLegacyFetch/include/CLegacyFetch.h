/// A fetch as a C program makes it: by libcurl's easy interface, which blocks its caller. It knows nothing of Tandem.
#ifndef CLEGACYFETCH_H
#define CLEGACYFETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// What a fetch may do.
typedef struct legacy_fetch_limits {
  /// The most bytes of a body.
  size_t bytes;
  /// The time for the whole fetch, and for its connection.
  long timeout_ms, connect_timeout_ms;
  /// The file of certificate authorities; null for the system's.
  const char *_Nullable authorities;
  /// Returns whether a connection may go to this address. Gets `context`.
  bool (*permits)(const void *context, const struct sockaddr *address, socklen_t length);
  const void *context;
} legacy_fetch_limits;

/// How a fetch ended.
typedef enum __attribute__((enum_extensibility(closed))) legacy_fetch_outcome {
  legacy_fetch_done,
  /// `permits` has refused every address that could be reached.
  legacy_fetch_refused,
  legacy_fetch_too_long,
  legacy_fetch_timed_out,
  legacy_fetch_failed,
} legacy_fetch_outcome;

/// The answer to a fetch. `legacy_fetch_free` frees it.
typedef struct legacy_fetch_answer {
  long status;
  /// The Content-Type; null if the answer has no such field.
  char *_Nullable type;
  unsigned char *_Nullable body;
  size_t length;
  /// libcurl's sentence about a failure; never freed.
  const char *_Nullable error;
} legacy_fetch_answer;

/// Fetches an http or https URL by GET, and blocks until the whole answer has arrived. A redirect is an answer.
legacy_fetch_outcome legacy_fetch(const char *url, const legacy_fetch_limits *limits, legacy_fetch_answer *answer);

/// Frees what an answer holds, however the fetch ended.
void legacy_fetch_free(legacy_fetch_answer *answer);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
