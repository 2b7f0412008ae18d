// The kernels of every instruction set, written once over a vector type V that the including file
// defines:
//
//   kRows                 32-bit lanes of a register; the height of a strip
//   I, F                  registers of 32-bit integers and of floats
//   load, load_f          4 * kRows bytes;  store, store_f: the reverse
//   load_bytes, load_signed_bytes, load_halves     kRows bytes or halves, widened to 32 bits
//   load_signed_pairs     2 * kRows signed bytes as pairs of 16-bit halves: r and kRows + r in lane r
//   load_f16, load_bf16   kRows halves as floats;  store_f16: the reverse, to nearest even
//   set, set_f            one value in all lanes;  broadcast: the same from 4 bytes of memory
//   and_, or_, add, subtract, multiply_int, max_i, min_i
//   shift_left<n>, shift_right<n>, shift_left_by(I, n), shift_right_by(I, n)
//   dot_small(acc, codes, p)    acc + sum over 4 bytes: codes 0..63 times the 4 signed bytes at p
//   dot_signed(acc, codes, p)   the same for codes -128..127 that went through bias(); what bias()
//                               adds, 2^kSignedBias for each code, is taken back (kTooLarge)
//   dot_pairs(acc, a, p)        acc + sum of two products: the 16-bit halves of a and those at p
//   store_bytes(p, I)           the low bytes of kRows integers
//   flip_signs(I)               the highest bit of every byte turned
//   dot_pair_registers(acc, a, b) dot_pairs with both in registers
//   dot_registers(acc, codes, a)  dot_small with the activations in a register
//   lookup(table, codes)        each byte 0..15 replaced by that byte of a 16-byte table
//   to_float, round_to_int (INT32_MIN for what is not a number or too large), multiply, add_f,
//   subtract_f, divide, abs_f, max_f, minimum_f (b where a or b is not a number)
//   multiply_add(a, b, c)       a * b + c in one rounding
//   power_of_two(I)             2^i as float
//   largest_lane(I), sum_of_lanes(I)    over all lanes
//   bits(F)               the same bits as integers
//   set_f16, put_f16      one half in memory, in all lanes; the reverse from a float
//   zero_below(a, x, limit)     0 where x < limit, else a (also where x is not a number)
//   kEstimatesFast              PlaneKernels::estimates_fast
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
//   kSigned    codes are signed bytes
//   kOffset    exponent of the power of two that is subtracted from unsigned codes; 0 for none
//   kMinimum   has a minimum: value = scale * code - minimum
// open() reads the header; codes() unpacks eight registers, four columns each.
// A block format (kBlocks = 1) gives scale() and minimum() as floats. A super-block format
// (kBlocks = 8) has one float scale d, and dmin, and integers below them:
//   kGroups         integer scales for each 32 columns: 1, or 2 of 16 columns
//   scale(b, g)     the integer scale of group g of block b
//   scale_pair(k)   those of groups 2k and 2k + 1 as two 16-bit halves
//   minimum_pair(k) the integer minima, the same way

inline void unpack_nibbles(const uint8_t* p, I* w) {
    const I mask = V::set(0x0f0f0f0f);
    for (int j = 0; j < 4; ++j) {
        const I packed = V::load(p + 4 * V::kRows * j);
        w[j] = V::and_(packed, mask);
        w[4 + j] = V::and_(V::template shift_right<4>(packed), mask);
    }
}

// The bits of `a` moved up by `places`, or down; a constant after unrolling.
inline I moved(I a, int places) {
    return places >= 0 ? V::shift_left_by(a, places) : V::shift_right_by(a, -places);
}

// Bit j of every byte at p becomes bit kPosition of the codes in register j.
template <int kPosition>
inline void add_bits(const uint8_t* p, I* w) {
    const I bits = V::load(p), mask = V::set(0x01010101 << kPosition);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) w[j] = V::or_(w[j], V::and_(moved(bits, kPosition - j), mask));
}

// The same with bits 2j and 2j + 1, and four registers for each line.
template <int kPosition>
inline void add_pairs(const uint8_t* p, I* w) {
    const I mask = V::set(0x03030303 << kPosition);
    for (int half = 0; half < 2; ++half) {
        const I pairs = V::load(p + 4 * V::kRows * half);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            w[4 * half + j] =
                V::or_(w[4 * half + j], V::and_(moved(pairs, kPosition - 2 * j), mask));
        }
    }
}

inline void clear(I* w) {
    for (int j = 0; j < 8; ++j) w[j] = V::set(0);
}

