#ifndef TANDEM_FIRST_CONTROL_H
#define TANDEM_FIRST_CONTROL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// The first index in start..<count whose byte is a control (below 0x20, or DEL), or `count`, which is at least 16. The last
// block overlaps the one before it, so that no byte after `count` is read.

#if defined(__SSE2__)

static inline unsigned tandem_wire_controls(const uint8_t *bytes) {
  __m128i block = _mm_loadu_si128((const __m128i *)(const void *)bytes);
  __m128i below = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1F)), block);
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(below, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7F))));
}

static inline size_t tandem_wire_first_control(const uint8_t *bytes, size_t start, size_t count) {
  size_t index = start;
  for (; count - index >= 16; index += 16) {
    unsigned hits = tandem_wire_controls(bytes + index);
    if (hits != 0) return index + (size_t)__builtin_ctz(hits);
  }
  if (index == count) return count;
  unsigned hits = tandem_wire_controls(bytes + count - 16) >> (16 - (count - index));
  return hits == 0 ? count : index + (size_t)__builtin_ctz(hits);
}

#else

static inline size_t tandem_wire_first_control(const uint8_t *bytes, size_t start, size_t count) {
  const uint64_t ones = 0x0101010101010101;
  size_t index = start;
  for (; count - index >= 8; index += 8) {
    uint64_t word;
    memcpy(&word, bytes + index, sizeof word);
    uint64_t deleted = word ^ ones * 0x7F;
    if ((((word - ones * 0x20) & ~word) | ((deleted - ones) & ~deleted)) & ones * 0x80) break;
  }
  while (index < count && bytes[index] >= 0x20 && bytes[index] != 0x7F) index++;
  return index;
}

#endif

#endif
