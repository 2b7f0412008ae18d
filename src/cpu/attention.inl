// Attention of every instruction set, written once over V (kernels.inl) and an attention arithmetic
// A that the including file defines:
//
//   E          type of an expanded value: float, or bf16 as uint16_t
//   kSteps     how many keys one step of add_values takes: 1, or 2 where products come in pairs
//   X          a register of kRows * kSteps expanded values; load(E*)
//   dot(F acc, X a, X b)       acc + products, lane by lane (pairs of products where kSteps is 2)
//   broadcast(E*)              kSteps values in all lanes
//   store(E*, F)               kRows values narrowed to E
//   store_row(E*, F*)          kSteps vectors of neighbouring columns, narrowed, one after another
//   store_steps(E*, F*)        kSteps vectors of one column range, interleaved
//   rounded(F)                 what store() keeps of a value
//
// Layouts of expanded tiles: queries and keys [row][size]; weights [query][kSpan]; values
// [key / kSteps][size][kSteps].

// ---- rows in the cache

// f16 values, or 8-bit codes followed by an f16 scale for each 32.
struct RowF16 {
    static F load(const uint8_t* row, int, int i) { return V::load_f16(row + 2 * i); }
    static void store(const float* x, int size, uint8_t* row) {
        for (int i = 0; i < size; i += R)
            V::store_f16(reinterpret_cast<uint16_t*>(row) + i, V::load_f(x + i));
    }
    static int64_t bytes(int size) { return 2 * size; }
};

struct RowQ8_0 {
    static F load(const uint8_t* row, int size, int i) {
        return V::multiply(V::to_float(V::load_signed_bytes(row + i)),
                           V::set_f16(row + size + i / 32 * 2));
    }
    static void store(const float* x, int size, uint8_t* row) {
        for (int block = 0; block < size / 32; ++block) {
            const float* values = x + 32 * block;
            // The code belongs to the scale as it is stored.
            V::put_f16(row + size + 2 * block, largest_magnitude(values, 32) / 127.0f);
            float lanes[R];
            V::store_f(lanes, V::set_f16(row + size + 2 * block));
            const F inverse = V::set_f(lanes[0] > 1e-30f ? 1.0f / lanes[0] : 0.0f);
            for (int i = 0; i < 32; i += R) {
                const I code = V::round_to_int(V::multiply(V::load_f(values + i), inverse));
                V::store_bytes(reinterpret_cast<int8_t*>(row) + 32 * block + i,
                               V::min_i(V::max_i(code, V::set(-127)), V::set(127)));
            }
        }
    }
    static int64_t bytes(int size) { return size + size / 16; }
};

template <typename Row>
void store_row(const float* x, int size, uint8_t* row) {
    Row::store(x, size, row);
}

// ---- expansion into what the products take

void expand_queries(const float* queries, int64_t n, void* out) {
    auto* to = static_cast<A::E*>(out);
    for (int64_t i = 0; i < n; i += R) A::store(to + i, V::load_f(queries + i));
}

template <typename Row>
void expand_keys(const uint8_t* rows, int count, int size, void* out) {
    auto* to = static_cast<A::E*>(out);
    for (int j = 0; j < count; ++j, rows += Row::bytes(size), to += size) {
        for (int i = 0; i < size; i += A::kSteps * R) {
            F values[A::kSteps];
            for (int k = 0; k < A::kSteps; ++k) values[k] = Row::load(rows, size, i + k * R);
            A::store_row(to + i, values);
        }
    }
}

// key = rotation by the position of weight * row: dimensions i and i + size / 2 turn together, for
// i < pairs. The angle of a position is that of its span plus that of its place in the span.
template <typename Row>
void expand_shared_keys(const uint8_t* rows, int count, int size, const KeyRotation& rotation,
                        int first, void* out) {
    auto* to = static_cast<A::E*>(out);
    const int half = size / 2, pairs = rotation.pairs;
    for (int j = 0; j < count; ++j, rows += Row::bytes(size), to += size) {
        const float* cosines = rotation.place_cosines + static_cast<int64_t>(first + j) * pairs;
        const float* sines = rotation.place_sines + static_cast<int64_t>(first + j) * pairs;
        const auto key = [&](int i) {
            return V::multiply(V::load_f(rotation.weight + i), Row::load(rows, size, i));
        };
        for (int i = 0; i < pairs; i += R) {
            const F c = V::load_f(cosines + i), s = V::load_f(sines + i);
            const F span_c = V::load_f(rotation.span_cosines + i),
                    span_s = V::load_f(rotation.span_sines + i);
            const F cosine = V::subtract_f(V::multiply(span_c, c), V::multiply(span_s, s));
            const F sine = V::multiply_add(span_s, c, V::multiply(span_c, s));
            const F low = key(i), high = key(i + half);
            A::store(to + i, V::subtract_f(V::multiply(low, cosine), V::multiply(high, sine)));
            A::store(to + half + i, V::multiply_add(high, cosine, V::multiply(low, sine)));
        }
        for (int start = 0; start < size; start += half) {
            int i = start + pairs;
            for (; i + A::kSteps * R <= start + half; i += A::kSteps * R) {
                F values[A::kSteps];
                for (int k = 0; k < A::kSteps; ++k) values[k] = key(i + k * R);
                A::store_row(to + i, values);
            }
            for (; i < start + half; i += R) A::store(to + i, key(i));
        }
    }
}