struct FormatBase {
    static constexpr int kBlocks = 1;
    static constexpr bool kSigned = false;
    static constexpr int kOffset = 0;
    static constexpr bool kMinimum = false;
    const uint8_t* p;
    void open(const uint8_t* super_block) { p = super_block; }
};

// Two integers of 16 bits as the halves of one lane.
inline I pair_of(I low, I high) {
    return V::or_(V::and_(low, V::set(0xffff)), V::template shift_left<16>(high));
}

constexpr int R = V::kRows;

struct FormatQ4_0 : FormatBase {
    static constexpr int kBytes = 18;
    static constexpr int kOffset = 3;
    void codes(int, I* w) const { unpack_nibbles(p + 2 * R, w); }
    F scale() const { return V::load_f16(p); }
};

struct FormatQ4_1 : FormatBase {
    static constexpr int kBytes = 20;
    static constexpr bool kMinimum = true;
    void codes(int, I* w) const { unpack_nibbles(p + 4 * R, w); }
    F scale() const { return V::load_f16(p); }
    F addend() const { return V::load_f16(p + 2 * R); }
};

struct FormatQ5_0 : FormatBase {
    static constexpr int kBytes = 22;
    static constexpr int kOffset = 4;
    void codes(int, I* w) const {
        unpack_nibbles(p + 6 * R, w);
        add_bits<4>(p + 2 * R, w);
    }
    F scale() const { return V::load_f16(p); }
};

struct FormatQ5_1 : FormatBase {
    static constexpr int kBytes = 24;
    static constexpr bool kMinimum = true;
    void codes(int, I* w) const {
        unpack_nibbles(p + 8 * R, w);
        add_bits<4>(p + 4 * R, w);
    }
    F scale() const { return V::load_f16(p); }
    F addend() const { return V::load_f16(p + 2 * R); }
};

struct FormatQ8_0 : FormatBase {
    static constexpr int kBytes = 34;
    static constexpr bool kSigned = true;
    void codes(int, I* w) const {
        for (int j = 0; j < 8; ++j) w[j] = V::load(p + (2 + 4 * j) * R);
    }
    F scale() const { return V::load_f16(p); }
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
    F scale() const { return V::load_f16(p); }
};

struct FormatMXFP4 : FormatBase {
    static constexpr int kBytes = 17;
    static constexpr bool kSigned = true;
    void codes(int, I* w) const {
        unpack_nibbles(p + R, w);
        look_up(kTwiceE2M1, w);
    }
    // 2^(e - 128), because the codes are doubled.
    F scale() const { return V::power_of_two(V::subtract(V::load_bytes(p), V::set(128))); }
};

struct FormatIQ4_XS : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr int kGroups = 1;
    static constexpr int kBytes = 136;
    static constexpr bool kSigned = true;
    I high;
    void open(const uint8_t* super_block) {
        p = super_block;
        high = V::load_halves(p + 2 * R);
    }
    F d() const { return V::load_f16(p); }
    void codes(int b, I* w) const {
        unpack_nibbles(p + (8 + 16 * b) * R, w);
        look_up(kNonLinear, w);
    }
    I scale(int b, int) const {
        const I low =
            V::and_(V::shift_right_by(V::load_bytes(p + (4 + b / 2) * R), 4 * (b % 2)), V::set(15));
        const I two = V::and_(V::shift_right_by(high, 2 * b), V::set(3));
        return V::subtract(V::or_(low, V::template shift_left<4>(two)), V::set(32));
    }
};

struct FormatQ2_K : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr int kGroups = 2;
    static constexpr int kBytes = 84;
    static constexpr bool kMinimum = true;
    F d() const { return V::load_f16(p); }
    F dmin() const { return V::load_f16(p + 2 * R); }
    void codes(int b, I* w) const {
        clear(w);
        add_pairs<0>(p + (20 + 8 * b) * R, w);
    }
    I scale(int b, int g) const {
        return V::and_(V::load_bytes(p + (4 + 2 * b + g) * R), V::set(15));
    }
    I minimum_pair(int k) const {
        return V::or_(V::template shift_right<4>(V::load_bytes(p + (4 + 2 * k) * R)),
                      V::template shift_left<16>(
                          V::template shift_right<4>(V::load_bytes(p + (4 + 2 * k + 1) * R))));
    }
};

