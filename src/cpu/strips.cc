#include "cpu/strips.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "format/quant_blocks.h"

namespace facet::cpu {

namespace {

// 32 codes of one row, four columns to a dword: dword j has columns 4j..4j+3 in its bytes. All
// below works on whole dwords.
struct Codes {
    uint32_t dword[8];
};

uint32_t dword_at(const uint8_t* bytes) {
    uint32_t dword;
    std::memcpy(&dword, bytes, 4);
    return dword;
}

void put(uint32_t dword, int line, int row, int rows, uint8_t* out) {
    std::memcpy(out + (line * rows + row) * 4, &dword, 4);
}

// Low nibbles: columns 4j.. in line j; high nibbles of that line: columns 16+4j..
void put_nibbles(const Codes& codes, int row, int rows, uint8_t* out) {
    for (int j = 0; j < 4; ++j) {
        put((codes.dword[j] & 0x0f0f0f0f) | ((codes.dword[j + 4] & 0x0f0f0f0f) << 4), j, row, rows,
            out);
    }
}

// Bit number `bit` of each code: one line; byte k, bit j is column 4j + k.
void put_bits(const Codes& codes, int bit, int row, int rows, uint8_t* out) {
    uint32_t bits = 0;
    for (int j = 0; j < 8; ++j) bits |= ((codes.dword[j] >> bit) & 0x01010101) << j;
    put(bits, 0, row, rows, out);
}

// Two bits from number `bit` of each code: two lines, columns 0..15 and 16..31; byte k, bits 2j and
// 2j+1 are column 4j + k.
void put_pairs(const Codes& codes, int bit, int row, int rows, uint8_t* out) {
    for (int half = 0; half < 2; ++half) {
        uint32_t pairs = 0;
        for (int j = 0; j < 4; ++j)
            pairs |= ((codes.dword[4 * half + j] >> bit) & 0x03030303) << (2 * j);
        put(pairs, half, row, rows, out);
    }
}

void put_half(uint16_t half, int row, uint8_t* out) { std::memcpy(out + 2 * row, &half, 2); }

void put_word(uint32_t word, int row, uint8_t* out) { std::memcpy(out + 4 * row, &word, 4); }

// 16 bytes: byte j has column j in its low nibble, column j + 16 in its high one.
Codes nibbles_of(const uint8_t* packed) {
    Codes codes;
    for (int j = 0; j < 4; ++j) {
        const uint32_t dword = dword_at(packed + 4 * j);
        codes.dword[j] = dword & 0x0f0f0f0f;
        codes.dword[j + 4] = (dword >> 4) & 0x0f0f0f0f;
    }
    return codes;
}

// 32 bytes, each with a field of `mask` from bit `shift` on.
Codes fields_of(const uint8_t* packed, int shift, uint32_t mask) {
    Codes codes;
    for (int j = 0; j < 8; ++j) codes.dword[j] = (dword_at(packed + 4 * j) >> shift) & mask;
    return codes;
}

// Adds the 32 bits of `bits`, bit c to column c, as bit 4 of the codes.
void add_fifth_bits(uint32_t bits, Codes& codes) {
    for (int j = 0; j < 8; ++j) {
        // The multiplication copies bit k of a nibble to bit 0 of byte k.
        codes.dword[j] |= ((((bits >> (4 * j)) & 15) * 0x00204081u) & 0x01010101u) << 4;
    }
}

uint16_t half_at(const uint8_t* bytes) {
    uint16_t half;
    std::memcpy(&half, bytes, 2);
    return half;
}

// The 6-bit scales and minima of Q4_K and Q5_K. Source: gemma4-model 6.7.
void unpack_scales_k4(const uint8_t* s, uint8_t* scales, uint8_t* minima) {
    for (int j = 0; j < 8; ++j) {
        scales[j] =
            j < 4 ? s[j] & 63 : static_cast<uint8_t>((s[j + 4] & 15) | ((s[j - 4] >> 6) << 4));
        minima[j] =
            j < 4 ? s[j + 4] & 63 : static_cast<uint8_t>((s[j + 4] >> 4) | ((s[j] >> 6) << 4));
    }
}

// Each pack_* writes one block of one row into the strip's block at `out`; `rows` is the strip's
// height R. The layouts, in order; xR means once for each row:

// d 2R, codes
void pack_q4_0(const uint8_t* block, int row, int rows, uint8_t* out) {
    put_half(half_at(block), row, out);
    put_nibbles(nibbles_of(block + 2), row, rows, out + 2 * rows);
}

// d 2R, m 2R, codes
void pack_q4_1(const uint8_t* block, int row, int rows, uint8_t* out) {
    put_half(half_at(block), row, out);
    put_half(half_at(block + 2), row, out + 2 * rows);
    put_nibbles(nibbles_of(block + 4), row, rows, out + 4 * rows);
}

// d 2R, fifth bits 4R, codes
void pack_q5_0(const uint8_t* block, int row, int rows, uint8_t* out) {
    Codes codes = nibbles_of(block + 6);
    add_fifth_bits(dword_at(block + 2), codes);
    put_half(half_at(block), row, out);
    put_bits(codes, 4, row, rows, out + 2 * rows);
    put_nibbles(codes, row, rows, out + 6 * rows);
}

// d 2R, m 2R, fifth bits 4R, codes
void pack_q5_1(const uint8_t* block, int row, int rows, uint8_t* out) {
    Codes codes = nibbles_of(block + 8);
    add_fifth_bits(dword_at(block + 4), codes);
    put_half(half_at(block), row, out);
    put_half(half_at(block + 2), row, out + 2 * rows);
    put_bits(codes, 4, row, rows, out + 4 * rows);
    put_nibbles(codes, row, rows, out + 8 * rows);
}

// d 2R, signed codes 8 lines
void pack_q8_0(const uint8_t* block, int row, int rows, uint8_t* out) {
    put_half(half_at(block), row, out);
    for (int j = 0; j < 8; ++j) put(dword_at(block + 2 + 4 * j), j, row, rows, out + 2 * rows);
}

// as q4_0; the codes index the table of values
void pack_iq4_nl(const uint8_t* block, int row, int rows, uint8_t* out) {
    pack_q4_0(block, row, rows, out);
}

// exponent R, codes
void pack_mxfp4(const uint8_t* block, int row, int rows, uint8_t* out) {
    out[row] = block[0];
    put_nibbles(nibbles_of(block + 1), row, rows, out + rows);
}

// d 2R, dmin 2R, [scale | minimum << 4] for each 16 columns R x 16, then for each 32 columns two
// dwords of pairs
void pack_q2_k(const uint8_t* block, int row, int rows, uint8_t* out) {
    const uint8_t *scales = block, *packed = block + 16;
    put_half(half_at(block + 80), row, out);
    put_half(half_at(block + 82), row, out + 2 * rows);
    for (int g = 0; g < 16; ++g) out[(4 + g) * rows + row] = scales[g];
    for (int b = 0; b < 8; ++b) {
        put_pairs(fields_of(packed + 32 * (b / 4), 2 * (b % 4), 0x03030303), 0, row, rows,
                  out + (20 + 8 * b) * rows);
    }
}

// d 2R, low 4 bits of scales (two in a byte: group g and g + 8) R x 8, high 2 bits (byte g: groups
// g, g+4, g+8, g+12) 4R, then for each 32 columns two dwords of pairs and one of third bits
void pack_q3_k(const uint8_t* block, int row, int rows, uint8_t* out) {
    const uint8_t *mask = block, *packed = block + 32, *scales = block + 96;
    put_half(half_at(block + 108), row, out);
    // The file's own packing is already this one.
    for (int g = 0; g < 8; ++g) out[(2 + g) * rows + row] = scales[g];
    std::memcpy(out + 10 * rows + 4 * row, scales + 8, 4);
    for (int b = 0; b < 8; ++b) {
        put_pairs(fields_of(packed + 32 * (b / 4), 2 * (b % 4), 0x03030303), 0, row, rows,
                  out + (14 + 12 * b) * rows);
        put_bits(fields_of(mask, b, 0x01010101), 0, row, rows, out + (14 + 12 * b + 8) * rows);
    }
}

// d 2R, dmin 2R, high 2 bits of scales and minima (bits 4b, 4b+2 of a dword) 4R,
// [scale & 15 | (minimum & 15) << 4] for each 32 columns R x 8
void pack_header_k4(const uint8_t* block, int row, int rows, uint8_t* out) {
    uint8_t scales[8], minima[8];
    unpack_scales_k4(block + 4, scales, minima);
    put_half(half_at(block), row, out);
    put_half(half_at(block + 2), row, out + 2 * rows);
    uint32_t high = 0;
    for (int b = 0; b < 8; ++b) {
        high |= static_cast<uint32_t>((scales[b] >> 4) | ((minima[b] >> 4) << 2)) << (4 * b);
        out[(8 + b) * rows + row] =
            static_cast<uint8_t>((scales[b] & 15) | ((minima[b] & 15) << 4));
    }
    put_word(high, row, out + 4 * rows);
}

// header 16R, codes for each 32 columns
void pack_q4_k(const uint8_t* block, int row, int rows, uint8_t* out) {
    pack_header_k4(block, row, rows, out);
    for (int b = 0; b < 8; ++b) {
        put_nibbles(fields_of(block + 16 + 32 * (b / 2), 4 * (b % 2), 0x0f0f0f0f), row, rows,
                    out + (16 + 16 * b) * rows);
    }
}

// header 16R, for each 32 columns fifth bits 4R and codes
void pack_q5_k(const uint8_t* block, int row, int rows, uint8_t* out) {
    pack_header_k4(block, row, rows, out);
    for (int b = 0; b < 8; ++b) {
        put_bits(fields_of(block + 16, b, 0x01010101), 0, row, rows, out + (16 + 20 * b) * rows);
        put_nibbles(fields_of(block + 48 + 32 * (b / 2), 4 * (b % 2), 0x0f0f0f0f), row, rows,
                    out + (16 + 20 * b + 4) * rows);
    }
}

// d 2R, signed scales for each 16 columns R x 16, for each 32 columns two dwords of top pairs and
// the low nibbles
void pack_q6_k(const uint8_t* block, int row, int rows, uint8_t* out) {
    const uint8_t *low = block, *high = block + 128, *scales = block + 192;
    put_half(half_at(block + 208), row, out);
    for (int g = 0; g < 16; ++g) out[(2 + g) * rows + row] = scales[g];
    for (int b = 0; b < 8; ++b) {
        const int half = b / 4, part = b % 4;  // 128 columns, and which 32 of them
        put_pairs(fields_of(high + 32 * half, 2 * part, 0x03030303), 0, row, rows,
                  out + (18 + 24 * b) * rows);
        put_nibbles(fields_of(low + 64 * half + 32 * (part % 2), 4 * (part / 2), 0x0f0f0f0f), row,
                    rows, out + (18 + 24 * b + 8) * rows);
    }
}

// d 2R, high 2 bits of scales (bits 2b of a half) 2R, low 4 bits (two in a byte: b even low, b odd
// high) R x 4, codes
void pack_iq4_xs(const uint8_t* block, int row, int rows, uint8_t* out) {
    put_half(half_at(block), row, out);
    put_half(half_at(block + 2), row, out + 2 * rows);
    for (int g = 0; g < 4; ++g) out[(4 + g) * rows + row] = block[4 + g];
    for (int b = 0; b < 8; ++b) {
        put_nibbles(nibbles_of(block + 8 + 16 * b), row, rows, out + (8 + 16 * b) * rows);
    }
}

using Packer = void (*)(const uint8_t* block, int row, int rows, uint8_t* out);

Packer packer_of(TensorType type) {
    switch (type) {
        case TensorType::kQ4_0: return pack_q4_0;
        case TensorType::kQ4_1: return pack_q4_1;
        case TensorType::kQ5_0: return pack_q5_0;
        case TensorType::kQ5_1: return pack_q5_1;
        case TensorType::kQ8_0: return pack_q8_0;
        case TensorType::kQ2_K: return pack_q2_k;
        case TensorType::kQ3_K: return pack_q3_k;
        case TensorType::kQ4_K: return pack_q4_k;
        case TensorType::kQ5_K: return pack_q5_k;
        case TensorType::kQ6_K: return pack_q6_k;
        case TensorType::kIQ4_NL: return pack_iq4_nl;
        case TensorType::kIQ4_XS: return pack_iq4_xs;
        case TensorType::kMXFP4: return pack_mxfp4;
        case TensorType::kF32:
        case TensorType::kF16:
        case TensorType::kBF16: return nullptr;
    }
    return nullptr;
}

// Floats: column after column, the R values of a column side by side.
void pack_floats(const Matrix& matrix, int64_t first_row, int rows, uint8_t* out) {
    const size_t size = traits_of(matrix.type).block_bytes;
    for (int r = 0; r < rows && first_row + r < matrix.rows; ++r) {
        const uint8_t* row = matrix.row(first_row + r);
        for (int64_t c = 0; c < matrix.columns; ++c) {
            std::memcpy(out + (static_cast<size_t>(c) * static_cast<size_t>(rows) +
                               static_cast<size_t>(r)) *
                                  size,
                        row + static_cast<size_t>(c) * size, size);
        }
    }
}

}  // namespace

StripType strip_type(TensorType type) {
    switch (type) {
        case TensorType::kF32: return StripType::kF32;
        case TensorType::kF16: return StripType::kF16;
        case TensorType::kBF16: return StripType::kBF16;
        case TensorType::kQ4_0: return StripType::kQ4_0;
        case TensorType::kQ4_1: return StripType::kQ4_1;
        case TensorType::kQ5_0: return StripType::kQ5_0;
        case TensorType::kQ5_1: return StripType::kQ5_1;
        case TensorType::kQ8_0: return StripType::kQ8_0;
        case TensorType::kQ2_K: return StripType::kQ2_K;
        case TensorType::kQ3_K: return StripType::kQ3_K;
        case TensorType::kQ4_K: return StripType::kQ4_K;
        case TensorType::kQ5_K: return StripType::kQ5_K;
        case TensorType::kQ6_K: return StripType::kQ6_K;
        case TensorType::kIQ4_NL: return StripType::kIQ4_NL;
        case TensorType::kIQ4_XS: return StripType::kIQ4_XS;
        case TensorType::kMXFP4: return StripType::kMXFP4;
    }
    FACET_CHECK(false);
}

void pack_strip(const Matrix& matrix, int64_t first_row, int rows, uint8_t* out) {
    if (first_row + rows > matrix.rows) {
        std::memset(out, 0, static_cast<size_t>(rows) * matrix.row_bytes());
    }
    const Packer pack = packer_of(matrix.type);
    if (pack == nullptr) return pack_floats(matrix, first_row, rows, out);
    const TensorTypeTraits& traits = traits_of(matrix.type);
    const int64_t blocks = matrix.columns / traits.block_elements;
    const auto present = static_cast<int>(std::min<int64_t>(rows, matrix.rows - first_row));
    // Block by block, so that the lines being filled stay in the first-level cache.
    for (int64_t b = 0; b < blocks; ++b) {
        const uint8_t* block = matrix.row(first_row) + b * traits.block_bytes;
        for (int r = 0; r < present; ++r) {
            pack(block + static_cast<uint64_t>(r) * matrix.row_bytes(), r, rows,
                 out + b * traits.block_bytes * rows);
        }
    }
}

}  // namespace facet::cpu
