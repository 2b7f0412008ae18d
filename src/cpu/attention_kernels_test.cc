// The kernels of attention: rows of the cache, their expansion, products, the softmax in spans.
// Each against plain code in doubles with a bound from its roundings, and the tables that multiply
// floats against each other to the bit.
//
// What is not a number is never made into one: it reaches the logits, where the sampler reports it.
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>

#include "cpu/kernels_testing.h"
#include "model/kv_cache.h"

namespace facet::cpu {
namespace {

constexpr float kUntouched = -12352;  // a bf16 number
constexpr double kRounding = 0x1p-24;
constexpr KvType kTypes[] = {KvType::kF16, KvType::kQ8_0};

// Expanded values of a table, floats or bf16, `offset` values after where memory was allocated and
// with nothing behind them.
class Expanded {
  public:
    Expanded(const Kernels& table, size_t count, size_t offset = 0)
        : bytes_per_value_(size_t(table.expanded_bytes)),
          offset_(offset),
          bytes_((offset + count) * bytes_per_value_) {
        for (size_t i = 0; i < count; ++i) set(i, kUntouched);
    }
    uint8_t* at(size_t index) { return bytes_.data() + (offset_ + index) * bytes_per_value_; }
    const uint8_t* at(size_t index) const { return const_cast<Expanded*>(this)->at(index); }
    // Values that a bf16 holds exactly, or are rounded to one.
    void set(size_t index, float value) {
        const uint16_t half = float_to_bf16(value);
        std::memcpy(at(index), bytes_per_value_ == 4 ? static_cast<const void*>(&value) : &half,
                    bytes_per_value_);
    }
    float operator[](size_t index) const {
        if (bytes_per_value_ == 2) {
            uint16_t half;
            std::memcpy(&half, at(index), 2);
            return bf16_to_float(half);
        }
        float value;
        std::memcpy(&value, at(index), 4);
        return value;
    }
    size_t size() const { return bytes_.size() / bytes_per_value_ - offset_; }
    std::vector<float> values() const {
        std::vector<float> all;
        for (size_t i = 0; i < size(); ++i) all.push_back((*this)[i]);
        return all;
    }

