// The kernels of every instruction set, written once over a vector type V that the including file
// defines:
//
//   kRows                 32-bit lanes of a register; the height of a strip
//   I, F                  registers of 32-bit integers and of floats
//   load, load_f          4 * kRows bytes;  store, store_f: the reverse
//   load_bytes, load_signed_bytes, load_halves     kRows bytes or halves, widened to 32 bits
//   load_f16, load_bf16   kRows halves as floats;  store_f16: the reverse, to nearest even
//   set, set_f            one value in all lanes;  broadcast: the same from 4 bytes of memory
//   and_, or_, subtract, shift_left<n>, shift_right<n>, shift_right_by(I, n)
//   dot_small(acc, codes, p)    acc + sum over 4 bytes: codes 0..63 times the 4 signed bytes at p
//   dot_signed(acc, codes, p)   the same for codes -128..127 that went through bias(); what bias()
//                               adds, 2^kSignedBias for each code, is taken back in first_sum()
//   dot_registers(acc, codes, a)  dot_small with the activations in a register
//   lookup(table, codes)        each byte 0..15 replaced by that byte of a 16-byte table
//   to_float, round_to_int, multiply, add_f, subtract_f, divide, max_f, minimum_f, abs_f
//   multiply_add(a, b, c)       a * b + c in one rounding
//   power_of_two(I)             2^i as float
//   zero_below(a, x, limit)     a where x >= limit, else 0
//   reduce16(F*)                the sum of 16 floats in kParts registers: i + (i + 8) first, then
//                               i + (i + 4), 2, 1
//
// The order of float operations is what makes the tables agree bit by bit; do not reorder.

constexpr int kParts = 16 / V::kRows;
using I = V::I;
using F = V::F;

// ---- strips of quantized weights

// A format tells how a strip's super-block of kBlocks x 32 columns is read (layouts: strips.cc):
//   kBytes     bytes of a super-block for one row
//   kGroups    scales for each 32 columns: 1, or 2 of 16 columns
//   kSigned    codes are signed bytes
//   kOffset    exponent of the power of two that is subtracted from unsigned codes; 0 for none
//   kMinimum   has a minimum: value = scale * code - minimum
// open() reads the header; codes() unpacks eight registers, four columns each; scale() and
// minimum() give float lanes.

inline void unpack_nibbles(const uint8_t* p, I* w) {
    const I mask = V::set(0x0f0f0f0f);
    for (int j = 0; j < 4; ++j) {
        const I packed = V::load(p + 4 * V::kRows * j);
        w[j] = V::and_(packed, mask);
        w[4 + j] = V::and_(V::template shift_right<4>(packed), mask);
    }
}

template <int kPosition>
inline I bit_at(I bits, int shift) {
    const I moved = V::shift_right_by(bits, shift);
    return V::template shift_left<kPosition>(V::and_(moved, V::set(0x01010101)));
}

template <int kPosition>
inline void add_bits(const uint8_t* p, I* w) {
    const I bits = V::load(p);
    for (int j = 0; j < 8; ++j) w[j] = V::or_(w[j], bit_at<kPosition>(bits, j));
}

template <int kPosition>
inline void add_pairs(const uint8_t* p, I* w) {
    for (int half = 0; half < 2; ++half) {
        const I pairs = V::load(p + 4 * V::kRows * half);
        for (int j = 0; j < 4; ++j) {
            const I two = V::and_(V::shift_right_by(pairs, 2 * j), V::set(0x03030303));
            w[4 * half + j] = V::or_(w[4 * half + j], V::template shift_left<kPosition>(two));
        }
    }
}

inline void clear(I* w) {
    for (int j = 0; j < 8; ++j) w[j] = V::set(0);
}

struct FormatBase {
    static constexpr int kBlocks = 1;
    static constexpr int kGroups = 1;
    static constexpr bool kSigned = false;
    static constexpr int kOffset = 0;
    static constexpr bool kMinimum = false;
    const uint8_t* p;
    void open(const uint8_t* super_block) { p = super_block; }
    F minimum(int, int) const { return V::set_f(0); }
};

constexpr int R = V::kRows;

struct FormatQ4_0 : FormatBase {
    static constexpr int kBytes = 18;
    static constexpr int kOffset = 3;
    void codes(int, I* w) const { unpack_nibbles(p + 2 * R, w); }
    F scale(int, int) const { return V::load_f16(p); }
};

