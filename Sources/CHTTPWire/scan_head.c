#include "CHTTPWire.h"

#include "field.h"

// Each check accepts a subset of what the strict parser accepts. Rare or doubtful input is left to the strict parser.

/// Sets the method and returns its length, or returns 0 if the method is not accepted.
static inline size_t scan_method(const uint8_t *bytes, uint8_t *method) {
  if (IS(bytes, "GET ")) return *method = tandem_wire_get, 3;
  if (IS(bytes, "POST ")) return *method = tandem_wire_post, 4;
  if (IS(bytes, "HEAD ")) return *method = tandem_wire_head, 4;
  if (IS(bytes, "PUT ")) return *method = tandem_wire_put, 3;
  if (IS(bytes, "DELETE ")) return *method = tandem_wire_delete, 6;
  if (IS(bytes, "PATCH ")) return *method = tandem_wire_patch, 5;
  return 0;
}

static inline bool is_hexadecimal(uint8_t byte) {
  return (uint8_t)(byte - '0') < 10 || (uint8_t)((byte | 0x20) - 'a') < 6;
}

/// Returns the index after the target that starts at `index`, and sets the end of its path.
static inline size_t scan_target(const uint8_t *bytes, size_t index, size_t count, uint16_t *path_end) {
  bool has_query = false;
  for (;; index++) {
    index = tandem_wire_end_of_target(bytes, index, count);
    if (index < count && bytes[index] == '?') {
      if (!has_query) *path_end = (uint16_t)index;
      has_query = true;
    } else if (count - index > 2 && bytes[index] == '%' && is_hexadecimal(bytes[index + 1]) &&
               is_hexadecimal(bytes[index + 2])) {
      index += 2;
    } else {
      break;
    }
  }
  if (!has_query) *path_end = (uint16_t)index;
  return index;
}

/// Whether the value is a name or an IPv4 address, with no port or one of 1 to 5 digits, at most 65,535.
static bool is_host(const uint8_t *bytes, size_t start, size_t end) {
  size_t index = tandem_wire_end_of_word(bytes, start, end);
  if (index == start) return false;
  if (index == end) return true;
  if (bytes[index] != ':') return false;
  size_t digits = end - ++index;
  if (digits == 0 || digits > 5) return false;
  unsigned port = 0;
  for (; index < end; index++) {
    unsigned digit = (unsigned)bytes[index] - '0';
    if (digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}

/// The first letters of the names that `note` knows, by the length of the name; see `scan_fields`.
static const uint8_t first_letters[18] = {[4] = 'h', [6] = 'e', [10] = 'c', [14] = 'c', [17] = 't'};

/// Records a field that frames or routes the request, or controls the connection. Returns whether the fast scan accepts it.
__attribute__((noinline)) static bool note(const uint8_t *bytes, tandem_wire_field field, void *into) {
  tandem_wire_summary *summary = into;
  const uint8_t *name = bytes + field.name.start;
  const uint8_t *value = bytes + field.value.start;
  size_t length = (size_t)(field.value.end - field.value.start);
  switch (field.name.end - field.name.start) {
  case 4:
    if (!IS_LOWERCASED(name, "host")) return true;
    // 0 means that no Host has been seen: no field ends at offset 0.
    if (summary->host.end != 0 || !is_host(bytes, field.value.start, field.value.end)) return false;
    summary->host = field.value;
    return true;
  case 6:
    return !IS_LOWERCASED(name, "expect");
  case 10:
    if (!IS_LOWERCASED(name, "connection")) return true;
    if (length == 10 && IS_LOWERCASED(value, "keep-alive")) return summary->keeps_alive = true;
    if (length == 5 && IS_LOWERCASED(value, "close")) return summary->closes = true;
    return false;
  case 14:
    if (!IS_LOWERCASED(name, "content-length")) return true;
    return summary->content_length < 0 && read_length(bytes, field.value.start, field.value.end, &summary->content_length);
  case 17:
    if (!IS_LOWERCASED(name, "transfer-encoding")) return true;
    if (summary->is_chunked || length != 7 || !IS_LOWERCASED(value, "chunked")) return false;
    return summary->is_chunked = true;
  default:
    return true;
  }
}

bool tandem_wire_scan_head(const uint8_t *bytes, size_t count, size_t most_fields, tandem_wire_summary *summary,
                           tandem_wire_field *fields) {
  // The shortest head that is accepted. The comparisons below rely on its length when they read ahead.
  if (count < sizeof "GET / HTTP/1.1\r\nHost:a\r\n\r\n" - 1) return false;
  if (count > UINT16_MAX) count = UINT16_MAX;

  size_t index = scan_method(bytes, &summary->method);
  if (index == 0 || bytes[++index] != '/') return false;
  summary->target.start = (uint16_t)index;
  index = scan_target(bytes, index, count, &summary->path_end);
  summary->target.end = (uint16_t)index;
  if (count - index < 11 || !IS(bytes + index, " HTTP/1.") || !IS(bytes + index + 9, "\r\n")) return false;
  summary->minor_version = (uint8_t)(bytes[index + 8] - '0');
  if (summary->minor_version > 1) return false;
  index += 11;

  summary->content_length = -1;
  summary->host = (tandem_wire_range){0, 0};
  summary->is_chunked = summary->closes = summary->keeps_alive = false;
  index = scan_fields(bytes, index, count, most_fields, fields, &summary->field_count, first_letters, note, summary);
  if (index == 0 || summary->host.end == 0) return false;
  if (summary->is_chunked && (summary->content_length >= 0 || summary->minor_version == 0)) return false;
  summary->byte_count = (uint16_t)index;
  return true;
}
