/// The part of HTTPWire that is faster in C: one pass over a complete head of the usual kind. It keeps no state and reports no
/// errors.
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

/// A range of bytes, as offsets from the first byte of a head. `end` is the offset after the last byte.
typedef struct tandem_wire_range {
  uint16_t start;
  uint16_t end;
} tandem_wire_range;

/// A field line: its name, and its value without leading and trailing blanks.
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

/// A request head that `tandem_wire_scan_head` has accepted. Its target is in origin form (RFC 9112 section 3.2.1).
typedef struct tandem_wire_summary {
  /// The value of Content-Length, or -1 without that field.
  int64_t content_length;
  /// The path and the query.
  tandem_wire_range target;
  /// The offset of the first `?` in the target, or the end of the target.
  uint16_t path_end;
  /// The value of Host.
  tandem_wire_range host;
  /// The number of bytes in the head, with the empty line that ends it.
  uint16_t byte_count;
  uint8_t field_count;
  /// One of `tandem_wire_get` to `tandem_wire_patch`.
  uint8_t method;
  /// The minor version of HTTP/1: 0 or 1.
  uint8_t minor_version;
  /// Whether Transfer-Encoding is chunked.
  bool is_chunked;
  /// Whether a Connection field is `close`.
  bool closes;
  /// Whether a Connection field is `keep-alive`.
  bool keeps_alive;
} tandem_wire_summary;

/// Scans the request head at the start of `bytes`. Returns whether the head is complete and of the usual kind.
///
/// True means that the head is valid by RFC 9110 and RFC 9112, and that `summary` and `fields` describe it. False says nothing
/// about the head: it may be incomplete, unusual or malformed, and the strict parser has to scan it.
///
/// The function reads only the first `count` bytes, and at most 65,535. It knows no limits other than `count` and
/// `most_fields`, by which the caller enforces its own. `fields` has room for `most_fields` entries, at most
/// `tandem_wire_most_fields`.
bool tandem_wire_scan_head(const uint8_t *bytes, size_t count, size_t most_fields, tandem_wire_summary *summary,
                           tandem_wire_field *fields);

/// The greatest number of fields that `tandem_wire_scan_response` accepts. Responses have more than requests.
enum { tandem_wire_most_response_fields = 32 };

/// A response head that `tandem_wire_scan_response` has accepted. Its version is HTTP/1.1.
typedef struct tandem_wire_response_summary {
  /// The value of Content-Length, or -1 without that field.
  int64_t content_length;
  /// The status code, 100 to 599.
  uint16_t status;
  /// The reason phrase; empty if no space follows the status.
  tandem_wire_range reason;
  /// The number of bytes in the head, with the empty line that ends it.
  uint16_t byte_count;
  uint8_t field_count;
  /// Whether Transfer-Encoding is chunked.
  bool is_chunked;
  /// Whether a Connection field is `close`.
  bool closes;
  bool has_content_encoding;
  bool has_location;
  bool has_retry_after;
} tandem_wire_response_summary;

/// Scans the response head at the start of `bytes`. Returns whether the head is complete and of the usual kind; if not, the
/// strict parser has to scan it. `count` and `fields` are used as by `tandem_wire_scan_head`, and `most_fields` is at most
/// `tandem_wire_most_response_fields`.
bool tandem_wire_scan_response(const uint8_t *bytes, size_t count, size_t most_fields, tandem_wire_response_summary *summary,
                               tandem_wire_field *fields);

/// Returns whether fast paths are on: always, unless the environment variable TANDEM_FAST_PATHS is "off".
bool tandem_wire_fast_paths(void);

TANDEM_WIRE_NONNULL_END

#endif
