// The loop of unit_masses, compiled once for each set of instructions (masses-avx512.cpp, masses-avx2.cpp, masses.cpp): the
// compiler lowers 16-wide vectors to what the including file's options allow. Everything here has internal linkage, so that
// code for one processor is never merged with another's.
#pragma once
#include "recall/masses.h"
#include <cmath>
#include <cstring>
#include <immintrin.h>

namespace longread {
namespace {

// One vector of 16 tokens, lowered by the compiler to what the target has (one zmm, two ymm, four xmm).
typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));

#define LONGREAD_INLINE inline __attribute__((always_inline))

// 16 F16 numbers to F32, by the instruction where the target has it.
LONGREAD_INLINE void half_to_float(const uint16_t* p, f32x16& out) {
#if defined(__AVX512F__)
    const __m512 all = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    std::memcpy(&out, &all, sizeof all);
#elif defined(__F16C__)
    const __m256 low = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m256 high = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)));
    std::memcpy(&out, &low, sizeof low);
    std::memcpy(reinterpret_cast<char*>(&out) + sizeof low, &high, sizeof high);
#else
    // Multiplying by 2^112 moves the exponent's bias; denormals come out right, keys are never infinite.
    u16x16 h;
    std::memcpy(&h, p, sizeof h);
    const u32x16 w = __builtin_convertvector(h, u32x16);
    u32x16 bits = (w & 0x7fffu) << 13;
    f32x16 f;
    std::memcpy(&f, &bits, sizeof f);
    f *= 5.192296858534828e+33f;
    std::memcpy(&bits, &f, sizeof f);
    bits |= (w & 0x8000u) << 16;
    std::memcpy(&out, &bits, sizeof f);
#endif
}

// e^x for x <= 0 by 2^n times a polynomial of degree 5 on [-ln2/2, ln2/2]; relative error under 3e-7. Below -87 it is 0.
LONGREAD_INLINE void exp_negative(const f32x16& x_in, f32x16& out) {
    const f32x16 lowest = x_in - x_in - 87.0f;
    const i32x16 under = x_in < lowest;
    f32x16 x = under ? lowest : x_in;
    const f32x16 magic = lowest - lowest + 12582912.0f; // 1.5 * 2^23: adding it rounds to a whole number
    const f32x16 shifted = x * 1.44269504f + magic;
    const f32x16 whole = shifted - magic;
    const f32x16 r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    f32x16 p = r * 1.3981999507e-3f + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    i32x16 bits, power;
    std::memcpy(&bits, &p, sizeof bits);
    std::memcpy(&power, &shifted, sizeof power);
    bits += power << 23;
    std::memcpy(&p, &bits, sizeof p);
    const f32x16 zero = x - x;
    out = under ? zero : p;
}

template <int Rows>
LONGREAD_INLINE void block_masses(const KeyView& keys, int begin, int end, const float* queries, float* out,
                                  size_t out_stride, f32x16* products) {
    const int first = begin / group_tokens, last = (end - 1) / group_tokens, size = keys.head_size;
    const f32x16 zero = {};
    const f32x16 hidden = zero - __builtin_inff();
    f32x16 most[Rows];
    for (int r = 0; r < Rows; ++r)
        most[r] = hidden;
    for (int g = first; g <= last; ++g) {
        f32x16 sum[Rows];
        for (int r = 0; r < Rows; ++r)
            sum[r] = zero;
        const size_t at = static_cast<size_t>(g) * size * group_tokens;
        for (int d = 0; d < size; ++d) {
            f32x16 key;
            if (keys.format == KeyFormat::q8) {
                i8x16 b;
                std::memcpy(&b, keys.bytes + at + static_cast<size_t>(d) * group_tokens, sizeof b);
                key = __builtin_convertvector(b, f32x16);
            } else {
                half_to_float(keys.half + at + static_cast<size_t>(d) * group_tokens, key);
            }
            for (int r = 0; r < Rows; ++r)
                sum[r] += key * queries[r * size + d];
        }
        if (keys.format == KeyFormat::q8) {
            f32x16 scale;
            std::memcpy(&scale, keys.scales + static_cast<size_t>(g) * group_tokens, sizeof scale);
            for (int r = 0; r < Rows; ++r)
                sum[r] *= scale;
        }
        if (g == first || g == last) {
            i32x16 index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
            index += g * group_tokens;
            const i32x16 outside = (index < begin) | (index >= end);
            for (int r = 0; r < Rows; ++r)
                sum[r] = outside ? hidden : sum[r];
        }
        for (int r = 0; r < Rows; ++r) {
            most[r] = sum[r] > most[r] ? sum[r] : most[r];
            products[(g - first) * Rows + r] = sum[r];
        }
    }
    for (int r = 0; r < Rows; ++r) {
        float peak = most[r][0];
        for (int i = 1; i < group_tokens; ++i)
            peak = most[r][i] > peak ? most[r][i] : peak;
        f32x16 total = zero;
        for (int g = 0; g <= last - first; ++g) {
            f32x16 e;
            exp_negative(products[g * Rows + r] - peak, e);
            total += e;
        }
        float sum = 0;
        for (int i = 0; i < group_tokens; ++i)
            sum += total[i];
        out[r * out_stride] = peak + logf(sum);
    }
}

LONGREAD_INLINE void all_masses(const KeyView& keys, int begin, int end, const float* queries, int rows, float* out,
                                size_t out_stride, f32x16* products) {
    int r = 0;
    for (; r + masses_row_block <= rows; r += masses_row_block)
        block_masses<masses_row_block>(keys, begin, end, queries + static_cast<size_t>(r) * keys.head_size,
                                        out + r * out_stride, out_stride, products);
    for (; r + 4 <= rows; r += 4)
        block_masses<4>(keys, begin, end, queries + static_cast<size_t>(r) * keys.head_size,
                                out + r * out_stride, out_stride, products);
    for (; r < rows; ++r)
        block_masses<1>(keys, begin, end, queries + static_cast<size_t>(r) * keys.head_size,
                                out + r * out_stride, out_stride, products);
}

} // namespace
} // namespace longread
