#ifndef TANDEM_WIRE_FIND_H
#define TANDEM_WIRE_FIND_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Each tandem_wire_end_of_… function returns the index of the first byte outside its class in index..<count, or `count` if there
// is no such byte. It reads only the first `count` bytes, and `count` is at least 16. The functions are inlined so that the
// constants of a class stay in registers from one field line to the next.

enum {
  // Bytes of a field name: `tchar` (RFC 9110 section 5.6.2).
  tandem_wire_in_name = 1,
  // Bytes of a request target that stand for themselves: visible ASCII except `" # % < > ? \`, as in ByteSet.plainTarget.
  tandem_wire_in_target = 2,
  // Letters, digits, `-`, `.` and `_`: most field names, host names and IPv4 addresses.
  tandem_wire_in_word = 4,
  // Bytes of a field value: every byte except control characters (tab included) and DEL.
  tandem_wire_in_value = 8,
};

/// The classes that each byte belongs to, as a bit mask.
extern const uint8_t tandem_wire_classes[256];

#define TANDEM_WIRE_INLINE __attribute__((always_inline)) static inline

#if defined(__SSE2__)

// Each function returns a mask of 16 bits, in which bit n is set if byte n of the block is outside the class.

TANDEM_WIRE_INLINE unsigned tandem_wire_not_word(__m128i block) {
  __m128i letter = _mm_sub_epi8(_mm_or_si128(block, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
  letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
  // `-`, `.`, `/` and the digits are consecutive in ASCII.
  __m128i digit = _mm_sub_epi8(block, _mm_set1_epi8('-'));
  digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8('9' - '-')), digit);
  digit = _mm_andnot_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('/')), digit);
  __m128i word = _mm_or_si128(_mm_or_si128(letter, digit), _mm_cmpeq_epi8(block, _mm_set1_epi8('_')));
  return (unsigned)_mm_movemask_epi8(word) ^ 0xFFFF;
}

TANDEM_WIRE_INLINE unsigned tandem_wire_not_target(__m128i block) {
  // The comparison is signed: bytes from 0x80 up count as negative, and so are outside the class too.
  __m128i hit = _mm_cmplt_epi8(block, _mm_set1_epi8(0x21));
  hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7F)));
  hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, _mm_set1_epi8('%')));
  hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, _mm_set1_epi8('?')));
  hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
  // `"` and `#` differ in one bit only, and so do `<` and `>`.
  hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_and_si128(block, _mm_set1_epi8((char)0xFE)), _mm_set1_epi8('"')));
  hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_and_si128(block, _mm_set1_epi8((char)0xFD)), _mm_set1_epi8('<')));
  return (unsigned)_mm_movemask_epi8(hit);
}

TANDEM_WIRE_INLINE unsigned tandem_wire_not_value(__m128i block) {
  __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1F)), block);
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7F))));
}

TANDEM_WIRE_INLINE __m128i tandem_wire_block(const uint8_t *bytes) {
  return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

// The last block ends at the last byte, so it may overlap bytes that have been scanned already.
#define TANDEM_WIRE_END_OF(class)                                                                            \
  TANDEM_WIRE_INLINE size_t tandem_wire_end_of_##class(const uint8_t *bytes, size_t index, size_t count) {   \
    for (; count - index >= 16; index += 16) {                                                               \
      unsigned hits = tandem_wire_not_##class(tandem_wire_block(bytes + index));                             \
      if (hits != 0) return index + (size_t)__builtin_ctz(hits);                                             \
    }                                                                                                        \
    if (index == count) return count;                                                                        \
    unsigned last = tandem_wire_not_##class(tandem_wire_block(bytes + count - 16)) >> (16 - (count - index)); \
    return last == 0 ? count : index + (size_t)__builtin_ctz(last);                                          \
  }

#else

#define TANDEM_WIRE_END_OF(class)                                                                          \
  TANDEM_WIRE_INLINE size_t tandem_wire_end_of_##class(const uint8_t *bytes, size_t index, size_t count) { \
    while (index < count && tandem_wire_classes[bytes[index]] & tandem_wire_in_##class) index++;           \
    return index;                                                                                          \
  }

#endif

TANDEM_WIRE_END_OF(word)
TANDEM_WIRE_END_OF(target)
TANDEM_WIRE_END_OF(value)

#undef TANDEM_WIRE_END_OF

#endif
