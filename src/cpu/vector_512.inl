// The vector operations of kernels.inl on zmm registers: strips of 16 rows.
struct Vector512 {
    static constexpr int kRows = 16;
    // vpdpbusd takes unsigned codes: signed ones are moved up by 2^7, which the first sum takes
    // back.
    static constexpr int kSignedBias = 7;
    using I = __m512i;
    using F = __m512;

    static I load(const void* p) { I a = _mm512_loadu_si512(p); asm("" : "+v"(a)); return a; }
    static void store(int32_t* p, I a) { _mm512_storeu_si512(p, a); }
    static F load_f(const float* p) { return _mm512_loadu_ps(p); }
    static void store_f(float* p, F a) { _mm512_storeu_ps(p, a); }
    static I load_bytes(const uint8_t* p) { return _mm512_cvtepu8_epi32(load128(p)); }
    static I load_signed_bytes(const uint8_t* p) { return _mm512_cvtepi8_epi32(load128(p)); }
    static I load_signed_pairs(const uint8_t* p) {
        const __m128i low = load128(p), high = load128(p + kRows);
        return _mm512_cvtepi8_epi16(_mm256_set_m128i(_mm_unpackhi_epi8(low, high),
                                                     _mm_unpacklo_epi8(low, high)));
    }
    static I load_halves(const void* p) { return _mm512_cvtepu16_epi32(load256(p)); }
    static F set_f16(const void* p) {
        uint16_t half;
        __builtin_memcpy(&half, p, 2);
        return set_f(_cvtsh_ss(half));
    }
    static void put_f16(void* p, float a) {
        const uint16_t half = _cvtss_sh(a, _MM_FROUND_TO_NEAREST_INT);
        __builtin_memcpy(p, &half, 2);
    }
    static F load_f16(const void* p) { return _mm512_cvtph_ps(load256(p)); }
    static F load_bf16(const void* p) {
        return _mm512_castsi512_ps(_mm512_slli_epi32(load_halves(p), 16));
    }
    static void store_f16(uint16_t* p, F a) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                            _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
    }
    static I set(int32_t a) { return _mm512_set1_epi32(a); }
    static F set_f(float a) { return _mm512_set1_ps(a); }
    static I broadcast(const void* p) {
        int32_t a;
        __builtin_memcpy(&a, p, 4);
        return _mm512_set1_epi32(a);
    }
    static I and_(I a, I b) { return _mm512_and_si512(a, b); }
    static I or_(I a, I b) { return _mm512_or_si512(a, b); }
    template <int n>
    static I shift_left(I a) {
        return _mm512_slli_epi32(a, n);
    }
    template <int n>
    static I shift_right(I a) {
        return _mm512_srli_epi32(a, n);
    }
    static I shift_left_by(I a, int n) { return _mm512_slli_epi32(a, static_cast<unsigned>(n)); }
    static I shift_right_by(I a, int n) { return _mm512_srli_epi32(a, static_cast<unsigned>(n)); }
    static I add(I a, I b) { return _mm512_add_epi32(a, b); }
    static I subtract(I a, I b) { return _mm512_sub_epi32(a, b); }
    static I multiply_int(I a, I b) { return _mm512_mullo_epi32(a, b); }
    static I max_i(I a, I b) { return _mm512_max_epi32(a, b); }
    static I min_i(I a, I b) { return _mm512_min_epi32(a, b); }
    static int32_t largest_lane(I a) { return _mm512_reduce_max_epi32(a); }
    static int32_t sum_of_lanes(I a) { return _mm512_reduce_add_epi32(a); }
    static I bits(F a) { return _mm512_castps_si512(a); }
    static void store_bytes(int8_t* p, I a) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
    }
    static I flip_signs(I a) { return _mm512_xor_si512(a, _mm512_set1_epi8(-128)); }
    static I bias(I codes) { return flip_signs(codes); }
    // The broadcast belongs to the instruction; written out, because g++ 12 makes two of it.
    static I dot_small(I acc, I codes, const void* p) {
        asm("vpdpbusd %2%{1to16%}, %1, %0"
            : "+v"(acc)
            : "v"(codes), "m"(*static_cast<const int32_t*>(p)));
        return acc;
    }
    static I dot_signed(I acc, I codes, const void* p) { return dot_small(acc, codes, p); }
    static I dot_pairs(I acc, I a, const void* p) {
        asm("vpdpwssd %2%{1to16%}, %1, %0"
            : "+v"(acc)
            : "v"(a), "m"(*static_cast<const int32_t*>(p)));
        return acc;
    }
    static I dot_pair_registers(I acc, I a, I b) { return _mm512_dpwssd_epi32(acc, a, b); }
    static I dot_registers(I acc, I codes, I a) { return _mm512_dpbusd_epi32(acc, codes, a); }
    static I lookup(const int8_t* table, I codes) {
        return _mm512_shuffle_epi8(
            _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table))), codes);
    }
    static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
    static I round_to_int(F a) { return _mm512_cvtps_epi32(a); }
    static F multiply(F a, F b) { return _mm512_mul_ps(a, b); }
    static F multiply_add(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
    static F add_f(F a, F b) { return _mm512_add_ps(a, b); }
    static F subtract_f(F a, F b) { return _mm512_sub_ps(a, b); }
    static F divide(F a, F b) { return _mm512_div_ps(a, b); }
    static F max_f(F a, F b) { return _mm512_max_ps(a, b); }
    static F minimum_f(F a, F b) { return _mm512_min_ps(a, b); }
    static F abs_f(F a) { return _mm512_abs_ps(a); }
    static F power_of_two(I n) {
        return _mm512_scalef_ps(_mm512_set1_ps(1.0f), _mm512_cvtepi32_ps(n));
    }
    static F zero_below(F a, F x, float limit) {
        return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_NLT_UQ), a);
    }
    static float reduce16(const F* a) {
        const __m256 eight =
            _mm256_add_ps(_mm512_castps512_ps256(a[0]), _mm512_extractf32x8_ps(a[0], 1));
        const __m128 four =
            _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    }

    // The same for four times 16 floats at once.
    static void reduce16_four(const F* a, float* out) {
        __m128 four[4];
        for (int i = 0; i < 4; ++i) {
            const __m256 eight =
                _mm256_add_ps(_mm512_castps512_ps256(a[i]), _mm512_extractf32x8_ps(a[i], 1));
            four[i] = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        }
        // Columns of the 4x4 transpose, two additions apart as in reduce16().
        _MM_TRANSPOSE4_PS(four[0], four[1], four[2], four[3]);
        _mm_storeu_ps(out, _mm_add_ps(_mm_add_ps(four[0], four[2]), _mm_add_ps(four[1], four[3])));
    }

  private:
    static __m128i load128(const void* p) {
        return _mm_loadu_si128(static_cast<const __m128i*>(p));
    }
    static __m256i load256(const void* p) {
        return _mm256_loadu_si256(static_cast<const __m256i*>(p));
    }
};