// The hardware does not see two rows in turn as one stream: values are asked for ahead. (Keys come
// row after row, and asking for those makes them slower.)
constexpr int kRowsAhead = 8;
inline void fetch_rows(const uint8_t* p, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(p + at);
}

// An even number of rows; those beyond the last count as zero.
template <typename Row>
void expand_values(const uint8_t* rows, int count, int size, void* out) {
    auto* to = static_cast<A::E*>(out);
    for (int j = 0; j < (count + 1) / 2 * 2; j += A::kSteps, to += A::kSteps * size) {
        const uint8_t* first = rows + j * Row::bytes(size);
        fetch_rows(first + kRowsAhead * Row::bytes(size), A::kSteps * Row::bytes(size));
        for (int i = 0; i < size; i += R) {
            F step[A::kSteps];
            for (int k = 0; k < A::kSteps; ++k) {
                step[k] = j + k < count ? Row::load(first + k * Row::bytes(size), size, i)
                                        : V::set_f(0);
            }
            A::store_steps(to + A::kSteps * i, step);
        }
    }
}

// ---- products

// Scores of kHeads queries and kKeys keys.
template <int kHeads, int kKeys>
inline void score_tile(const A::E* queries, const A::E* keys, int size, float* scores,
                       int64_t stride) {
    // kParts lanes of 16 sums, however wide a register is, so that all tables add in one order.
    F acc[kHeads][kKeys][kParts];
    for (int g = 0; g < kHeads; ++g) {
        for (int j = 0; j < kKeys; ++j) {
            for (int part = 0; part < kParts; ++part) acc[g][j][part] = V::set_f(0);
        }
    }
    constexpr int kWide = R * A::kSteps;
    for (int i = 0; i < size; i += kWide * kParts) {
        for (int part = 0; part < kParts; ++part) {
            const int at = i + part * kWide;
            A::X key[kKeys];
            for (int j = 0; j < kKeys; ++j) key[j] = A::load(keys + j * size + at);
            for (int g = 0; g < kHeads; ++g) {
                const A::X query = A::load(queries + g * size + at);
                for (int j = 0; j < kKeys; ++j)
                    acc[g][j][part] = A::dot(acc[g][j][part], query, key[j]);
            }
        }
    }
    // Unrolled, or the sums would go through memory.
#pragma GCC unroll 4
    for (int g = 0; g < kHeads; ++g) {
        if constexpr (kKeys == 4) {
            V::reduce16_four(&acc[g][0][0], scores + g * stride);
        } else {
            for (int j = 0; j < kKeys; ++j) scores[g * stride + j] = V::reduce16(acc[g][j]);
        }
    }
}

template <int kHeads>
inline void score_heads(const A::E* queries, const A::E* keys, int count, int size, float* scores,
                        int64_t stride) {
    int j = 0;
    for (; j + 4 <= count; j += 4)
        score_tile<kHeads, 4>(queries, keys + j * size, size, scores + j, stride);
    for (; j < count; ++j)
        score_tile<kHeads, 1>(queries, keys + j * size, size, scores + j, stride);
}

void score(const void* queries, int heads, const void* keys, int count, int size, float* scores,
           int64_t stride) {
    const auto* q = static_cast<const A::E*>(queries);
    const auto* k = static_cast<const A::E*>(keys);
    while (heads > 0) {
        const int now = heads >= 4 ? 4 : heads >= 2 ? 2 : 1;
        switch (now) {
            case 4: score_heads<4>(q, k, count, size, scores, stride); break;
            case 2: score_heads<2>(q, k, count, size, scores, stride); break;
            default: score_heads<1>(q, k, count, size, scores, stride); break;
        }
        heads -= now;
        q += now * size;
        scores += now * stride;
    }
}

