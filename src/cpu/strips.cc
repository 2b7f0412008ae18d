#include "cpu/strips.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace facet::cpu {

namespace {

// Four rows at a time: lane r of a vector is a dword of row r, so that one store fills four places
// of a line. GCC's and Clang's vector types; every machine has 16 bytes of them.
constexpr int kLanes = 4;
using Lanes = uint32_t __attribute__((vector_size(16)));
using ByteLanes = uint8_t __attribute__((vector_size(16)));
using HalfLanes = uint16_t __attribute__((vector_size(16)));

// The same block of four rows.
struct Blocks {
    const uint8_t* row[kLanes];
};

// 32 codes of each of the four rows, four columns to a dword: dword j has columns 4j..4j+3 in its
// bytes.
struct Codes {
    Lanes dword[8];
};

Lanes lanes_at(const uint8_t* bytes) {
    Lanes lanes;
    std::memcpy(&lanes, bytes, sizeof lanes);
    return lanes;
}

uint32_t dword_at(const uint8_t* bytes) {
    uint32_t dword;
    std::memcpy(&dword, bytes, sizeof dword);
    return dword;
}

// The dword at `offset` of each row.
Lanes dword_of(const Blocks& blocks, int offset) {
    return Lanes{dword_at(blocks.row[0] + offset), dword_at(blocks.row[1] + offset),
                 dword_at(blocks.row[2] + offset), dword_at(blocks.row[3] + offset)};
}

// The four dwords from `offset` on of each row: a transpose.
void load_dwords(const Blocks& blocks, int offset, Lanes* dwords) {
    const Lanes a = lanes_at(blocks.row[0] + offset), b = lanes_at(blocks.row[1] + offset),
                c = lanes_at(blocks.row[2] + offset), d = lanes_at(blocks.row[3] + offset);
    const Lanes ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7),
                cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5),
                cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    dwords[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    dwords[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    dwords[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    dwords[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

// 32 bytes of each row.
Codes load_codes(const Blocks& blocks, int offset) {
    Codes codes;
    load_dwords(blocks, offset, codes.dword);
    load_dwords(blocks, offset + 16, codes.dword + 4);
    return codes;
}

// In each byte the field of `mask` from bit `shift` on.
Codes fields_of(const Codes& packed, uint32_t shift, uint32_t mask) {
    Codes codes;
    for (int j = 0; j < 8; ++j) codes.dword[j] = (packed.dword[j] >> shift) & mask;
    return codes;
}

// 16 bytes of each row: byte j has column j in its low nibble, column j + 16 in its high one.
Codes load_nibbles(const Blocks& blocks, int offset) {
    Lanes packed[4];
    load_dwords(blocks, offset, packed);
    Codes codes;
    for (int j = 0; j < 4; ++j) {
        codes.dword[j] = packed[j] & 0x0f0f0f0fu;
        codes.dword[j + 4] = (packed[j] >> 4) & 0x0f0f0f0fu;
    }
    return codes;
}

// The 32 bits of `bits`, bit c for column c, one to a byte.
Codes spread_bits(Lanes bits) {
    Codes codes;
    for (uint32_t j = 0; j < 8; ++j) {
        // The multiplication copies bit k of a nibble to bit 0 of byte k.
        codes.dword[j] = (((bits >> (4 * j)) & 15u) * 0x00204081u) & 0x01010101u;
    }
    return codes;
}

void put(Lanes lanes, int line, int row, int rows, uint8_t* out) {
    std::memcpy(out + (line * rows + row) * 4, &lanes, sizeof lanes);
}

// Low nibbles: columns 4j.. in line j; high nibbles of that line: columns 16+4j..
void put_nibbles(const Codes& codes, int row, int rows, uint8_t* out) {
    for (int j = 0; j < 4; ++j) {
        put((codes.dword[j] & 0x0f0f0f0fu) | ((codes.dword[j + 4] & 0x0f0f0f0fu) << 4), j, row,
            rows, out);
    }
}

// The lowest bit of each code: one line; byte k, bit j is column 4j + k.
void put_bits(const Codes& codes, int row, int rows, uint8_t* out) {
    Lanes bits = {};
    for (uint32_t j = 0; j < 8; ++j) bits |= (codes.dword[j] & 0x01010101u) << j;
    put(bits, 0, row, rows, out);
}

// The lowest two bits of each code: two lines, columns 0..15 and 16..31; byte k, bits 2j and 2j+1
// are column 4j + k.
void put_pairs(const Codes& codes, int row, int rows, uint8_t* out) {
    for (int half = 0; half < 2; ++half) {
        Lanes pairs = {};
        for (uint32_t j = 0; j < 4; ++j)
            pairs |= (codes.dword[4 * half + static_cast<int>(j)] & 0x03030303u) << (2 * j);
        put(pairs, half, row, rows, out);
    }
}

// The lowest three bits of each code: three lines of fields. In a byte of line i, columns 8i + k
// and 8i + 4 + k in bits 0.. and 3..; columns 24 + k have their high two bits in bits 6 and 7 of
// line 0 and their lowest in bit 6 of line 2, columns 28 + k the same in line 1 and bit 7.
void put_fields(const Codes& codes, int row, int rows, uint8_t* out) {
    const auto field = [&](int j) { return codes.dword[j] & 0x07070707u; };
    const auto high = [&](int j) { return (field(j) & 0x06060606u) << 5; };
    const auto low = [&](int j) { return field(j) & 0x01010101u; };
    put(field(0) | (field(1) << 3) | high(6), 0, row, rows, out);
    put(field(2) | (field(3) << 3) | high(7), 1, row, rows, out);
    put(field(4) | (field(5) << 3) | (low(6) << 6) | (low(7) << 7), 2, row, rows, out);
}

// Four bytes of each row, byte k into line first + k of one byte for each row.
void put_bytes(Lanes lanes, int first, int row, int rows, uint8_t* out) {
    ByteLanes bytes;
    std::memcpy(&bytes, &lanes, sizeof bytes);
    bytes =
        __builtin_shufflevector(bytes, bytes, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    uint8_t lines[16];
    std::memcpy(lines, &bytes, sizeof bytes);
    for (int k = 0; k < 4; ++k) std::memcpy(out + (first + k) * rows + row, lines + 4 * k, 4);
}

// Sixteen of them.
void put_16_bytes(const Blocks& blocks, int offset, int first, int row, int rows, uint8_t* out) {
    Lanes dwords[4];
    load_dwords(blocks, offset, dwords);
    for (int j = 0; j < 4; ++j) put_bytes(dwords[j], first + 4 * j, row, rows, out);
}

// The f16 at `offset` of each row.
void put_halves(const Blocks& blocks, int offset, int row, uint8_t* out) {
    for (int r = 0; r < kLanes; ++r)
        std::memcpy(out + 2 * (row + r), blocks.row[r] + offset, sizeof(uint16_t));
}

// Each pack_* writes one block of four rows into the strip's block at `out`, from row `row` on;
// `rows` is the strip's height R. The layouts, in order; xR means once for each row:

// d 2R, codes
void pack_q4_0(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 0, row, out);
    put_nibbles(load_nibbles(blocks, 2), row, rows, out + 2 * rows);
}

// d 2R, m 2R, codes
void pack_q4_1(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 0, row, out);
    put_halves(blocks, 2, row, out + 2 * rows);
    put_nibbles(load_nibbles(blocks, 4), row, rows, out + 4 * rows);
}

// d 2R, fifth bits 4R, codes
void pack_q5_0(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 0, row, out);
    put_bits(spread_bits(dword_of(blocks, 2)), row, rows, out + 2 * rows);
    put_nibbles(load_nibbles(blocks, 6), row, rows, out + 6 * rows);
}

// d 2R, m 2R, fifth bits 4R, codes
void pack_q5_1(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 0, row, out);
    put_halves(blocks, 2, row, out + 2 * rows);
    put_bits(spread_bits(dword_of(blocks, 4)), row, rows, out + 4 * rows);
    put_nibbles(load_nibbles(blocks, 8), row, rows, out + 8 * rows);
}

// d 2R, signed codes 8 lines
void pack_q8_0(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 0, row, out);
    const Codes codes = load_codes(blocks, 2);
    for (int j = 0; j < 8; ++j) put(codes.dword[j], j, row, rows, out + 2 * rows);
}