  private:
    size_t bytes_per_value_, offset_;
    std::vector<uint8_t> bytes_;
};

bool multiplies_floats(const Kernels& table) { return table.expanded_bytes == 4; }

// Half a step of what a table expands to, relative.
double narrowing(const Kernels& table) { return multiplies_floats(table) ? 0 : 0x1p-8; }

// Tables that multiply floats agree with each other, the others each with themselves.
struct FirstOfEachKind {
    std::vector<float> floats, bf16;
    void expect(const Kernels& table, const std::vector<float>& found) {
        expect_same(found, multiplies_floats(table) ? floats : bf16, table.name);
    }
};

std::vector<float> random_values(size_t count, float spread = 1) {
    std::vector<float> values(count);
    for (float& value : values) value = spread * random_normal();
    return values;
}

// ---- rows of the cache

// A row as the format says: f16 values, or codes and then scales.
std::vector<float> decoded_row(KvType type, const uint8_t* row, int size) {
    std::vector<float> values(size_t(size), 0);
    for (size_t i = 0; i < values.size(); ++i) {
        uint16_t half;
        std::memcpy(&half, type == KvType::kF16 ? row + 2 * i : row + size_t(size) + i / 32 * 2, 2);
        values[i] = f16_to_float(half);
        if (type == KvType::kQ8_0) values[i] *= float(static_cast<int8_t>(row[i]));
    }
    return values;
}

std::vector<uint8_t> stored(const Kernels& table, KvType type, const std::vector<float>& x) {
    std::vector<uint8_t> row(size_t(kv_row_bytes(type, int64_t(x.size()))));
    table.store_row[size_t(type)](x.data(), int(x.size()), row.data());
    return row;
}

TEST(StoreRowKernel, RoundsEveryHalfItsNeighboursAndTheirMiddlesLikeTheReference) {
    std::vector<float> x;
    for (uint32_t half = 0; half < 65536; ++half) {
        const float value = f16_to_float(uint16_t(half)), next = f16_to_float(uint16_t(half + 1));
        const float middle = 0.5f * value + 0.5f * next;
        for (const float v :
             {value, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 2 * middle)})
            x.push_back(v);
    }
    for (const float v : {65519.996f, 65520.0f, FLT_MAX, INFINITY, NAN, 1e-45f, 0x1p-25f,
                          0x1.000002p-25f, 0x1p-26f, -0.0f})
        for (const float signed_v : {v, -v}) x.push_back(signed_v);
    x.resize((x.size() + 31) / 32 * 32);
    for (const Kernels* table : tested_kernels()) {
        const std::vector<uint8_t> row = stored(*table, KvType::kF16, x);
        for (size_t i = 0; i < x.size(); ++i) {
            uint16_t half;
            std::memcpy(&half, &row[2 * i], 2);
            if (std::isnan(x[i])) {
                ASSERT_TRUE(std::isnan(f16_to_float(half))) << table->name;
            } else {
                ASSERT_EQ(half, float_to_f16(x[i])) << table->name << " " << x[i];
            }
        }
    }
}

// A scale below f16's normal numbers is off by up to 2^-25, which its largest codes multiply.
TEST(StoreRowKernel, CodesOfEightBitsAreHalfAStepOfTheirStoredScaleOff) {
    random_source.seed(21);
    for (int round = 0; round < 400; ++round) {
        const int size = 32 * int(1 + random_source() % 8);
        const auto x =
            random_values(size_t(size), std::exp2(float(int(random_source() % 50) - 30)));
        std::vector<uint8_t> first;
        for (const Kernels* table : tested_kernels()) {
            const auto row = stored(*table, KvType::kQ8_0, x);
            if (first.empty()) first = row;
            ASSERT_EQ(row, first) << table->name;
            const auto found = decoded_row(KvType::kQ8_0, row.data(), size);
            for (size_t i = 0; i < x.size(); ++i) {
                float largest = 0;
                for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j)
                    largest = std::max(largest, std::abs(x[j]));
                const double scale = f16_to_float(float_to_f16(largest / 127));
                ASSERT_LE(std::abs(double(found[i]) - x[i]),
                          std::max(0.5001 * scale, 127 * 0x1p-25))
                    << table->name << " " << x[i] << " of " << largest;
            }
        }
    }
}

// Beyond 127 times the largest f16 a scale is infinite: such a block, like one with a value that is
// not a number, reads as no numbers at all. The blocks beside it keep theirs.
TEST(StoreRowKernel, BlocksThatAreBrokenOrTooLargeReadAsNoNumbersAndNoOthersDo) {
    for (const Kernels* table : tested_kernels()) {
        for (const float broken : {NAN, -NAN, INFINITY, -INFINITY, 8.4e6f, -FLT_MAX}) {
            for (size_t at = 32; at < 64; ++at) {
                std::vector<float> x(96, 1.0f);
                x[at] = broken;
                const auto found =
                    decoded_row(KvType::kQ8_0, stored(*table, KvType::kQ8_0, x).data(), 96);
                for (size_t i = 0; i < 96; ++i)
                    ASSERT_EQ(std::isfinite(found[i]), i / 32 != 1) << table->name << " " << i;
            }
        }
        std::vector<float> x(32, 8.3e6f);
        const auto largest =
            decoded_row(KvType::kQ8_0, stored(*table, KvType::kQ8_0, x).data(), 32);
        for (const float value : largest) EXPECT_NEAR(value, 8.3e6f, 8.3e6f / 254) << table->name;
        x.assign(32, 0.0f);
        for (const uint8_t byte : stored(*table, KvType::kQ8_0, x)) EXPECT_EQ(byte, 0);
    }
}