struct FormatQ3_K : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr int kGroups = 2;
    static constexpr int kBytes = 110;
    static constexpr int kOffset = 2;
    I high;
    void open(const uint8_t* super_block) {
        p = super_block;
        high = V::load(p + 10 * R);
    }
    F d() const { return V::load_f16(p); }
    void codes(int b, I* w) const {
        clear(w);
        add_pairs<0>(p + (14 + 12 * b) * R, w);
        add_bits<2>(p + (14 + 12 * b + 8) * R, w);
    }
    I scale(int b, int half) const {
        const int g = 2 * b + half;
        const I low =
            V::and_(V::shift_right_by(V::load_bytes(p + (2 + g % 8) * R), 4 * (g / 8)), V::set(15));
        const I two = V::and_(V::shift_right_by(high, 8 * (g % 4) + 2 * (g / 4)), V::set(3));
        return V::subtract(V::or_(low, V::template shift_left<4>(two)), V::set(32));
    }
    I scale_pair(int k) const { return pair_of(scale(k, 0), scale(k, 1)); }
};

struct HeaderK4 : FormatBase {
    static constexpr int kBlocks = 8;
    static constexpr int kGroups = 1;
    static constexpr bool kMinimum = true;
    I high;
    void open(const uint8_t* super_block) {
        p = super_block;
        high = V::load(p + 4 * R);
    }
    F d() const { return V::load_f16(p); }
    F dmin() const { return V::load_f16(p + 2 * R); }
    I scale(int b, int) const {
        const I low = V::and_(V::load_bytes(p + (8 + b) * R), V::set(15));
        const I two = V::and_(V::shift_right_by(high, 4 * b), V::set(3));
        return V::or_(low, V::template shift_left<4>(two));
    }
    I minimum(int b) const {
        const I low = V::template shift_right<4>(V::load_bytes(p + (8 + b) * R));
        const I two = V::and_(V::shift_right_by(high, 4 * b + 2), V::set(3));
        return V::or_(low, V::template shift_left<4>(two));
    }
    I minimum_pair(int k) const {
        return V::or_(minimum(2 * k), V::template shift_left<16>(minimum(2 * k + 1)));
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
    static constexpr int kGroups = 2;
    static constexpr int kBytes = 210;
    static constexpr int kOffset = 5;
    F d() const { return V::load_f16(p); }
    void codes(int b, I* w) const {
        unpack_nibbles(p + (18 + 24 * b + 8) * R, w);
        add_pairs<4>(p + (18 + 24 * b) * R, w);
    }
    I scale(int b, int g) const { return V::load_signed_bytes(p + (2 + 2 * b + g) * R); }
    I scale_pair(int k) const { return V::load_signed_pairs(p + (2 + 2 * k) * R); }
};

// ---- strips in two planes of bits

// Fields of three bits, eight for each lane in three dwords: 0 and 1, 2 and 3, 4 and 5 in the low
// six bits of a dword's bytes; the high two bits of 6 and 7 above those of the first and the second
// dword, their low bits above those of the third. They become bits kPosition.. of the codes.
template <int kPosition>
inline void add_fields(const uint8_t* p, I* w) {
    const I mask = V::set(0x07070707 << kPosition), high = V::set(0x06060606 << kPosition),
            low = V::set(0x01010101 << kPosition);
    const I dwords[3] = {V::load(p), V::load(p + 4 * R), V::load(p + 8 * R)};
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
        w[j] = V::or_(w[j], V::and_(moved(dwords[j / 2], kPosition - 3 * (j % 2)), mask));
    }
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
        w[6 + j] = V::or_(w[6 + j], V::and_(moved(dwords[j], kPosition - 5), high));
        w[6 + j] = V::or_(w[6 + j], V::and_(moved(dwords[2], kPosition - 6 - j), low));
    }
}

// Layouts: strips.cc. Besides what a format tells, low() unpacks the low fields, whose middle is
// kTwiceMiddle / 2.
struct PlanesQ6_K {
    static constexpr int kBlocks = 8;
    static constexpr int kGroups = 2;
    static constexpr int kHighBytes = 114, kLowBytes = 96;
    static constexpr bool kSigned = false;
    static constexpr int kOffset = 5;
    static constexpr bool kMinimum = false;
    static constexpr int kTwiceMiddle = 7;
    PlaneStrip p;
    void open(PlaneStrip super_block) { p = super_block; }
    F d() const { return V::load_f16(p.high); }
    void low(int b, I* w) const {
        clear(w);
        add_fields<0>(p.low + 12 * b * R, w);
    }
    void high(int b, I* w) const {
        clear(w);
        add_fields<0>(p.high + (18 + 12 * b) * R, w);
    }
    void codes(int b, I* w) const {
        low(b, w);
        add_fields<3>(p.high + (18 + 12 * b) * R, w);
    }
    I scale(int b, int g) const { return V::load_signed_bytes(p.high + (2 + 2 * b + g) * R); }
    I scale_pair(int k) const { return V::load_signed_pairs(p.high + (2 + 2 * k) * R); }
};