// as q4_0; the codes index the table of values
void pack_iq4_nl(const Blocks& blocks, int row, int rows, uint8_t* out) {
    pack_q4_0(blocks, row, rows, out);
}

// exponent R, codes
void pack_mxfp4(const Blocks& blocks, int row, int rows, uint8_t* out) {
    for (int r = 0; r < kLanes; ++r) out[row + r] = blocks.row[r][0];
    put_nibbles(load_nibbles(blocks, 1), row, rows, out + rows);
}

// d 2R, dmin 2R, [scale | minimum << 4] for each 16 columns R x 16, then for each 32 columns two
// dwords of pairs
void pack_q2_k(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 80, row, out);
    put_halves(blocks, 82, row, out + 2 * rows);
    put_16_bytes(blocks, 0, 4, row, rows, out);
    for (int half = 0; half < 2; ++half) {
        const Codes packed = load_codes(blocks, 16 + 32 * half);
        for (int part = 0; part < 4; ++part) {
            put_pairs(fields_of(packed, static_cast<uint32_t>(2 * part), 0x03030303), row, rows,
                      out + (20 + 8 * (4 * half + part)) * rows);
        }
    }
}

// d 2R, low 4 bits of scales (two in a byte: group g and g + 8) R x 8, high 2 bits (byte g: groups
// g, g+4, g+8, g+12) 4R, then for each 32 columns two dwords of pairs and one of third bits
void pack_q3_k(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 108, row, out);
    // The file's own packing is already this one.
    put_bytes(dword_of(blocks, 96), 2, row, rows, out);
    put_bytes(dword_of(blocks, 100), 6, row, rows, out);
    put(dword_of(blocks, 104), 0, row, rows, out + 10 * rows);
    const Codes third = load_codes(blocks, 0);
    for (int half = 0; half < 2; ++half) {
        const Codes packed = load_codes(blocks, 32 + 32 * half);
        for (int part = 0; part < 4; ++part) {
            const int b = 4 * half + part;
            put_pairs(fields_of(packed, static_cast<uint32_t>(2 * part), 0x03030303), row, rows,
                      out + (14 + 12 * b) * rows);
            put_bits(fields_of(third, static_cast<uint32_t>(b), 0x01010101), row, rows,
                     out + (14 + 12 * b + 8) * rows);
        }
    }
}

