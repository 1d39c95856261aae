/// The part of HTTPWire that is faster in C: one pass over a usual head, without state and without errors.
#ifndef TANDEM_CHTTPWIRE_H
#define TANDEM_CHTTPWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#define TANDEM_WIRE_NONNULL_BEGIN _Pragma("clang assume_nonnull begin")
#define TANDEM_WIRE_NONNULL_END _Pragma("clang assume_nonnull end")
#endif

TANDEM_WIRE_NONNULL_BEGIN

/// Offsets from the first byte of a head.
typedef struct tandem_wire_range {
  uint16_t start;
  uint16_t end;
} tandem_wire_range;

/// A field line: its name, and its value without the blanks around it.
typedef struct tandem_wire_field {
  tandem_wire_range name;
  tandem_wire_range value;
} tandem_wire_field;

/// The greatest number of fields that `tandem_wire_scan_head` accepts.
enum { tandem_wire_most_fields = 16 };

/// The methods that `tandem_wire_scan_head` accepts, numbered as in HTTPWire's `KnownMethod`.
enum {
  tandem_wire_get = 1,
  tandem_wire_head = 2,
  tandem_wire_post = 3,
  tandem_wire_put = 4,
  tandem_wire_delete = 5,
  tandem_wire_patch = 9,
};

/// A head that `tandem_wire_scan_head` accepted. Its target is in origin form.
typedef struct tandem_wire_summary {
  /// The value of Content-Length, or -1 without that field.
  int64_t content_length;
  tandem_wire_range target;
  /// The first `?` of the target, or its end.
  uint16_t path_end;
  tandem_wire_range host;
  /// The bytes of the head, with the empty line that ends it.
  uint16_t byte_count;
  uint8_t field_count;
  uint8_t method;
  /// 0 or 1, after `HTTP/1.`.
  uint8_t minor_version;
  bool is_chunked;
  /// Whether Connection is close, on any of its lines.
  bool closes;
  /// Whether Connection is keep-alive, on any of its lines.
  bool keeps_alive;
} tandem_wire_summary;

/// Scans the request head at the start of `bytes` if it is complete and usual. Returns whether it is; otherwise nothing is
/// said about the head, and the strict parser has to look at it.
///
/// A head that is accepted is correct by RFC 9110 and 9112 and within the limits. Reads only the first `count` bytes.
/// `fields` has room for `most_fields` entries, at most `tandem_wire_most_fields`.
bool tandem_wire_scan_head(const uint8_t *bytes, size_t count, size_t most_fields, tandem_wire_summary *summary,
                           tandem_wire_field *fields);

/// The greatest number of fields that `tandem_wire_scan_response` accepts. Responses have more than requests.
enum { tandem_wire_most_response_fields = 32 };

/// A head that `tandem_wire_scan_response` accepted. It is one of HTTP/1.1.
typedef struct tandem_wire_response_summary {
  /// The value of Content-Length, or -1 without that field.
  int64_t content_length;
  /// 100 to 599.
  uint16_t status;
  /// Empty without a space after the status.
  tandem_wire_range reason;
  /// The bytes of the head, with the empty line that ends it.
  uint16_t byte_count;
  uint8_t field_count;
  bool is_chunked;
  /// Whether Connection is close, on any of its lines.
  bool closes;
  bool has_content_encoding;
  bool has_location;
  bool has_retry_after;
} tandem_wire_response_summary;

/// Scans the response head at the start of `bytes` if it is complete and usual. Returns whether it is; otherwise the strict parser
/// has to look at it. Reads only the first `count` bytes. `fields` has room for `most_fields` entries, at most
/// `tandem_wire_most_response_fields`.
bool tandem_wire_scan_response(const uint8_t *bytes, size_t count, size_t most_fields, tandem_wire_response_summary *summary,
                               tandem_wire_field *fields);

/// Whether the environment variable TANDEM_FAST_PATHS does not say "off".
bool tandem_wire_fast_paths(void);

TANDEM_WIRE_NONNULL_END

#endif