struct PlanesQ8_0 {
    static constexpr int kBlocks = 1;
    static constexpr int kGroups = 1;
    static constexpr int kHighBytes = 18, kLowBytes = 16;
    static constexpr bool kSigned = true;
    static constexpr int kOffset = 0;
    static constexpr bool kMinimum = false;
    static constexpr int kTwiceMiddle = 15;
    PlaneStrip p;
    void open(PlaneStrip block) { p = block; }
    void low(int, I* w) const { unpack_nibbles(p.low, w); }
    // The signed code moved up by 8.
    void high(int, I* w) const { unpack_nibbles(p.high + 2 * R, w); }
    void codes(int b, I* w) const {
        I top[8];
        high(b, top);
        low(b, w);
        for (int j = 0; j < 8; ++j)
            w[j] = V::flip_signs(V::or_(w[j], V::template shift_left<4>(top[j])));
    }
    F scale() const { return V::load_f16(p.high); }
    F d() const { return scale(); }
    I scale(int, int) const { return V::set(1); }
};

// What unsigned codes are too large by, as an exponent of two; 0 for nothing.
template <typename Format>
constexpr int kTooLarge = Format::kSigned ? V::kSignedBias : Format::kOffset;

// Sums of products of codes and activations over kSteps registers, added to sum[t].
//   codes [kSteps, kCount, 4]
template <typename Format, int kCount, int kSteps>
inline void add_products(const I* w, const int8_t* codes, I* sum) {
    // One chain of additions would be slower than memory: a few columns take two.
    constexpr int kChains = kCount <= 2 ? 2 : 1;
    I more[kCount];
    if constexpr (kChains == 2) {
        for (int t = 0; t < kCount; ++t) more[t] = V::set(0);
    }
    for (int j = 0; j < kSteps; ++j) {
        I* const into = kChains == 2 && j % 2 == 1 ? more : sum;
        for (int t = 0; t < kCount; ++t) {
            const int8_t* p = codes + 4 * (j * kCount + t);
            into[t] =
                Format::kSigned ? V::dot_signed(into[t], w[j], p) : V::dot_small(into[t], w[j], p);
        }
    }
    if constexpr (kChains == 2) {
        for (int t = 0; t < kCount; ++t) sum[t] = V::add(sum[t], more[t]);
    }
}

template <typename Format>
inline void open_codes(const Format& format, int b, I* w) {
    format.codes(b, w);
    if constexpr (Format::kSigned) {
        for (int j = 0; j < 8; ++j) w[j] = V::bias(w[j]);
    }
}

// Asks for kBytes bytes, in lines of 64.
template <int kBytes>
inline void fetch(const uint8_t* p) {
    for (int at = 0; at < kBytes; at += 64) __builtin_prefetch(p + at, 0, 2);
}

// Super-block `s` of a strip in one piece, or in two planes; whether there is a strip; asking for
// one.
template <typename Format>
inline const uint8_t* at(const uint8_t* strip, int64_t s) {
    return strip + s * Format::kBytes * R;
}
template <typename Format>
inline PlaneStrip at(PlaneStrip strip, int64_t s) {
    return {strip.high + s * Format::kHighBytes * R, strip.low + s * Format::kLowBytes * R};
}
inline bool exists(const uint8_t* strip) { return strip != nullptr; }
inline bool exists(PlaneStrip strip) { return strip.high != nullptr; }
template <typename Format>
inline void fetch_block(const uint8_t* block) {
    fetch<Format::kBytes * R>(block);
}
template <typename Format>
inline void fetch_block(PlaneStrip block) {
    fetch<Format::kHighBytes * R>(block.high);
    fetch<Format::kLowBytes * R>(block.low);
}