TEST(StoreRowKernel, AnyAddressGivesTheSameBytesAndNothingBesideIsWritten) {
    random_source.seed(22);
    const auto x = random_values(96);
    for (const Kernels* table : tested_kernels()) {
        for (const KvType type : kTypes) {
            const auto expected = stored(*table, type, x);
            for (size_t offset = 1; offset <= 7; ++offset) {
                std::vector<float> in(offset);
                in.insert(in.end(), x.begin(), x.end());
                std::vector<uint8_t> row(offset + expected.size() + 1, 0xab);
                table->store_row[size_t(type)](&in[offset], 96, &row[offset]);
                EXPECT_EQ(std::memcmp(&row[offset], expected.data(), expected.size()), 0);
                EXPECT_EQ(row[offset - 1], 0xab);
                EXPECT_EQ(row.back(), 0xab);
            }
        }
    }
}

// ---- expansion

// Rows of both types: random ones with one that is not a number, stored at an odd address.
struct CacheRows {
    KvType type;
    int count, size;
    std::vector<uint8_t> bytes;
    std::vector<std::vector<float>> values;  // decoded

    CacheRows(KvType type_, int count_, int size_, const std::vector<float>& x)
        : type(type_), count(count_), size(size_) {
        const auto row_bytes = size_t(kv_row_bytes(type, size));
        bytes.resize(1 + size_t(count) * row_bytes);
        for (int j = 0; j < count; ++j) {
            uint8_t* row = &bytes[1 + size_t(j) * row_bytes];
            kernels_scalar()->store_row[size_t(type)](&x[size_t(j * size)], size, row);
            values.push_back(decoded_row(type, row, size));
        }
    }
    const uint8_t* data() const { return &bytes[1]; }
};

TEST(ExpandKernels, KeysAndValuesAreTheStoredOnesToHalfAStep) {
    random_source.seed(23);
    for (const KvType type : kTypes) {
        for (const int count : {1, 2, 3, 4, 31, 32}) {
            const int size = 32 * int(1 + random_source() % 5);
            auto x = random_values(size_t(count * size), 3);
            x[random_source() % x.size()] = NAN;
            const CacheRows rows(type, count, size, x);
            const auto all = size_t(count * size), even = size_t((count + 1) / 2 * 2 * size);
            FirstOfEachKind first_keys, first_values;
            for (const Kernels* table : tested_kernels()) {
                const size_t offset = random_source() % 8;
                Expanded keys(*table, all, offset), values(*table, even, offset);
                table->expand_keys[size_t(type)](rows.data(), count, size, keys.at(0));
                table->expand_values[size_t(type)](rows.data(), count, size, values.at(0));
                // A step of add_values takes two keys where products come in pairs.
                const int steps = multiplies_floats(*table) ? 1 : 2;
                for (int j = 0; j < (count + 1) / 2 * 2; ++j) {
                    for (int i = 0; i < size; ++i) {
                        const float exact = j < count ? rows.values[size_t(j)][size_t(i)] : 0;
                        const float value =
                            values[size_t((j / steps * size + i) * steps + j % steps)];
                        if (std::isnan(exact)) {
                            ASSERT_TRUE(std::isnan(value)) << table->name;
                            ASSERT_TRUE(std::isnan(keys[size_t(j * size + i)])) << table->name;
                            continue;
                        }
                        const double bound = narrowing(*table) * std::abs(exact);
                        ASSERT_NEAR(value, exact, bound) << table->name << " " << j;
                        if (j < count) {
                            ASSERT_NEAR(keys[size_t(j * size + i)], exact, bound) << table->name;
                        }
                    }
                }
                first_keys.expect(*table, keys.values());
                first_values.expect(*table, values.values());
            }
        }
    }
}

// Angles of one span and of all places in it, as a device makes them.
struct Angles {
    std::vector<double> frequencies;
    std::vector<float> span_cosines, span_sines, place_cosines, place_sines;

    Angles(int pairs, double span) {
        for (int i = 0; i < pairs; ++i)
            frequencies.push_back(std::pow(10000.0, -i / double(pairs)));
        add(span, span_cosines, span_sines);
        for (int place = 0; place < kRotationSpan; ++place) add(place, place_cosines, place_sines);
    }

  private:
    void add(double position, std::vector<float>& cosines, std::vector<float>& sines) {
        for (const double frequency : frequencies) {
            cosines.push_back(float(std::cos(position * frequency)));
            sines.push_back(float(std::sin(position * frequency)));
        }
    }
};