struct FormatQ4_1 : FormatBase {
    static constexpr int kBytes = 20;
    static constexpr bool kMinimum = true;
    void codes(int, I* w) const { unpack_nibbles(p + 4 * R, w); }
    F scale(int, int) const { return V::load_f16(p); }
    F minimum(int, int) const { return V::subtract_f(V::set_f(0), V::load_f16(p + 2 * R)); }
};

struct FormatQ5_0 : FormatBase {
    static constexpr int kBytes = 22;
    static constexpr int kOffset = 4;
    void codes(int, I* w) const {
        unpack_nibbles(p + 6 * R, w);
        add_bits<4>(p + 2 * R, w);
    }
    F scale(int, int) const { return V::load_f16(p); }
};

struct FormatQ5_1 : FormatBase {
    static constexpr int kBytes = 24;
    static constexpr bool kMinimum = true;
    void codes(int, I* w) const {
        unpack_nibbles(p + 8 * R, w);
        add_bits<4>(p + 4 * R, w);
    }
    F scale(int, int) const { return V::load_f16(p); }
    F minimum(int, int) const { return V::subtract_f(V::set_f(0), V::load_f16(p + 2 * R)); }
};

struct FormatQ8_0 : FormatBase {
    static constexpr int kBytes = 34;
    static constexpr bool kSigned = true;
    void codes(int, I* w) const {
        for (int j = 0; j < 8; ++j) w[j] = V::load(p + (2 + 4 * j) * R);
    }
    F scale(int, int) const { return V::load_f16(p); }
};

// The values of IQ4_NL and IQ4_XS, and twice those of MXFP4. Source: gemma4-model 6.7.
alignas(16) constexpr int8_t kNonLinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
alignas(16) constexpr int8_t kTwiceE2M1[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                               0, -1, -2, -3, -4, -6, -8, -12};

inline void look_up(const int8_t* table, I* w) {
    for (int j = 0; j < 8; ++j) w[j] = V::lookup(table, w[j]);
}

struct FormatIQ4_NL : FormatBase {
    static constexpr int kBytes = 18;
    static constexpr bool kSigned = true;
    void codes(int, I* w) const {
        unpack_nibbles(p + 2 * R, w);
        look_up(kNonLinear, w);
    }
    F scale(int, int) const { return V::load_f16(p); }
};

struct FormatMXFP4 : FormatBase {
    static constexpr int kBytes = 17;
    static constexpr bool kSigned = true;
    void codes(int, I* w) const {
        unpack_nibbles(p + R, w);
        look_up(kTwiceE2M1, w);
    }
    // 2^(e - 128), because the codes are doubled.
    F scale(int, int) const { return V::power_of_two(V::subtract(V::load_bytes(p), V::set(128))); }
};

struct FormatIQ4_XS : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr int kBytes = 136;
    static constexpr bool kSigned = true;
    F d;
    void open(const uint8_t* super_block) {
        p = super_block;
        d = V::load_f16(p);
    }
    void codes(int b, I* w) const {
        unpack_nibbles(p + (8 + 16 * b) * R, w);
        look_up(kNonLinear, w);
    }
    F scale(int b, int) const {
        const I low =
            V::and_(V::shift_right_by(V::load_bytes(p + (4 + b / 2) * R), 4 * (b % 2)), V::set(15));
        const I high = V::and_(V::shift_right_by(V::load_halves(p + 2 * R), 2 * b), V::set(3));
        const I code = V::or_(low, V::template shift_left<4>(high));
        return V::multiply(d, V::to_float(V::subtract(code, V::set(32))));
    }
};

struct FormatQ2_K : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr int kBytes = 84;
    static constexpr int kGroups = 2;
    static constexpr bool kMinimum = true;
    F d, dmin;
    void open(const uint8_t* super_block) {
        p = super_block;
        d = V::load_f16(p);
        dmin = V::load_f16(p + 2 * R);
    }
    void codes(int b, I* w) const {
        clear(w);
        add_pairs<0>(p + (20 + 8 * b) * R, w);
    }
    F scale(int b, int g) const {
        return V::multiply(
            d, V::to_float(V::and_(V::load_bytes(p + (4 + 2 * b + g) * R), V::set(15))));
    }
    F minimum(int b, int g) const {
        return V::multiply(
            dmin, V::to_float(V::template shift_right<4>(V::load_bytes(p + (4 + 2 * b + g) * R))));
    }
};

