#include "CHTTPWire.h"

#include "field.h"

// As in scan_head.c, each check accepts a subset of what the strict parser accepts.

/// The first letters of the names that `note` knows, by the length of the name; see `scan_fields`.
static const uint8_t first_letters[18] = {[8] = 'l', [10] = 'c', [11] = 'r', [14] = 'c', [16] = 'c', [17] = 't'};

/// Records a field that frames the response, controls the connection or is looked up for each response. Returns whether the fast
/// scan accepts it.
__attribute__((noinline)) static bool note(const uint8_t *bytes, tandem_wire_field field, void *into) {
  tandem_wire_response_summary *summary = into;
  const uint8_t *name = bytes + field.name.start;
  const uint8_t *value = bytes + field.value.start;
  size_t length = (size_t)(field.value.end - field.value.start);
  switch (field.name.end - field.name.start) {
  case 8:
    if (IS_LOWERCASED(name, "location")) summary->has_location = true;
    return true;
  case 10:
    if (!IS_LOWERCASED(name, "connection")) return true;
    if (length == 10 && IS_LOWERCASED(value, "keep-alive")) return true;
    if (length == 5 && IS_LOWERCASED(value, "close")) return summary->closes = true;
    return false;
  case 11:
    if (IS_LOWERCASED(name, "retry-after")) summary->has_retry_after = true;
    return true;
  case 14:
    if (!IS_LOWERCASED(name, "content-length")) return true;
    return summary->content_length < 0 && read_length(bytes, field.value.start, field.value.end, &summary->content_length);
  case 16:
    if (IS_LOWERCASED(name, "content-encoding")) summary->has_content_encoding = true;
    return true;
  case 17:
    if (!IS_LOWERCASED(name, "transfer-encoding")) return true;
    if (summary->is_chunked || length != 7 || !IS_LOWERCASED(value, "chunked")) return false;
    return summary->is_chunked = true;
  default:
    return true;
  }
}

/// Scans the status line. Returns the index after it, or 0 if it is not accepted.
static inline size_t scan_status_line(const uint8_t *bytes, size_t count, tandem_wire_response_summary *summary) {
  if (!IS(bytes, "HTTP/1.1 ")) return 0;
  unsigned hundreds = (unsigned)bytes[9] - '0', tens = (unsigned)bytes[10] - '0', ones = (unsigned)bytes[11] - '0';
  if (hundreds < 1 || hundreds > 5 || tens > 9 || ones > 9) return 0;
  summary->status = (uint16_t)(hundreds * 100 + tens * 10 + ones);
  size_t end = 12;
  summary->reason = (tandem_wire_range){0, 0};
  if (bytes[12] == ' ') {
    end = tandem_wire_end_of_value(bytes, 13, count);
    summary->reason = (tandem_wire_range){13, (uint16_t)end};
  }
  if (count - end < 2 || !IS(bytes + end, "\r\n")) return 0;
  return end + 2;
}

bool tandem_wire_scan_response(const uint8_t *bytes, size_t count, size_t most_fields, tandem_wire_response_summary *summary,
                               tandem_wire_field *fields) {
  // The shortest head that is accepted. `scan_status_line` relies on its length when it reads ahead.
  if (count < sizeof "HTTP/1.1 200\r\n\r\n" - 1) return false;
  if (count > UINT16_MAX) count = UINT16_MAX;

  size_t index = scan_status_line(bytes, count, summary);
  if (index == 0) return false;
  summary->content_length = -1;
  summary->is_chunked = summary->closes = false;
  summary->has_content_encoding = summary->has_location = summary->has_retry_after = false;
  index = scan_fields(bytes, index, count, most_fields, fields, &summary->field_count, first_letters, note, summary);
  if (index == 0 || (summary->is_chunked && summary->content_length >= 0)) return false;
  summary->byte_count = (uint16_t)index;
  return true;
}