// One dimension of a rotated key in doubles, and how large its parts are.
struct Turned {
    double value, magnitude;
};

Turned turned(const std::vector<float>& row, const std::vector<float>& weight, const Angles& angles,
              double position, int i) {
    const int half = int(row.size()) / 2, low = i % half, high = low + half;
    const double a = double(weight[size_t(low)]) * row[size_t(low)];
    const double b = double(weight[size_t(high)]) * row[size_t(high)];
    if (low >= int(angles.frequencies.size()))
        return {i < half ? a : b, std::abs(i < half ? a : b)};
    const double angle = position * angles.frequencies[size_t(low)];
    const double c = std::cos(angle), s = std::sin(angle);
    return {i < half ? a * c - b * s : b * c + a * s, std::abs(a) + std::abs(b)};
}

TEST(ExpandKernels, SharedKeysAreTheRotatedAndWeightedValues) {
    random_source.seed(24);
    for (const KvType type : kTypes) {
        for (const auto& [size, pairs] : {std::pair{32, 16}, {128, 16}, {128, 64}, {256, 48}}) {
            for (const double span : {0.0, 64.0, 130048.0}) {
                const int first = int(random_source() % 32), count = int(1 + random_source() % 32);
                const CacheRows rows(type, count, size, random_values(size_t(count * size), 3));
                const auto weight = random_values(size_t(size));
                const Angles angles(pairs, span);
                const KeyRotation rotation = {weight.data(),
                                              pairs,
                                              angles.span_cosines.data(),
                                              angles.span_sines.data(),
                                              angles.place_cosines.data(),
                                              angles.place_sines.data()};
                FirstOfEachKind first_of;
                for (const Kernels* table : tested_kernels()) {
                    Expanded keys(*table, size_t(count * size), 1);
                    table->expand_shared_keys[size_t(type)](rows.data(), count, size, rotation,
                                                            first, keys.at(0));
                    for (int j = 0; j < count; ++j) {
                        for (int i = 0; i < size; ++i) {
                            const Turned exact =
                                turned(rows.values[size_t(j)], weight, angles, span + first + j, i);
                            // Four roundings make a cosine or sine of the sum, three a product.
                            ASSERT_NEAR(keys[size_t(j * size + i)], exact.value,
                                        8 * kRounding * exact.magnitude +
                                            narrowing(*table) * std::abs(exact.value) * 1.001)
                                << table->name << " row " << j << " dimension " << i;
                        }
                    }
                    first_of.expect(*table, keys.values());
                }
            }
        }
    }
}

TEST(ExpandKernels, SharedKeysOfBrokenValuesAreNotNumbersAndOthersAre) {
    for (const KvType type : kTypes) {
        std::vector<float> x(2 * 64, 1.0f);
        x[64 + 5] = NAN;  // turns with dimension 37, of the second row
        const CacheRows rows(type, 2, 64, x);
        const std::vector<float> weight(64, 1.0f);
        const Angles angles(16, 64);
        const KeyRotation rotation = {weight.data(),
                                      16,
                                      angles.span_cosines.data(),
                                      angles.span_sines.data(),
                                      angles.place_cosines.data(),
                                      angles.place_sines.data()};
        for (const Kernels* table : tested_kernels()) {
            Expanded keys(*table, 128);
            table->expand_shared_keys[size_t(type)](rows.data(), 2, 64, rotation, 0, keys.at(0));
            for (size_t i = 0; i < 64; ++i) EXPECT_TRUE(std::isfinite(keys[i])) << table->name;
            EXPECT_TRUE(std::isnan(keys[64 + 5])) << table->name;
            EXPECT_TRUE(std::isnan(keys[64 + 37])) << table->name;
            EXPECT_TRUE(std::isfinite(keys[64 + 60])) << table->name;
        }
    }
}

