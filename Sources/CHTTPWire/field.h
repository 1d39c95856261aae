#ifndef TANDEM_WIRE_FIELD_H
#define TANDEM_WIRE_FIELD_H

#include "CHTTPWire.h"

#include "find.h"

#include <string.h>

// Code shared by the scanners of request heads and response heads.

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

/// Whether `bytes` begins with a string literal. The length is constant, so the compiler compares whole words.
#define IS(bytes, literal) (memcmp(bytes, literal, sizeof literal - 1) == 0)

/// Whether `bytes` begins with `literal` in any mix of upper and lower case. `literal` holds only lowercase letters and `-`.
///
/// Setting bit 0x20 turns capital letters into small ones. It also turns CR into `-`, so `bytes` must not hold control
/// characters.
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

/// Reads a decimal number of 1 to 18 digits, which cannot overflow. Returns false for any other text.
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

/// Records a field in a summary. Returns whether the fast scan accepts the field.
typedef bool note_field(const uint8_t *bytes, tandem_wire_field field, void *summary);

/// Scans the field lines that start at `index`. Returns the index after the empty line that ends the head, or 0 if the head is
/// not accepted. `count` is at least 16.
///
/// The names that `note` knows differ in length. `first_letters[length]` is the first letter of the name with that length, in
/// lowercase. Only fields whose name has the right length and first letter are passed to `note`.
TANDEM_WIRE_INLINE size_t scan_fields(const uint8_t *bytes, size_t index, size_t count, size_t most_fields,
                                      tandem_wire_field *fields, uint8_t *field_count, const uint8_t first_letters[18],
                                      note_field *note, void *summary) {
  size_t found = 0;
  // Each line, also the empty one, has at least the two bytes of its CRLF.
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