// Four bytes of at most 4 bits each, side by side in the low half.
Lanes join_nibbles(Lanes bytes) {
    bytes = (bytes | (bytes >> 4)) & 0x00ff00ffu;
    return (bytes | (bytes >> 8)) & 0x0000ffffu;
}

// d 2R, dmin 2R, high 2 bits of scales and minima (bits 4b, 4b+2 of a dword) 4R,
// [scale & 15 | (minimum & 15) << 4] for each 32 columns R x 8
void pack_header_k4(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 0, row, out);
    put_halves(blocks, 2, row, out + 2 * rows);
    // The 6-bit scales and minima of Q4_K and Q5_K, one to a byte. Source: gemma4-model 6.7.
    const Lanes a = dword_of(blocks, 4), b = dword_of(blocks, 8), c = dword_of(blocks, 12);
    const Lanes scales[2] = {a & 0x3f3f3f3fu, (c & 0x0f0f0f0fu) | ((a >> 2) & 0x30303030u)};
    const Lanes minima[2] = {b & 0x3f3f3f3fu, ((c >> 4) & 0x0f0f0f0fu) | ((b >> 2) & 0x30303030u)};
    Lanes high[2];
    for (int i = 0; i < 2; ++i) {
        high[i] = join_nibbles(((scales[i] >> 4) & 0x03030303u) | ((minima[i] >> 2) & 0x0c0c0c0cu));
        put_bytes((scales[i] & 0x0f0f0f0fu) | ((minima[i] & 0x0f0f0f0fu) << 4), 8 + 4 * i, row,
                  rows, out);
    }
    put(high[0] | (high[1] << 16), 0, row, rows, out + 4 * rows);
}

// header 16R, codes for each 32 columns
void pack_q4_k(const Blocks& blocks, int row, int rows, uint8_t* out) {
    pack_header_k4(blocks, row, rows, out);
    for (int b = 0; b < 8; b += 2) {
        const Codes packed = load_codes(blocks, 16 + 16 * b);
        put_nibbles(packed, row, rows, out + (16 + 16 * b) * rows);
        put_nibbles(fields_of(packed, 4, 0x0f0f0f0f), row, rows, out + (32 + 16 * b) * rows);
    }
}

// header 16R, for each 32 columns fifth bits 4R and codes
void pack_q5_k(const Blocks& blocks, int row, int rows, uint8_t* out) {
    pack_header_k4(blocks, row, rows, out);
    const Codes fifth = load_codes(blocks, 16);
    for (int b = 0; b < 8; b += 2) {
        const Codes packed = load_codes(blocks, 48 + 16 * b);
        for (int odd = 0; odd < 2; ++odd) {
            uint8_t* to = out + (16 + 20 * (b + odd)) * rows;
            put_bits(fields_of(fifth, static_cast<uint32_t>(b + odd), 0x01010101), row, rows, to);
            put_nibbles(fields_of(packed, static_cast<uint32_t>(4 * odd), 0x0f0f0f0f), row, rows,
                        to + 4 * rows);
        }
    }
}