TEST(ExpandKernels, QueriesAreThemselvesToHalfAStepAtAnyAddress) {
    random_source.seed(25);
    auto x = random_values(48, 10);
    x[7] = NAN, x[8] = INFINITY, x[9] = 0;
    for (const Kernels* table : tested_kernels()) {
        for (size_t offset = 0; offset <= 7; ++offset) {
            std::vector<float> in(offset);
            in.insert(in.end(), x.begin(), x.end());
            Expanded out(*table, 48, offset);
            table->expand_queries(&in[offset], 48, out.at(0));
            for (size_t i = 0; i < 48; ++i) {
                if (std::isfinite(x[i])) {
                    EXPECT_NEAR(out[i], x[i], narrowing(*table) * std::abs(x[i])) << table->name;
                } else {
                    EXPECT_TRUE(same(out[i], x[i])) << table->name;
                }
            }
        }
    }
}

// ---- products

// Queries, a tile of keys that are also the values, and weights, all expanded.
struct Products {
    int heads, size, count;  // count: even
    int64_t stride;
    Expanded queries, keys, values, weights;
    std::vector<float> scores, out;
    size_t offset;

    // value() gives what a bf16 holds exactly, or nearly.
    template <typename Value>
    Products(const Kernels& table, int heads_, int size_, int count_, size_t offset_,
             const Value& value)
        : heads(heads_),
          size(size_),
          count(count_),
          stride(count_ + 6),
          queries(table, size_t(heads * size), offset_),
          keys(table, size_t(count * size), offset_),
          values(table, size_t(count * size), offset_),
          weights(table, size_t(heads * stride), offset_),
          scores(offset_ + size_t(heads * stride), kUntouched),
          out(offset_ + size_t(heads * size), 1),
          offset(offset_) {
        for (size_t i = 0; i < queries.size(); ++i) queries.set(i, value());
        for (size_t i = 0; i < weights.size(); ++i) weights.set(i, value());
        const int steps = multiplies_floats(table) ? 1 : 2;
        for (int j = 0; j < count; ++j) {
            for (int i = 0; i < size; ++i) {
                const float v = value();
                keys.set(size_t(j * size + i), v);
                values.set(size_t((j / steps * size + i) * steps + j % steps), v);
            }
        }
    }
    float key(int j, int i) const { return keys[size_t(j * size + i)]; }
    void run(const Kernels& table, int scored) {
        table.score(queries.at(0), heads, keys.at(0), scored, size, &scores[offset], stride);
        table.add_values(weights.at(0), stride, heads, values.at(0), count, size, &out[offset]);
    }
    float score(int g, int j) const { return scores[offset + size_t(g * stride + j)]; }
    float value(int g, int i) const { return out[offset + size_t(g * size + i)]; }

    Turned exact_score(int g, int j) const {
        Turned sum = {0, 0};
        for (int i = 0; i < size; ++i) add(sum, queries[size_t(g * size + i)], key(j, i));
        return sum;
    }
    Turned exact_value(int g, int i) const {
        Turned sum = {1, 1};
        for (int j = 0; j < count; ++j) add(sum, weights[size_t(g * stride + j)], key(j, i));
        return sum;
    }

  private:
    static void add(Turned& sum, double a, double b) {
        sum.value += a * b;
        sum.magnitude += std::abs(a * b);
    }
};

// Small integers, whose sums are exact in any order.
TEST(AttentionKernels, EveryCountOfHeadsKeysAndColumnsAtAnyAddressGivesTheInteger) {
    random_source.seed(15);
    const auto small = [] { return float(int(random_source() % 17) - 8); };
    for (const Kernels* table : tested_kernels()) {
        for (const int heads : {1, 2, 3, 4, 5, 7, 8, 9, 15, 64}) {
            for (const int scored : {1, 2, 3, 4, 5, 7, 32}) {
                const int size = 32 * int(1 + random_source() % 6);
                Products p(*table, heads, size, (scored + 1) / 2 * 2, random_source() % 8, small);
                p.run(*table, scored);
                for (int g = 0; g < heads; ++g) {
                    for (int j = 0; j < int(p.stride); ++j)
                        ASSERT_EQ(p.score(g, j),
                                  j < scored ? p.exact_score(g, j).value : kUntouched)
                            << table->name;
                    for (int i = 0; i < size; ++i)
                        ASSERT_EQ(p.value(g, i), p.exact_value(g, i).value) << table->name;
                }
            }
        }
    }
}