struct FormatQ3_K : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr int kBytes = 110;
    static constexpr int kGroups = 2;
    static constexpr int kOffset = 2;
    F d;
    I high;
    void open(const uint8_t* super_block) {
        p = super_block;
        d = V::load_f16(p);
        high = V::load(p + 10 * R);
    }
    void codes(int b, I* w) const {
        clear(w);
        add_pairs<0>(p + (14 + 12 * b) * R, w);
        add_bits<2>(p + (14 + 12 * b + 8) * R, w);
    }
    F scale(int b, int half) const {
        const int g = 2 * b + half;
        const I low =
            V::and_(V::shift_right_by(V::load_bytes(p + (2 + g % 8) * R), 4 * (g / 8)), V::set(15));
        const I two = V::and_(V::shift_right_by(high, 8 * (g % 4) + 2 * (g / 4)), V::set(3));
        const I code = V::or_(low, V::template shift_left<4>(two));
        return V::multiply(d, V::to_float(V::subtract(code, V::set(32))));
    }
};

struct HeaderK4 : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr bool kMinimum = true;
    F d, dmin;
    I high;
    void open(const uint8_t* super_block) {
        p = super_block;
        d = V::load_f16(p);
        dmin = V::load_f16(p + 2 * R);
        high = V::load(p + 4 * R);
    }
    F scale(int b, int) const {
        const I low = V::and_(V::load_bytes(p + (8 + b) * R), V::set(15));
        const I two = V::and_(V::shift_right_by(high, 4 * b), V::set(3));
        return V::multiply(d, V::to_float(V::or_(low, V::template shift_left<4>(two))));
    }
    F minimum(int b, int) const {
        const I low = V::template shift_right<4>(V::load_bytes(p + (8 + b) * R));
        const I two = V::and_(V::shift_right_by(high, 4 * b + 2), V::set(3));
        return V::multiply(dmin, V::to_float(V::or_(low, V::template shift_left<4>(two))));
    }
};

struct FormatQ4_K : HeaderK4 {
    static constexpr int kBytes = 144;
    void codes(int b, I* w) const { unpack_nibbles(p + (16 + 16 * b) * R, w); }
};

struct FormatQ5_K : HeaderK4 {
    static constexpr int kBytes = 176;
    void codes(int b, I* w) const {
        unpack_nibbles(p + (16 + 20 * b + 4) * R, w);
        add_bits<4>(p + (16 + 20 * b) * R, w);
    }
};

struct FormatQ6_K : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr int kBytes = 210;
    static constexpr int kGroups = 2;
    static constexpr int kOffset = 5;
    F d;
    void open(const uint8_t* super_block) {
        p = super_block;
        d = V::load_f16(p);
    }
    void codes(int b, I* w) const {
        unpack_nibbles(p + (18 + 24 * b + 8) * R, w);
        add_pairs<4>(p + (18 + 24 * b) * R, w);
    }
    F scale(int b, int g) const {
        return V::multiply(d, V::to_float(V::load_signed_bytes(p + (2 + 2 * b + g) * R)));
    }
};

// The integer that a sum starts from: minus the offset of the codes times the sum of the
// activations.
template <typename Format>
inline I first_sum(const int32_t* negative_sum) {
    constexpr int kShift = Format::kSigned ? V::kSignedBias : Format::kOffset;
    if constexpr (kShift == 0) return V::set(0);
    return V::template shift_left<kShift>(V::broadcast(negative_sum));
}