// kHeads outputs of kRegisters registers.
template <int kHeads, int kRegisters>
inline void value_tile(const A::E* weights, int64_t stride, const A::E* values, int count, int size,
                       float* out) {
    // Unrolled, or the sums would go through memory.
    F acc[kHeads][kRegisters];
#pragma GCC unroll 4
    for (int g = 0; g < kHeads; ++g) {
        for (int i = 0; i < kRegisters; ++i) acc[g][i] = V::load_f(out + g * size + i * R);
    }
    for (int j = 0; j < count; j += A::kSteps) {
        const A::E* value = values + j * size;
        A::X v[kRegisters];
        for (int i = 0; i < kRegisters; ++i) v[i] = A::load(value + i * R * A::kSteps);
        for (int g = 0; g < kHeads; ++g) {
            const A::X weight = A::broadcast(weights + g * stride + j);
            for (int i = 0; i < kRegisters; ++i) acc[g][i] = A::dot(acc[g][i], weight, v[i]);
        }
    }
#pragma GCC unroll 4
    for (int g = 0; g < kHeads; ++g) {
        for (int i = 0; i < kRegisters; ++i) V::store_f(out + g * size + i * R, acc[g][i]);
    }
}

template <int kHeads>
inline void add_values_of(const A::E* weights, int64_t stride, const A::E* values, int count,
                          int size, float* out) {
    constexpr int kWide = kHeads >= 4 && kParts > 1 ? 2 : 4;
    int at = 0;
    for (; at + R * kWide <= size; at += R * kWide) {
        value_tile<kHeads, kWide>(weights, stride, values + at * A::kSteps, count, size, out + at);
    }
    for (; at < size; at += R)
        value_tile<kHeads, 1>(weights, stride, values + at * A::kSteps, count, size, out + at);
}

void add_values(const void* weights, int64_t stride, int heads, const void* values, int count,
                int size, float* out) {
    const auto* w = static_cast<const A::E*>(weights);
    const auto* v = static_cast<const A::E*>(values);
    while (heads > 0) {
        const int now = heads >= 4 ? 4 : heads >= 2 ? 2 : 1;
        switch (now) {
            case 4: add_values_of<4>(w, stride, v, count, size, out); break;
            case 2: add_values_of<2>(w, stride, v, count, size, out); break;
            default: add_values_of<1>(w, stride, v, count, size, out); break;
        }
        heads -= now;
        w += now * stride;
        out += now * size;
    }
}

// ---- softmax in spans

// weights = exp(scores - largest), as they are multiplied with values; returns the largest score
// and the sum of the weights. Sums run in 16 lanes, so that what is masked out (minus infinity,
// which gives exactly zero) may stand anywhere without changing a bit of the rest.
SpanSums weigh(const float* scores, int count, void* weights) {
    auto* to = static_cast<A::E*>(weights);
    F largest = V::load_f(scores);
    for (int i = R; i < count; i += R) largest = V::max_f(largest, V::load_f(scores + i));
    const float top = largest_lane(largest);
    // Scores that are not numbers stay so, also where all others are masked out.
    const F base = V::set_f(top < -3e38f ? 0.0f : top);
    F sum[kParts];
    for (int part = 0; part < kParts; ++part) sum[part] = V::set_f(0);
    for (int i = 0; i < count; i += 16) {
        for (int part = 0; part < kParts; ++part) {
            const int at = i + part * R;
            const F below = V::subtract_f(V::load_f(scores + at), base);
            const F e = V::zero_below(exponential(below), below, -87.0f);
            A::store(to + at, e);
            sum[part] = V::add_f(sum[part], A::rounded(e));
        }
    }
    return {top, V::reduce16(sum)};
}

// e^x for one number, the same on every table.
float exponential_of(float x) {
    float lanes[R];
    V::store_f(lanes, exponential(V::set_f(x)));
    return lanes[0];
}

// total = total * scale + part * part_scale over n values.
void merge(float* total, float scale, const float* part, float part_scale, int64_t n) {
    const F a = V::set_f(scale), b = V::set_f(part_scale);
    for (int64_t i = 0; i < n; i += R) {
        V::store_f(total + i, V::multiply_add(V::load_f(part + i), b,
                                              V::multiply(V::load_f(total + i), a)));
    }
}