// Calls put(b, top pairs, low nibbles) for each 32 columns b of a block of Q6_K.
template <typename Put>
void each_32_of_q6_k(const Blocks& blocks, const Put& put) {
    for (int half = 0; half < 2; ++half) {  // 128 columns each
        const Codes high = load_codes(blocks, 128 + 32 * half);
        for (int odd = 0; odd < 2; ++odd) {
            const Codes low = load_codes(blocks, 64 * half + 32 * odd);
            for (int part = odd; part < 4; part += 2) {
                put(4 * half + part, fields_of(high, static_cast<uint32_t>(2 * part), 0x03030303),
                    fields_of(low, static_cast<uint32_t>(4 * (part / 2)), 0x0f0f0f0f));
            }
        }
    }
}

// d 2R, signed scales for each 16 columns R x 16, for each 32 columns two dwords of top pairs and
// the low nibbles
void pack_q6_k(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 208, row, out);
    put_16_bytes(blocks, 192, 2, row, rows, out);
    each_32_of_q6_k(blocks, [&](int b, const Codes& pairs, const Codes& low) {
        uint8_t* to = out + (18 + 24 * b) * rows;
        put_pairs(pairs, row, rows, to);
        put_nibbles(low, row, rows, to + 8 * rows);
    });
}

// High plane: d 2R, scales R x 16, fields of the top three bits for each 32 columns; low plane:
// fields of the others.
void pack_planes_q6_k(const Blocks& blocks, int row, int rows, PlaneTarget out) {
    put_halves(blocks, 208, row, out.high);
    put_16_bytes(blocks, 192, 2, row, rows, out.high);
    each_32_of_q6_k(blocks, [&](int b, const Codes& pairs, const Codes& low) {
        Codes high;
        for (int j = 0; j < 8; ++j)
            high.dword[j] = (pairs.dword[j] << 1) | ((low.dword[j] >> 3) & 0x01010101u);
        put_fields(high, row, rows, out.high + (18 + 12 * b) * rows);
        put_fields(low, row, rows, out.low + 12 * b * rows);
    });
}

// High plane: d 2R, high nibbles of the codes moved up by 128; low plane: low nibbles.
void pack_planes_q8_0(const Blocks& blocks, int row, int rows, PlaneTarget out) {
    put_halves(blocks, 0, row, out.high);
    Codes codes = load_codes(blocks, 2);
    for (Lanes& dword : codes.dword) dword ^= 0x80808080u;
    put_nibbles(fields_of(codes, 4, 0x0f0f0f0f), row, rows, out.high + 2 * rows);
    put_nibbles(fields_of(codes, 0, 0x0f0f0f0f), row, rows, out.low);
}

// d 2R, high 2 bits of scales (bits 2b of a half) 2R, low 4 bits (two in a byte: b even low, b odd
// high) R x 4, codes
void pack_iq4_xs(const Blocks& blocks, int row, int rows, uint8_t* out) {
    put_halves(blocks, 0, row, out);
    put_halves(blocks, 2, row, out + 2 * rows);
    put_bytes(dword_of(blocks, 4), 4, row, rows, out);
    for (int b = 0; b < 8; ++b) {
        put_nibbles(load_nibbles(blocks, 8 + 16 * b), row, rows, out + (8 + 16 * b) * rows);
    }
}

using Packer = void (*)(const Blocks& blocks, int row, int rows, uint8_t* out);

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

// Columns [begin, end) of one row of floats of `size` bytes.
void put_floats(const uint8_t* from, int64_t begin, int64_t end, size_t size, int row, int rows,
                uint8_t* out) {
    for (int64_t c = begin; c < end; ++c) {
        std::memcpy(out + static_cast<size_t>(c * rows + row) * size,
                    from + static_cast<size_t>(c) * size, size);
    }
}

// The columns in 16 bytes of each of four rows: four of f32, eight of 16-bit types.
void put_float_columns(const Blocks& blocks, int64_t column, size_t size, int row, int rows,
                       uint8_t* out) {
    Lanes dwords[4];
    load_dwords(blocks, static_cast<int>(column) * static_cast<int>(size), dwords);
    for (int j = 0; j < 4; ++j) {
        if (size == 4) {
            put(dwords[j], static_cast<int>(column) + j, row, rows, out);
            continue;
        }
        HalfLanes halves;
        std::memcpy(&halves, &dwords[j], sizeof halves);
        halves = __builtin_shufflevector(halves, halves, 0, 2, 4, 6, 1, 3, 5, 7);
        uint8_t two[16];  // two columns of four rows
        std::memcpy(two, &halves, sizeof two);
        uint8_t* to = out + ((column + 2 * j) * rows + row) * 2;
        std::memcpy(to, two, 8);
        std::memcpy(to + 2 * rows, two + 8, 8);
    }
}