template <typename Format, int kCount>
void multiply_strip(const uint8_t* strip, int64_t blocks, const Tile& tile, float* out) {
    constexpr int kColumns = 32 / Format::kGroups;  // columns of one scale
    constexpr int kSteps = 8 / Format::kGroups;
    const int8_t* codes = tile.codes;
    const float* scales = tile.scale;
    const int32_t* sums = kColumns == 32 ? tile.negative_sum32 : tile.negative_sum16;
    const float* scaled_sums = kColumns == 32 ? tile.scaled_sum32 : tile.scaled_sum16;
    const uint8_t* const end = strip + blocks / Format::kBlocks * Format::kBytes * R;
    F acc[kCount];
    for (int t = 0; t < kCount; ++t) acc[t] = V::set_f(0);
    for (const uint8_t* p = strip; p < end; p += Format::kBytes * R) {
        Format format;
        format.open(p);
        for (int b = 0; b < Format::kBlocks; ++b) {
            I w[8];
            format.codes(b, w);
            if constexpr (Format::kSigned) {
                for (int j = 0; j < 8; ++j) w[j] = V::bias(w[j]);
            }
            for (int g = 0; g < Format::kGroups; ++g) {
                I sum[kCount];
                for (int t = 0; t < kCount; ++t) sum[t] = first_sum<Format>(sums + t);
                for (int j = g * kSteps; j < (g + 1) * kSteps; ++j, codes += 4 * kCount) {
                    for (int t = 0; t < kCount; ++t) {
                        sum[t] = Format::kSigned ? V::dot_signed(sum[t], w[j], codes + 4 * t)
                                                 : V::dot_small(sum[t], w[j], codes + 4 * t);
                    }
                }
                const F scale = format.scale(b, g);
                for (int t = 0; t < kCount; ++t) {
                    const F both = V::multiply(scale, V::set_f(scales[t]));
                    acc[t] = V::multiply_add(V::to_float(sum[t]), both, acc[t]);
                }
                if constexpr (Format::kMinimum) {
                    const F minimum = V::subtract_f(V::set_f(0), format.minimum(b, g));
                    for (int t = 0; t < kCount; ++t) {
                        acc[t] = V::multiply_add(minimum, V::set_f(scaled_sums[t]), acc[t]);
                    }
                    scaled_sums += kCount;
                }
                sums += kCount;
            }
            scales += kCount;
        }
    }
    for (int t = 0; t < kCount; ++t) V::store_f(out + t * R, acc[t]);
}

// ---- strips of floats: the sum runs over the columns in order

struct FloatF32 {
    static constexpr int kBytes = 4;
    static F load(const uint8_t* p) { return V::load_f(reinterpret_cast<const float*>(p)); }
};
struct FloatF16 {
    static constexpr int kBytes = 2;
    static F load(const uint8_t* p) { return V::load_f16(p); }
};
struct FloatBF16 {
    static constexpr int kBytes = 2;
    static F load(const uint8_t* p) { return V::load_bf16(p); }
};

template <typename Format, int kCount>
void multiply_floats(const uint8_t* strip, int64_t columns, const Tile& tile, float* out) {
    F acc[kCount];
    for (int t = 0; t < kCount; ++t) acc[t] = V::set_f(0);
    for (int64_t c = 0; c < columns; ++c) {
        const F w = Format::load(strip + c * R * Format::kBytes);
        for (int t = 0; t < kCount; ++t) {
            acc[t] = V::multiply_add(w, V::set_f(tile.values[c * kCount + t]), acc[t]);
        }
    }
    for (int t = 0; t < kCount; ++t) V::store_f(out + t * R, acc[t]);
}

template <typename Format, bool kFloats>
void strip_kernel(const uint8_t* strip, int64_t blocks, const Tile& tile, float* out) {
    const auto call = [&](auto n) {
        if constexpr (kFloats) {
            multiply_floats<Format, decltype(n)::value>(strip, blocks, tile, out);
        } else {
            multiply_strip<Format, decltype(n)::value>(strip, blocks, tile, out);
        }
    };
    switch (tile.count) {
        case 1: return call(Number<1>());
        case 2: return call(Number<2>());
        case 3: return call(Number<3>());
        case 4: return call(Number<4>());
        case 5: return call(Number<5>());
        case 6: return call(Number<6>());
        case 7: return call(Number<7>());
        case 8: return call(Number<8>());
    }
}

// ---- rows of activations

