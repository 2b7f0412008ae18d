// Registers of 256 bits with AVX2, FMA and F16C: all of a vector type for kernels.inl but its dot
// products, which the including file adds. Included inside its unnamed namespace.

struct Vector256 {
    static constexpr int kRows = 8;
    using I = __m256i;
    using F = __m256;

    static I load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
    static void store(int32_t* p, I a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a); }
    static F load_f(const float* p) { return _mm256_loadu_ps(p); }
    static void store_f(float* p, F a) { _mm256_storeu_ps(p, a); }
    static I load_bytes(const uint8_t* p) {
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    }
    static I load_signed_bytes(const uint8_t* p) {
        return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    }
    static I load_signed_pairs(const uint8_t* p) {
        const __m128i bytes = load128(p);
        return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(bytes, _mm_unpackhi_epi64(bytes, bytes)));
    }
    static I flip_signs(I a) { return _mm256_xor_si256(a, _mm256_set1_epi8(-128)); }
    static I load_halves(const void* p) { return _mm256_cvtepu16_epi32(load128(p)); }
    static F set_f16(const void* p) {
        uint16_t half;
        __builtin_memcpy(&half, p, 2);
        return set_f(_cvtsh_ss(half));
    }
    static void put_f16(void* p, float a) {
        const uint16_t half = _cvtss_sh(a, _MM_FROUND_TO_NEAREST_INT);
        __builtin_memcpy(p, &half, 2);
    }
    static F load_f16(const void* p) { return _mm256_cvtph_ps(load128(p)); }
    static F load_bf16(const void* p) {
        return _mm256_castsi256_ps(_mm256_slli_epi32(load_halves(p), 16));
    }
    static void store_f16(uint16_t* p, F a) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                         _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
    }
    static I set(int32_t a) { return _mm256_set1_epi32(a); }
    static F set_f(float a) { return _mm256_set1_ps(a); }
    static I broadcast(const void* p) {
        int32_t a;
        __builtin_memcpy(&a, p, 4);
        return _mm256_set1_epi32(a);
    }
    static I and_(I a, I b) { return _mm256_and_si256(a, b); }
    static I or_(I a, I b) { return _mm256_or_si256(a, b); }
    template <int n>
    static I shift_left(I a) {
        return _mm256_slli_epi32(a, n);
    }
    template <int n>
    static I shift_right(I a) {
        return _mm256_srli_epi32(a, n);
    }
    static I shift_left_by(I a, int n) { return _mm256_slli_epi32(a, n); }
    static I shift_right_by(I a, int n) { return _mm256_srli_epi32(a, n); }
    static I add(I a, I b) { return _mm256_add_epi32(a, b); }
    static I multiply_int(I a, I b) { return _mm256_mullo_epi32(a, b); }
    static I max_i(I a, I b) { return _mm256_max_epi32(a, b); }
    static I min_i(I a, I b) { return _mm256_min_epi32(a, b); }
    static int32_t largest_lane(I a) {
        const __m128i four =
            _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
        const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
        return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
    }
    static int32_t sum_of_lanes(I a) {
        const __m128i four =
            _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
        const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
        return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
    }
    static I bits(F a) { return _mm256_castps_si256(a); }
    static void store_bytes(int8_t* p, I a) {
        const __m128i halves =
            _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(halves, halves));
    }
    static I subtract(I a, I b) { return _mm256_sub_epi32(a, b); }
    static I lookup(const int8_t* table, I codes) {
        return _mm256_shuffle_epi8(
            _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table))),
            codes);
    }
    static F to_float(I a) { return _mm256_cvtepi32_ps(a); }
    static I round_to_int(F a) { return _mm256_cvtps_epi32(a); }
    static F multiply(F a, F b) { return _mm256_mul_ps(a, b); }
    static F multiply_add(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
    static F add_f(F a, F b) { return _mm256_add_ps(a, b); }
    static F subtract_f(F a, F b) { return _mm256_sub_ps(a, b); }
    static F divide(F a, F b) { return _mm256_div_ps(a, b); }
    static F max_f(F a, F b) { return _mm256_max_ps(a, b); }
    static F minimum_f(F a, F b) { return _mm256_min_ps(a, b); }
    static F abs_f(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
    // In two factors, so that subnormal results (MXFP4's smallest scales) come out exactly.
    static F power_of_two(I n) {
        const I half = _mm256_srai_epi32(n, 1);
        return multiply(exponent(half), exponent(_mm256_sub_epi32(n, half)));
    }
    static F zero_below(F a, F x, float limit) {
        return _mm256_and_ps(a, _mm256_cmp_ps(x, _mm256_set1_ps(limit), _CMP_NLT_UQ));
    }
    static float reduce16(const F* a) {
        const __m256 eight = _mm256_add_ps(a[0], a[1]);
        const __m128 four =
            _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    }
    static void reduce16_four(const F* a, float* out) {
        for (int i = 0; i < 4; ++i) out[i] = reduce16(a + 2 * i);
    }

  private:
    static __m128i load128(const void* p) {
        return _mm_loadu_si128(static_cast<const __m128i*>(p));
    }
    static F exponent(I n) {
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
    }
};