// Floats: column after column, the R values of a column side by side.
void pack_floats(const Matrix& matrix, int64_t first_row, int rows, uint8_t* out) {
    const size_t size = traits_of(matrix.type).block_bytes;
    const auto step = static_cast<int64_t>(16 / size), whole = matrix.columns / step * step;
    const auto present = static_cast<int>(std::min<int64_t>(rows, matrix.rows - first_row));
    for (int r = 0; r < present; ++r) {
        const bool alone = r >= present / kLanes * kLanes;
        put_floats(matrix.row(first_row + r), alone ? 0 : whole, matrix.columns, size, r, rows,
                   out);
    }
    // A few rows beside each other, a cache line of columns at a time.
    for (int64_t c = 0; c < whole; c += step) {
        for (int r = 0; r + kLanes <= present; r += kLanes) {
            Blocks blocks;
            for (int i = 0; i < kLanes; ++i) blocks.row[i] = matrix.row(first_row + r + i);
            put_float_columns(blocks, c, size, r, rows, out);
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

namespace {

// Calls pack(four rows' block, row in the strip, number of the block) for all of a strip, block by
// block, so that the lines being filled stay in the first-level cache.
template <typename Pack>
void each_four_blocks(const Matrix& matrix, int64_t first_row, int rows, const Pack& pack) {
    static constexpr uint8_t kZeros[256] = {};  // a block of a row that is not there
    const TensorTypeTraits& traits = traits_of(matrix.type);
    const uint64_t row_bytes = matrix.row_bytes();
    const int64_t blocks = matrix.columns / traits.block_elements;
    const uint8_t* from = matrix.row(first_row);
    for (int64_t b = 0; b < blocks; ++b) {
        for (int r = 0; r < rows; r += kLanes) {
            Blocks four;
            for (int i = 0; i < kLanes; ++i) {
                const bool present = first_row + r + i < matrix.rows;
                four.row[i] = present ? from + static_cast<uint64_t>(r + i) * row_bytes : kZeros;
            }
            pack(four, r, b);
        }
        from += traits.block_bytes;
    }
}

}  // namespace

void pack_strip(const Matrix& matrix, int64_t first_row, int rows, uint8_t* out) {
    const Packer pack = packer_of(matrix.type);
    if (pack == nullptr) {
        if (first_row + rows > matrix.rows)
            std::memset(out, 0, static_cast<size_t>(rows) * matrix.row_bytes());
        return pack_floats(matrix, first_row, rows, out);
    }
    const auto block_bytes = static_cast<int64_t>(traits_of(matrix.type).block_bytes) * rows;
    each_four_blocks(matrix, first_row, rows, [&](const Blocks& four, int row, int64_t block) {
        pack(four, row, rows, out + block * block_bytes);
    });
}

std::optional<PlaneType> plane_type(TensorType type) {
    if (type == TensorType::kQ6_K) return PlaneType::kQ6_K;
    if (type == TensorType::kQ8_0) return PlaneType::kQ8_0;
    return std::nullopt;
}

PlaneBytes plane_bytes(PlaneType type, int64_t columns) {
    const auto blocks = static_cast<uint64_t>(columns) / (type == PlaneType::kQ6_K ? 256 : 32);
    return type == PlaneType::kQ6_K ? PlaneBytes{114 * blocks, 96 * blocks}
                                    : PlaneBytes{18 * blocks, 16 * blocks};
}

void pack_planes(const Matrix& matrix, int64_t first_row, int rows, PlaneTarget out) {
    const bool q6_k = plane_type(matrix.type) == PlaneType::kQ6_K;
    const PlaneBytes bytes = plane_bytes(*plane_type(matrix.type), matrix.columns);
    const int64_t blocks = matrix.columns / traits_of(matrix.type).block_elements;
    const auto high = static_cast<int64_t>(bytes.high) / blocks * rows,
               low = static_cast<int64_t>(bytes.low) / blocks * rows;
    each_four_blocks(matrix, first_row, rows, [&](const Blocks& four, int row, int64_t block) {
        const PlaneTarget to = {out.high + block * high, out.low + block * low};
        q6_k ? pack_planes_q6_k(four, row, rows, to) : pack_planes_q8_0(four, row, rows, to);
    });
}

}  // namespace facet::cpu