void quantize_row(const float* x, int64_t columns, const Tile& tile, int slot) {
    const int count = tile.count;
    for (int64_t block = 0; block < columns / 32; ++block) {
        const float* values = x + 32 * block;
        F largest = V::set_f(0);
        for (int i = 0; i < 32; i += R) largest = V::max_f(largest, V::abs_f(V::load_f(values + i)));
        float lanes[R];
        V::store_f(lanes, largest);
        // What is not a number stays so in the scale, so that it reaches the logits, where it is
        // reported.
        float magnitude = 0;
        for (int i = 0; i < R && magnitude == magnitude; ++i) {
            magnitude = lanes[i] <= magnitude ? magnitude : lanes[i];
        }
        const float scale = magnitude / 127.0f;
        const F inverse = V::set_f(magnitude > 1e-30f ? 127.0f / magnitude : 0.0f);
        int32_t codes[32];
        for (int i = 0; i < 32; i += R) {
            V::store(codes + i, V::round_to_int(V::multiply(V::load_f(values + i), inverse)));
        }
        // Separate loops, so that the compiler turns each into a few vector instructions.
        int8_t bytes[32];
        for (int i = 0; i < 32; ++i) {
            codes[i] = codes[i] < -127 ? -127 : codes[i];  // only what is not a number is below
            bytes[i] = static_cast<int8_t>(codes[i]);
        }
        int32_t sums[2] = {0, 0};
        for (int i = 0; i < 16; ++i) {
            sums[0] += codes[i];
            sums[1] += codes[16 + i];
        }
        int8_t* to = tile.codes + (8 * block * count + slot) * 4;
        for (int j = 0; j < 8; ++j) __builtin_memcpy(to + 4 * j * count, bytes + 4 * j, 4);
        const int64_t at = block * count + slot;
        tile.scale[at] = scale;
        tile.negative_sum32[at] = -(sums[0] + sums[1]);
        tile.scaled_sum32[at] = scale * static_cast<float>(sums[0] + sums[1]);
        for (int half = 0; half < 2; ++half) {
            const int64_t half_at = (2 * block + half) * count + slot;
            tile.negative_sum16[half_at] = -sums[half];
            tile.scaled_sum16[half_at] = scale * static_cast<float>(sums[half]);
        }
    }
}

// ---- attention

// Scores of kHeads queries and kKeys keys.
template <int kHeads, int kKeys>
inline void score_tile(const float* queries, const uint16_t* keys, int64_t key_stride, int size,
                       float* scores, int64_t stride) {
    F acc[kHeads][kKeys][kParts];
    for (int g = 0; g < kHeads; ++g) {
        for (int j = 0; j < kKeys; ++j) {
            for (int part = 0; part < kParts; ++part) acc[g][j][part] = V::set_f(0);
        }
    }
    for (int i = 0; i < size; i += 16) {
        for (int part = 0; part < kParts; ++part) {
            const int at = i + part * R;
            F key[kKeys];
            for (int j = 0; j < kKeys; ++j) key[j] = V::load_f16(keys + j * key_stride + at);
            for (int g = 0; g < kHeads; ++g) {
                const F query = V::load_f(queries + g * size + at);
                for (int j = 0; j < kKeys; ++j)
                    acc[g][j][part] = V::multiply_add(query, key[j], acc[g][j][part]);
            }
        }
    }
    for (int g = 0; g < kHeads; ++g) {
        for (int j = 0; j < kKeys; ++j) scores[g * stride + j] = V::reduce16(acc[g][j]);
    }
}

template <int kHeads>
inline void score_heads(const float* queries, const uint16_t* keys, int64_t key_stride,
                        int64_t count, int size, float* scores, int64_t stride) {
    constexpr int kKeys = kHeads >= 8 ? 2 : 4;
    int64_t j = 0;
    for (; j + kKeys <= count; j += kKeys) {
        score_tile<kHeads, kKeys>(queries, keys + j * key_stride, key_stride, size, scores + j,
                                  stride);
    }
    for (; j < count; ++j)
        score_tile<kHeads, 1>(queries, keys + j * key_stride, key_stride, size, scores + j, stride);
}

void score(const float* queries, int heads, const uint16_t* keys, int64_t key_stride, int64_t count,
           int size, float* scores, int64_t stride) {
    while (heads > 0) {
        const int now = heads >= 8 ? 8 : heads >= 4 ? 4 : heads >= 2 ? 2 : 1;
        switch (now) {
            case 8: score_heads<8>(queries, keys, key_stride, count, size, scores, stride); break;
            case 4: score_heads<4>(queries, keys, key_stride, count, size, scores, stride); break;
            case 2: score_heads<2>(queries, keys, key_stride, count, size, scores, stride); break;
            default: score_heads<1>(queries, keys, key_stride, count, size, scores, stride); break;
        }
        heads -= now;
        queries += now * size;
        scores += now * stride;
    }
}