TEST(AttentionKernels, SumsAreCloseToDoublesAndTheSameOnTablesOfOneKind) {
    for (const int size : {32, 64, 256, 512}) {
        for (const int heads : {1, 2, 3, 8, 11}) {
            FirstOfEachKind scores, values;
            for (const Kernels* table : tested_kernels()) {
                random_source.seed(uint32_t(size + heads));
                Products p(*table, heads, size, 32, 0, [] { return random_normal(); });
                p.run(*table, 32);
                for (int g = 0; g < heads; ++g) {
                    for (int j = 0; j < 32; ++j) {
                        const Turned exact = p.exact_score(g, j);
                        ASSERT_NEAR(p.score(g, j), exact.value,
                                    (size / 16 + 5) * kRounding * exact.magnitude)
                            << table->name;
                    }
                    for (int i = 0; i < size; ++i) {
                        const Turned exact = p.exact_value(g, i);
                        ASSERT_NEAR(p.value(g, i), exact.value, 33 * kRounding * exact.magnitude)
                            << table->name;
                    }
                }
                scores.expect(*table, p.scores);
                values.expect(*table, p.out);
            }
        }
    }
}

TEST(AttentionKernels, BrokenKeysAndValuesReachTheResultAndNoOther) {
    random_source.seed(16);
    for (const Kernels* table : tested_kernels()) {
        for (const float broken : {NAN, INFINITY}) {
            Products p(*table, 3, 32, 6, 0, [] { return 1.0f; });
            const int steps = multiplies_floats(*table) ? 1 : 2;
            p.keys.set(2 * 32 + 7, broken);
            p.values.set(size_t((2 / steps * 32 + 7) * steps), broken);
            p.run(*table, 6);
            for (int g = 0; g < 3; ++g) {
                for (int j = 0; j < 6; ++j)
                    EXPECT_EQ(std::isfinite(p.score(g, j)), j != 2) << table->name;
                for (int i = 0; i < 32; ++i)
                    EXPECT_EQ(std::isfinite(p.value(g, i)), i != 7) << table->name;
            }
        }
    }
}

// ---- softmax in spans

struct Weighed {
    SpanSums sums;
    std::vector<float> weights;
    Weighed(const Kernels& table, const std::vector<float>& scores, size_t offset = 0) {
        std::vector<float> moved(offset);
        moved.insert(moved.end(), scores.begin(), scores.end());
        Expanded out(table, scores.size(), offset);
        sums = table.weigh(&moved[offset], int(scores.size()), out.at(0));
        weights = out.values();
    }
    std::vector<float> all() const {
        std::vector<float> all = weights;
        all.push_back(sums.largest);
        all.push_back(sums.sum);
        return all;
    }
};

TEST(WeighKernel, IsCloseToDoublesForEverySpreadAndItsSumIsThatOfItsWeights) {
    random_source.seed(12);
    for (const size_t n : {16, 32, 48, 256}) {
        for (const float spread : {0.0f, 1e-6f, 1.0f, 30.0f, 1000.0f, 1e30f}) {
            std::vector<float> x = random_values(n, spread);
            for (float& value : x) value += 5;
            const float top = *std::max_element(x.begin(), x.end());
            FirstOfEachKind first;
            for (const Kernels* table : tested_kernels()) {
                const Weighed found(*table, x);
                EXPECT_EQ(found.sums.largest, top) << table->name;
                double sum = 0;
                for (size_t i = 0; i < n; ++i) {
                    const double exact = std::exp(double(x[i]) - top);
                    sum += found.weights[i];
                    // The exponential, and the subtraction before it: at most 87 where the result
                    // counts.
                    ASSERT_NEAR(found.weights[i], exact,
                                exact * (3e-7 + 87 * kRounding + narrowing(*table)) + 2e-38)
                        << table->name << " spread " << spread;
                }
                ASSERT_NEAR(found.sums.sum, sum, double(n / 16 + 4) * kRounding * sum)
                    << table->name;
                first.expect(*table, found.all());
                for (size_t offset = 1; offset <= 7; ++offset)
                    EXPECT_EQ(Weighed(*table, x, offset).all(), found.all()) << table->name;
            }
        }
    }
}

