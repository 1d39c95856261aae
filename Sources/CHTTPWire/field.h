#ifndef TANDEM_WIRE_FIELD_H
#define TANDEM_WIRE_FIELD_H

#include "CHTTPWire.h"

#include "find.h"

#include <string.h>

// What the scanners of request and response heads share.

TANDEM_WIRE_INLINE uint32_t load32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

TANDEM_WIRE_INLINE uint64_t load64(const uint8_t *bytes) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

/// Whether `count` bytes are those of a literal, compared as words.
#define IS(bytes, literal) (memcmp(bytes, literal, sizeof literal - 1) == 0)

/// Whether a text of letters and `-` is `literal`, which is in lowercase. Setting a bit makes capital letters small. It also
/// makes CR a `-`, so no control byte may be among `bytes`.
#define IS_LOWERCASED(bytes, literal) equals_lowercased(bytes, literal, sizeof literal - 1)
TANDEM_WIRE_INLINE bool equals_lowercased(const uint8_t *bytes, const char *literal, size_t count) {
  const uint64_t bit = 0x2020202020202020;
  const uint8_t *other = (const uint8_t *)literal;
  size_t index = 0;
  for (; index + 8 <= count; index += 8) {
    if ((load64(bytes + index) | bit) != load64(other + index)) return false;
  }
  for (; index + 4 <= count; index += 4) {
    if ((load32(bytes + index) | (uint32_t)bit) != load32(other + index)) return false;
  }
  for (; index < count; index++) {
    if ((bytes[index] | 0x20) != other[index]) return false;
  }
  return true;
}

/// Reads at most 18 digits, which cannot overflow.
TANDEM_WIRE_INLINE bool read_length(const uint8_t *bytes, size_t start, size_t end, int64_t *length) {
  if (end == start || end - start > 18) return false;
  int64_t value = 0;
  for (size_t index = start; index < end; index++) {
    unsigned digit = (unsigned)bytes[index] - '0';
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  *length = value;
  return true;
}

/// Notes a field in a summary. Returns whether its value is one of the usual ones.
typedef bool note_field(const uint8_t *bytes, tandem_wire_field field, void *summary);

/// Scans the field lines that start at `index`. Returns the end of the head, or 0 for one that is not accepted. `count` is at
/// least 16.
///
/// Only fields that may be noted are passed to `note`: each name that it knows has another length, and is told from most other
/// names of that length by its first letter, `first_letters[length]`.
TANDEM_WIRE_INLINE size_t scan_fields(const uint8_t *bytes, size_t index, size_t count, size_t most_fields,
                                      tandem_wire_field *fields, uint8_t *field_count, const uint8_t first_letters[18],
                                      note_field *note, void *summary) {
  size_t found = 0;
  // A line that starts needs at least the two bytes that end the head.
  while (count - index >= 2) {
    if (IS(bytes + index, "\r\n")) {
      *field_count = (uint8_t)found;
      return index + 2;
    }
    if (found == most_fields) return 0;
    size_t start = index;
    index = tandem_wire_end_of_word(bytes, index, count);
    while (index < count && tandem_wire_classes[bytes[index]] & tandem_wire_in_name) index++;
    if (index == start || index == count || bytes[index] != ':') return 0;
    tandem_wire_field field;
    field.name = (tandem_wire_range){(uint16_t)start, (uint16_t)index};
    size_t length = index - start;
    start = index + 1;
    index = tandem_wire_end_of_value(bytes, start, count);
    if (count - index < 2 || !IS(bytes + index, "\r\n")) return 0;
    size_t end = index;
    while (start < end && bytes[start] == ' ') start++;
    while (end > start && bytes[end - 1] == ' ') end--;
    index += 2;
    field.value = (tandem_wire_range){(uint16_t)start, (uint16_t)end};
    bool may_be_noted = length < 18 && first_letters[length] == (bytes[field.name.start] | 0x20);
    if (may_be_noted && !note(bytes, field, summary)) return 0;
    fields[found++] = field;
  }
  return 0;
}

#endif