// Blocks of 32 columns with a float scale each.
template <typename Format, int kCount, typename Strip>
void multiply_blocks(Strip strip, int64_t blocks, const Tile& tile, float* out, Strip next) {
    F acc[kCount];
    for (int t = 0; t < kCount; ++t) acc[t] = V::set_f(0);
    for (int64_t b = 0; b < blocks; ++b) {
        Format format;
        format.open(at<Format>(strip, b));
        if (exists(next)) fetch_block<Format>(at<Format>(next, b));
        I w[8], sum[kCount];
        open_codes(format, 0, w);
        for (int t = 0; t < kCount; ++t) {
            sum[t] = V::set(0);
            if constexpr (kTooLarge < Format >> 0) {
                sum[t] = V::template shift_left<kTooLarge<Format>>(
                    V::broadcast(tile.negative_sum32 + b * kCount + t));
            }
        }
        add_products<Format, kCount, 8>(w, tile.codes + b * 32 * kCount, sum);
        const F scale = format.scale();
        for (int t = 0; t < kCount; ++t) {
            const F both = V::multiply(scale, V::set_f(tile.scale[b * kCount + t]));
            acc[t] = V::multiply_add(V::to_float(sum[t]), both, acc[t]);
        }
        if constexpr (Format::kMinimum) {
            const F addend = format.addend();
            for (int t = 0; t < kCount; ++t) {
                acc[t] =
                    V::multiply_add(addend, V::set_f(tile.scaled_sum32[b * kCount + t]), acc[t]);
            }
        }
    }
    for (int t = 0; t < kCount; ++t) V::store_f(out + t * R, acc[t]);
}

// sum[t] = sum over the groups of a super-block of an integer of the weights times the sum of the
// activations.
template <int kCount, int kPairs, typename PairOf>
inline void multiply_sums(const PairOf& pair, const int32_t* sum_pairs, I* sum) {
    for (int t = 0; t < kCount; ++t) sum[t] = V::set(0);
    for (int k = 0; k < kPairs; ++k) {
        const I two = pair(k);
        for (int t = 0; t < kCount; ++t)
            sum[t] = V::dot_pairs(sum[t], two, sum_pairs + k * kCount + t);
    }
}