// kHeads outputs of 16 * kWide elements from element `at` on.
template <int kHeads, int kWide>
inline void value_tile(const float* weights, int64_t stride, const uint16_t* values,
                       int64_t value_stride, int64_t count, int size, float* out) {
    constexpr int kRegisters = kWide * kParts;
    F acc[kHeads][kRegisters];
    for (int g = 0; g < kHeads; ++g) {
        for (int i = 0; i < kRegisters; ++i) acc[g][i] = V::load_f(out + g * size + i * R);
    }
    for (int64_t j = 0; j < count; ++j) {
        const uint16_t* value = values + j * value_stride;
        F v[kRegisters];
        for (int i = 0; i < kRegisters; ++i) v[i] = V::load_f16(value + i * R);
        for (int g = 0; g < kHeads; ++g) {
            const F weight = V::set_f(weights[g * stride + j]);
            for (int i = 0; i < kRegisters; ++i)
                acc[g][i] = V::multiply_add(weight, v[i], acc[g][i]);
        }
    }
    for (int g = 0; g < kHeads; ++g) {
        for (int i = 0; i < kRegisters; ++i) V::store_f(out + g * size + i * R, acc[g][i]);
    }
}

template <int kHeads>
inline void add_values_of(const float* weights, int64_t stride, const uint16_t* values,
                          int64_t value_stride, int64_t count, int size, float* out) {
    constexpr int kWide = kHeads >= 8 ? 2 : 4;
    int at = 0;
    for (; at + 16 * kWide <= size; at += 16 * kWide) {
        value_tile<kHeads, kWide>(weights, stride, values + at, value_stride, count, size,
                                  out + at);
    }
    for (; at < size; at += 16)
        value_tile<kHeads, 1>(weights, stride, values + at, value_stride, count, size, out + at);
}

void add_values(const float* weights, int64_t stride, int heads, const uint16_t* values,
                int64_t value_stride, int64_t count, int size, float* out) {
    while (heads > 0) {
        const int now = heads >= 8 ? 8 : heads >= 4 ? 4 : heads >= 2 ? 2 : 1;
        switch (now) {
            case 8:
                add_values_of<8>(weights, stride, values, value_stride, count, size, out);
                break;
            case 4:
                add_values_of<4>(weights, stride, values, value_stride, count, size, out);
                break;
            case 2:
                add_values_of<2>(weights, stride, values, value_stride, count, size, out);
                break;
            default:
                add_values_of<1>(weights, stride, values, value_stride, count, size, out);
                break;
        }
        heads -= now;
        weights += now * stride;
        out += now * size;
    }
}

void to_f16(const float* x, int64_t n, uint16_t* out) {
    for (int64_t i = 0; i < n; i += R) V::store_f16(out + i, V::load_f(x + i));
}

// ---- exponential and GELU

// e^x for x in [-87, 87]; outside, that of the nearest end. Relative error below 2e-7.
// x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody and Waite); e^r by its Taylor
// polynomial of degree 7.
inline F exponential(F x) {
    x = V::max_f(V::minimum_f(x, V::set_f(87.0f)), V::set_f(-87.0f));
    const I n = V::round_to_int(V::multiply(x, V::set_f(1.44269504f)));
    const F whole = V::to_float(n);
    F r = V::multiply_add(whole, V::set_f(-0.693359375f), x);
    r = V::multiply_add(whole, V::set_f(2.12194440e-4f), r);
    F p = V::set_f(1.0f / 5040);
    p = V::multiply_add(p, r, V::set_f(1.0f / 720));
    p = V::multiply_add(p, r, V::set_f(1.0f / 120));
    p = V::multiply_add(p, r, V::set_f(1.0f / 24));
    p = V::multiply_add(p, r, V::set_f(1.0f / 6));
    p = V::multiply_add(p, r, V::set_f(0.5f));
    p = V::multiply_add(p, r, V::set_f(1.0f));
    p = V::multiply_add(p, r, V::set_f(1.0f));
    return V::multiply(p, V::power_of_two(n));
}

// In place: exp(x - max) / sum. n is a multiple of 16; sums run in 16 lanes, so that what is masked out (minus infinity, which
// gives exactly zero) may stand anywhere without changing a bit of the rest.
void softmax(float* x, int64_t n) {
    F largest = V::load_f(x);
    for (int64_t i = R; i < n; i += R) largest = V::max_f(largest, V::load_f(x + i));
    float lanes[R];
    V::store_f(lanes, largest);
    for (int i = 1; i < R; ++i) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
    const F top = V::set_f(lanes[0]);
    F sum[kParts];
    for (int part = 0; part < kParts; ++part) sum[part] = V::set_f(0);
    for (int64_t i = 0; i < n; i += 16) {
        for (int part = 0; part < kParts; ++part) {
            const F moved = V::subtract_f(V::load_f(x + i + part * R), top);
            const F e = V::zero_below(exponential(moved), moved, -87.0f);
            V::store_f(x + i + part * R, e);
            sum[part] = V::add_f(sum[part], e);
        }
    }
    const F inverse = V::set_f(1.0f / V::reduce16(sum));
    for (int64_t i = 0; i < n; i += R) V::store_f(x + i, V::multiply(V::load_f(x + i), inverse));
}

