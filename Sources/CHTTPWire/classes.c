#include "find.h"

#define V tandem_wire_in_value
#define N (tandem_wire_in_value | tandem_wire_in_name)
#define T (tandem_wire_in_value | tandem_wire_in_target)
#define B (tandem_wire_in_value | tandem_wire_in_name | tandem_wire_in_target)
#define W (tandem_wire_in_value | tandem_wire_in_name | tandem_wire_in_target | tandem_wire_in_word)

const uint8_t tandem_wire_classes[256] = {
    [0x20] =
    V, B, V, N, B, N, B, B, T, T, B, B, T, W, W, T,  //  !"#$%&'()*+,-./
    W, W, W, W, W, W, W, W, W, W, T, T, V, T, V, V,  // 0123456789:;<=>?
    T, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,  // @ABCDEFGHIJKLMNO
    W, W, W, W, W, W, W, W, W, W, W, T, V, T, B, W,  // PQRSTUVWXYZ[\]^_
    B, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,  // `abcdefghijklmno
    W, W, W, W, W, W, W, W, W, W, W, T, B, T, B, 0,  // pqrstuvwxyz{|}~
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,  // obs-text
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};