// Super-blocks of 256 columns: everything below their float scale is integers, each of which a
// float holds. Their sum is rounded only where it is above 2^24; at most it is 16 groups of 16
// products of 63 * 127 times a scale of 128, below 2^29.
template <typename Format, int kCount, typename Strip>
void multiply_super_blocks(Strip strip, int64_t blocks, const Tile& tile, float* out, Strip next) {
    constexpr int kSteps = 8 / Format::kGroups;
    constexpr int kPairs = 4 * Format::kGroups;
    // Sums wait in memory, so that what the inner loop needs fits into the registers.
    for (int t = 0; t < kCount; ++t) V::store_f(out + t * R, V::set_f(0));
    for (int64_t s = 0; s < blocks / 8; ++s) {
        Format format;
        format.open(at<Format>(strip, s));
        if (exists(next)) fetch_block<Format>(at<Format>(next, s));
        F total[kCount];
        for (int t = 0; t < kCount; ++t) total[t] = V::set_f(0);
        for (int b = 0; b < 8; ++b) {
            I w[8];
            open_codes(format, b, w);
            for (int g = 0; g < Format::kGroups; ++g) {
                I sum[kCount];
                for (int t = 0; t < kCount; ++t) {
                    sum[t] = V::set(0);
                    // Before anything is rounded, or tables without a bias would give other bits.
                    if constexpr (Format::kSigned && V::kSignedBias > 0) {
                        sum[t] = V::template shift_left<V::kSignedBias>(
                            V::broadcast(tile.negative_sum32 + (s * 8 + b) * kCount + t));
                    }
                }
                add_products<Format, kCount, kSteps>(
                    w + g * kSteps, tile.codes + ((s * 8 + b) * 8 + g * kSteps) * 4 * kCount, sum);
                const F scale = V::to_float(format.scale(b, g));
                for (int t = 0; t < kCount; ++t)
                    total[t] = V::multiply_add(V::to_float(sum[t]), scale, total[t]);
            }
        }
        const int32_t* sum_pairs =
            (Format::kGroups == 1 ? tile.sum_pairs32 : tile.sum_pairs16) + s * kPairs * kCount;
        const float* scales = tile.scale + s * 8 * kCount;
        if constexpr (Format::kOffset > 0) {
            I excess[kCount];
            multiply_sums<kCount, kPairs>([&](int k) { return format.scale_pair(k); }, sum_pairs,
                                          excess);
            for (int t = 0; t < kCount; ++t) {
                total[t] = V::subtract_f(
                    total[t], V::to_float(V::template shift_left<Format::kOffset>(excess[t])));
            }
        }
        F value[kCount];
        const F d = format.d();
        for (int t = 0; t < kCount; ++t) value[t] = V::multiply(total[t], d);
        if constexpr (Format::kMinimum) {
            I minimum[kCount];
            multiply_sums<kCount, kPairs>([&](int k) { return format.minimum_pair(k); }, sum_pairs,
                                          minimum);
            const F dmin = V::subtract_f(V::set_f(0), format.dmin());
            for (int t = 0; t < kCount; ++t)
                value[t] = V::multiply_add(V::to_float(minimum[t]), dmin, value[t]);
        }
        for (int t = 0; t < kCount; ++t) {
            V::store_f(out + t * R,
                       V::multiply_add(value[t], V::set_f(scales[t]), V::load_f(out + t * R)));
        }
    }
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
void multiply_floats(const uint8_t* strip, int64_t columns, const Tile& tile, float* out,
                     const uint8_t* next) {
    F acc[kCount];
    for (int t = 0; t < kCount; ++t) acc[t] = V::set_f(0);
    for (int64_t c = 0; c < columns; ++c) {
        const F w = Format::load(strip + c * R * Format::kBytes);
        if (next != nullptr) __builtin_prefetch(next + c * R * Format::kBytes, 0, 2);
        for (int t = 0; t < kCount; ++t) {
            acc[t] = V::multiply_add(w, V::set_f(tile.values[t * columns + c]), acc[t]);
        }
    }
    for (int t = 0; t < kCount; ++t) V::store_f(out + t * R, acc[t]);
}

template <int kValue>
struct Number {
    static constexpr int value = kValue;
};

template <typename Format, bool kFloats, typename Strip = const uint8_t*>
void strip_kernel(Strip strip, int64_t blocks, const Tile& tile, float* out, Strip next) {
    const auto call = [&](auto n) {
        if constexpr (kFloats) {
            multiply_floats<Format, decltype(n)::value>(strip, blocks, tile, out, next);
        } else {
            if constexpr (Format::kBlocks == 1) {
                multiply_blocks<Format, decltype(n)::value>(strip, blocks, tile, out, next);
            } else {
                multiply_super_blocks<Format, decltype(n)::value>(strip, blocks, tile, out, next);
            }
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

// A weight is d * (16 * high + low - 128), and low counts as 7.5.
void estimate_q8_0(const uint8_t* high, int64_t blocks, const Tile& tile, float* out) {
    F acc = V::set_f(0);
    for (int64_t b = 0; b < blocks; ++b) {
        PlanesQ8_0 format;
        format.open({high + b * PlanesQ8_0::kHighBytes * R, nullptr});
        I w[8], sum = V::set(0);
        format.high(0, w);
        add_products<PlanesQ6_K, 1, 8>(w, tile.codes + b * 32, &sum);
        const F less = V::set_f(tile.scaled_sum32[b] * -120.5f);
        const F value = V::multiply_add(V::to_float(sum), V::set_f(tile.scale[b] * 16.0f), less);
        acc = V::multiply_add(value, format.d(), acc);
    }
    V::store_f(out, acc);
}

// A weight is d * scale * (8 * high + low - 32), and low counts as 3.5. A group's sum has at most 16
// products of 7 * 127, so those of two groups are the halves of one lane.
void estimate_q6_k(const uint8_t* high, int64_t blocks, const Tile& tile, float* out) {
    F acc = V::set_f(0);
    for (int64_t s = 0; s < blocks / 8; ++s) {
        PlanesQ6_K format;
        format.open({high + s * PlanesQ6_K::kHighBytes * R, nullptr});
        I products = V::set(0), excess = V::set(0);
        for (int b = 0; b < 8; ++b) {
            const int8_t* x = tile.codes + (s * 8 + b) * 32;
            I w[8], sums[2] = {V::set(0), V::set(0)};
            format.high(b, w);
            for (int j = 0; j < 8; ++j) sums[j / 4] = V::dot_small(sums[j / 4], w[j], x + 4 * j);
            const I scales = format.scale_pair(b);
            products = V::dot_pair_registers(products, pair_of(sums[0], sums[1]), scales);
            excess = V::dot_pairs(excess, scales, tile.sum_pairs16 + s * 8 + b);
        }
        const F less = V::multiply(V::to_float(excess), V::set_f(-28.5f));
        const F sum = V::multiply_add(V::to_float(products), V::set_f(8.0f), less);
        acc = V::multiply_add(V::multiply(sum, format.d()), V::set_f(tile.scale[s * 8]), acc);
    }
    V::store_f(out, acc);
}

// The root of the sum of (scale * (low - middle))^2; the square of 2 low - 2 middle is an integer.
template <typename Format>
void residual_norms(PlaneStrip strip, int64_t blocks, float* out) {
    constexpr int kSteps = 8 / Format::kGroups, kMiddle = Format::kTwiceMiddle;
    F acc = V::set_f(0);
    for (int64_t s = 0; s < blocks / Format::kBlocks; ++s) {
        Format format;
        format.open(at<Format>(strip, s));
        const F d = V::multiply(format.d(), V::set_f(0.5f));
        for (int b = 0; b < Format::kBlocks; ++b) {
            I w[8];
            format.low(b, w);
            for (int g = 0; g < Format::kGroups; ++g) {
                I squares = V::set(0), sum = V::set(0);
                for (int j = g * kSteps; j < (g + 1) * kSteps; ++j) {
                    squares = V::dot_registers(squares, w[j], w[j]);
                    sum = V::dot_registers(sum, w[j], V::set(0x01010101));
                }
                const I four = V::subtract(V::template shift_left<2>(squares),
                                           V::multiply_int(sum, V::set(4 * kMiddle)));
                const I all = V::add(four, V::set(4 * kSteps * kMiddle * kMiddle));
                const F scale = V::multiply(V::to_float(format.scale(b, g)), d);
                acc = V::multiply_add(V::multiply(scale, scale), V::to_float(all), acc);
            }
        }
    }
    V::store_f(out, acc);
    for (int r = 0; r < R; ++r) out[r] = __builtin_sqrtf(out[r]);
}

// ---- rows of activations

// The largest of 16 or fewer lanes.
inline float largest_lane(F a) {
    float lanes[R];
    V::store_f(lanes, a);
    for (int i = 1; i < R; ++i) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
    return lanes[0];
}

// The largest magnitude of n values; what is not a number counts as the largest of all, so that it
// reaches the logits, where it is reported. (Magnitudes are ordered as their bits are.)
inline float largest_magnitude(const float* x, int n) {
    I largest = V::set(0);
    for (int i = 0; i < n; i += R) largest = V::max_i(largest, V::bits(V::abs_f(V::load_f(x + i))));
    const int32_t lane = V::largest_lane(largest);
    float magnitude;
    __builtin_memcpy(&magnitude, &lane, 4);
    return magnitude;
}

inline int32_t halves(int32_t low, int32_t high) {
    return static_cast<int32_t>((static_cast<uint32_t>(low) & 0xffff) | static_cast<uint32_t>(high)
                                                                            << 16);
}

// One scale for `group` columns, a multiple of 32; sums for each 32.
inline void quantize_group(const float* x, int64_t block, int group, const Tile& tile, int slot) {
    const int count = tile.count;
    const float magnitude = largest_magnitude(x, group);
    const float scale = magnitude / 127.0f;
    const F inverse = V::set_f(magnitude > 1e-30f ? 127.0f / magnitude : 0.0f);
    for (int b = 0; b < group / 32; ++b, x += 32, ++block) {
        int8_t bytes[32];
        int32_t sums[2];  // of 16 columns
        for (int half = 0; half < 2; ++half) {
            I sum = V::set(0);
            for (int i = 16 * half; i < 16 * half + 16; i += R) {
                // Only what is not a number is below -127.
                const I code =
                    V::max_i(V::round_to_int(V::multiply(V::load_f(x + i), inverse)), V::set(-127));
                V::store_bytes(bytes + i, code);
                sum = V::add(sum, code);
            }
            sums[half] = V::sum_of_lanes(sum);
        }
        int8_t* to = tile.codes + (8 * block * count + slot) * 4;
        for (int j = 0; j < 8; ++j) __builtin_memcpy(to + 4 * j * count, bytes + 4 * j, 4);
        const int32_t low = sums[0], high = sums[1];
        const int64_t at = block * count + slot;
        tile.scale[at] = scale;
        tile.negative_sum32[at] = -(low + high);
        tile.scaled_sum32[at] = scale * static_cast<float>(low + high);
        tile.sum_pairs16[at] = halves(low, high);
        // The half of its pair that belongs to this block.
        const auto both = static_cast<int16_t>(low + high);
        __builtin_memcpy(
            reinterpret_cast<char*>(tile.sum_pairs32 + block / 2 * count + slot) + 2 * (block % 2),
            &both, 2);
    }
}

void quantize_row(const float* x, int64_t columns, int group, const Tile& tile, int slot) {
    for (int64_t c = 0; c < columns; c += group) quantize_group(x + c, c / 32, group, tile, slot);
}

// ---- norms and rotations

// As dot() of the reference: 16 partial sums, then those in order.
float sum_of_squares(const float* x, int64_t n) {
    F sums[kParts];
    for (int part = 0; part < kParts; ++part) sums[part] = V::set_f(0);
    for (int64_t i = 0; i < n; i += 16) {
        for (int part = 0; part < kParts; ++part) {
            const F a = V::load_f(x + i + part * R);
            sums[part] = V::add_f(sums[part], V::multiply(a, a));
        }
    }
    float lanes[16], sum = 0;
    for (int part = 0; part < kParts; ++part) V::store_f(lanes + part * R, sums[part]);
    for (int i = 0; i < 16; ++i) sum += lanes[i];
    return sum;
}

void scale_row(const float* x, float scale, const float* weight, int64_t n, float* out) {
    const F all = V::set_f(scale);
    if (weight == nullptr) {
        for (int64_t i = 0; i < n; i += R) V::store_f(out + i, V::multiply(V::load_f(x + i), all));
        return;
    }
    for (int64_t i = 0; i < n; i += R) {
        V::store_f(out + i, V::multiply(V::multiply(V::load_f(x + i), all), V::load_f(weight + i)));
    }
}

void add_row(const float* x, float scale, const float* weight, int64_t n, float factor,
             float* out) {
    const F all = V::set_f(scale), last = V::set_f(factor);
    for (int64_t i = 0; i < n; i += R) {
        const F scaled = V::multiply(V::multiply(V::load_f(x + i), all), V::load_f(weight + i));
        V::store_f(out + i, V::multiply(V::add_f(V::load_f(out + i), scaled), last));
    }
}

void rotate(float* head, const float* cosines, const float* sines, int64_t half) {
    for (int64_t i = 0; i < half; i += R) {
        const F a = V::load_f(head + i), b = V::load_f(head + half + i);
        const F cosine = V::load_f(cosines + i), sine = V::load_f(sines + i);
        V::store_f(head + i, V::subtract_f(V::multiply(a, cosine), V::multiply(b, sine)));
        V::store_f(head + half + i, V::add_f(V::multiply(b, cosine), V::multiply(a, sine)));
    }
}

// ---- exponential and GELU

// e^x for x in [-87, 87]; outside, that of the nearest end; what is not a number stays so. Relative
// error below 2e-7.
// x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody and Waite); e^r by its Taylor
// polynomial of degree 7.
inline F exponential(F x) {
    // In this order of operands max_f and minimum_f leave what is not a number.
    x = V::max_f(V::set_f(-87.0f), V::minimum_f(V::set_f(87.0f), x));
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

// In place: cap * tanh(x / cap) = cap - 2 cap / (1 + e^(2x / cap)).
void soft_cap(float* x, int64_t n, float cap) {
    const F two = V::set_f(2.0f / cap), limit = V::set_f(cap), twice = V::set_f(2.0f * cap),
            one = V::set_f(1.0f);
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

#include "cpu/attention.inl"

// out += weight * x for the rows of a strip that are there.
void add_scaled(const float* tile, int count, const float* weight, int64_t n, float* const* out) {
    for (int t = 0; t < count; ++t, tile += R) {
        if (n == R) {
            const F product = V::multiply(V::load_f(tile), V::set_f(weight[t]));
            V::store_f(out[t], V::add_f(V::load_f(out[t]), product));
        } else {
            for (int64_t i = 0; i < n; ++i) out[t][i] += weight[t] * tile[i];
        }
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
        for (int i = 0; i < kChains; ++i)
            all[i] = V::or_(all[i], V::load(data + at + i * kRegister));
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
    sum_of_squares,
    scale_row,
    add_row,
    rotate,
    gelu_multiply,
    add_scaled,
    soft_cap,
    peak,
    sizeof(A::E),
    {store_row<RowF16>, store_row<RowQ8_0>},
    {expand_keys<RowF16>, expand_keys<RowQ8_0>},
    {expand_shared_keys<RowF16>, expand_shared_keys<RowQ8_0>},
    {expand_values<RowF16>, expand_values<RowQ8_0>},
    expand_queries,
    score,
    weigh,
    add_values,
    exponential_of,
    merge,
    read,
    // In the order of PlaneType.
    {{strip_kernel<PlanesQ6_K, false, PlaneStrip>, estimate_q6_k, residual_norms<PlanesQ6_K>, V::kEstimatesFast},
     {strip_kernel<PlanesQ8_0, false, PlaneStrip>, estimate_q8_0, residual_norms<PlanesQ8_0>, V::kEstimatesFast}},
};