TEST(WeighKernel, MinusInfinityIsExactlyZeroAndMovesNoOtherBit) {
    random_source.seed(13);
    for (const Kernels* table : tested_kernels()) {
        std::vector<float> x(64, -INFINITY), longer(128, -INFINITY);
        for (size_t i = 3; i < 40; ++i) longer[i + 64] = x[i] = random_normal();
        const Weighed found(*table, x), more(*table, longer);
        EXPECT_EQ(found.sums.largest, more.sums.largest) << table->name;
        EXPECT_EQ(found.sums.sum, more.sums.sum) << table->name;
        for (size_t i = 0; i < 64; ++i) {
            EXPECT_EQ(more.weights[i], 0);
            EXPECT_EQ(more.weights[i + 64], found.weights[i]) << table->name;
            EXPECT_EQ(found.weights[i] == 0, i < 3 || i >= 40) << table->name;
        }
    }
}

TEST(WeighKernel, NothingToChooseFromIsMinusInfinityAndZero) {
    for (const Kernels* table : tested_kernels()) {
        const Weighed found(*table, std::vector<float>(32, -INFINITY));
        EXPECT_EQ(found.sums.largest, -INFINITY) << table->name;
        EXPECT_EQ(found.sums.sum, 0) << table->name;
        EXPECT_EQ(found.weights, std::vector<float>(32, 0.0f)) << table->name;
    }
}

// Also where everything else is masked out.
TEST(WeighKernel, BrokenScoresMakeTheirWeightAndTheSumNotANumber) {
    for (const Kernels* table : tested_kernels()) {
        for (const float others : {1.0f, -INFINITY}) {
            for (size_t at = 0; at < 32; ++at) {
                for (const float broken : {NAN, -NAN, INFINITY}) {
                    std::vector<float> x(32, others);
                    x[at] = broken;
                    const Weighed found(*table, x);
                    EXPECT_TRUE(std::isnan(found.weights[at])) << table->name << " " << at;
                    EXPECT_TRUE(std::isnan(found.sums.sum)) << table->name << " " << at;
                }
            }
        }
    }
}

TEST(MergeKernel, AddsTwoScaledPartsToOneRoundingEach) {
    random_source.seed(17);
    const auto part = random_values(64), start = random_values(64);
    std::vector<float> first;
    for (const Kernels* table : tested_kernels()) {
        auto total = start;
        table->merge(total.data(), 0.37f, part.data(), -1.9f, 64);
        for (size_t i = 0; i < 64; ++i) {
            const double a = double(start[i]) * 0.37f, b = double(part[i]) * -1.9f;
            EXPECT_NEAR(total[i], a + b, kRounding * (std::abs(a) + std::abs(a + b)) * 1.001);
        }
        expect_same(total, first, table->name);
        auto broken = start;
        broken[3] = NAN;
        table->merge(broken.data(), 0, part.data(), 1, 64);
        EXPECT_TRUE(std::isnan(broken[3])) << "a part that is dropped would hide it";
        EXPECT_EQ(broken[4], part[4]) << table->name;
    }
}

TEST(ExponentialKernel, IsCloseWithinItsRangeAndNotANumberStaysSo) {
    std::vector<float> first;
    for (const Kernels* table : tested_kernels()) {
        std::vector<float> all;
        for (float x = -87; x <= 87; x += 0.013f) {
            all.push_back(table->exponential(x));
            ASSERT_NEAR(all.back(), std::exp(double(x)), 2e-7 * std::exp(double(x))) << x;
        }
        EXPECT_EQ(table->exponential(0), 1);
        EXPECT_EQ(table->exponential(-INFINITY), table->exponential(-87)) << table->name;
        EXPECT_TRUE(std::isnan(table->exponential(NAN))) << table->name;
        expect_same(all, first, table->name);
    }
}

}  // namespace
}  // namespace facet::cpu