// In place: cap * tanh(x / cap) = cap - 2 cap / (1 + e^(2x / cap)).
void soft_cap(float* x, int64_t n, float cap) {
    const F two = V::set_f(2.0f / cap), limit = V::set_f(cap), twice = V::set_f(2.0f * cap), one = V::set_f(1.0f);
    for (int64_t i = 0; i < n; i += R) {
        const F e = exponential(V::multiply(V::load_f(x + i), two));
        V::store_f(x + i, V::subtract_f(limit, V::divide(twice, V::add_f(one, e))));
    }
}

// u/2 (1 + tanh y) = u / (1 + e^(-2y)), y = sqrt(2/pi) (u + 0.044715 u^3): no overflow for any
// finite u.
inline F gelu(F u) {
    const F cube = V::multiply(V::multiply(u, u), u);
    const F y = V::multiply_add(V::set_f(0.044715f), cube, u);
    const F e = exponential(V::multiply(y, V::set_f(-2 * 0.7978845608f)));
    return V::divide(u, V::add_f(V::set_f(1.0f), e));
}

void gelu_multiply(const float* gate, const float* up, int64_t n, float* out) {
    for (int64_t i = 0; i < n; i += R) {
        V::store_f(out + i, V::multiply(gelu(V::load_f(gate + i)), V::load_f(up + i)));
    }
}

// ---- the arithmetic peak, to measure shares of it

int64_t peak(int64_t rounds, int32_t* sink) {
    constexpr int kChains = 12;  // more than latency times throughput
    I acc[kChains];
    for (int i = 0; i < kChains; ++i) acc[i] = V::set(i);
    const I codes = V::set(0x01020304 + (*sink & 15));
    const I a = V::set(0x05060708);
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) acc[i] = V::dot_registers(acc[i], codes, a);
    }
    int32_t lanes[R];
    for (int i = 0; i < kChains; ++i) {
        V::store(lanes, acc[i]);
        for (int lane = 0; lane < R; ++lane) *sink += lanes[lane];
    }
    return rounds * kChains * R * 8;
}

// ---- the read bandwidth, to measure shares of it

int64_t read(const uint8_t* data, int64_t bytes) {
    constexpr int kChains = 8;  // no load waits for another
    constexpr int kRegister = 4 * R;
    I all[kChains];
    for (int i = 0; i < kChains; ++i) all[i] = V::set(0);
    for (int64_t at = 0; at < bytes; at += kChains * kRegister) {
#pragma GCC unroll 8
        for (int i = 0; i < kChains; ++i) all[i] = V::or_(all[i], V::load(data + at + i * kRegister));
    }
    int64_t sum = 0;
    int32_t lanes[R];
    for (int i = 0; i < kChains; ++i) {
        V::store(lanes, all[i]);
        for (int lane = 0; lane < R; ++lane) sum += lanes[lane];
    }
    return sum;
}

// In the order of StripType.
constexpr Kernels kTable = {
    V::kName,
    V::kRows,
    {strip_kernel<FloatF32, true>, strip_kernel<FloatF16, true>, strip_kernel<FloatBF16, true>,
     strip_kernel<FormatQ4_0, false>, strip_kernel<FormatQ4_1, false>,
     strip_kernel<FormatQ5_0, false>, strip_kernel<FormatQ5_1, false>,
     strip_kernel<FormatQ8_0, false>, strip_kernel<FormatQ2_K, false>,
     strip_kernel<FormatQ3_K, false>, strip_kernel<FormatQ4_K, false>,
     strip_kernel<FormatQ5_K, false>, strip_kernel<FormatQ6_K, false>,
     strip_kernel<FormatIQ4_NL, false>, strip_kernel<FormatIQ4_XS, false>,
     strip_kernel<FormatMXFP4, false>},
    quantize_row,
    score,
    add_values,
    to_f16,
    gelu_multiply,
    peak,
    softmax,
    soft_cap,
    read,
};
