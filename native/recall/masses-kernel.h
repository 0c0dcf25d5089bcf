// The loop of unit_masses, compiled once for each set of instructions (masses-avx512.cpp, masses-avx2.cpp, masses.cpp):
// vectors are as wide as the including file's options allow, because GCC lowers wider ones element by element
// (measured: 1 GFLOP/s). Everything here has internal linkage, so that code for one processor is never merged with
// another's.
#pragma once
#include "recall/masses.h"
#include <cmath>
#include <cstring>
#include <immintrin.h>

namespace longread {
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

// Rows of queries that share one pass over the keys: as many accumulators as leave registers for the key and the
// broadcast.
constexpr int row_block = 12;

// `lanes` neighbouring tokens of a group.
typedef float floats __attribute__((vector_size(lanes * 4)));
typedef int32_t ints __attribute__((vector_size(lanes * 4)));
typedef uint32_t words __attribute__((vector_size(lanes * 4)));
typedef int8_t bytes __attribute__((vector_size(lanes)));
typedef uint16_t halves __attribute__((vector_size(lanes * 2)));

#define LONGREAD_INLINE inline __attribute__((always_inline))

// F16 to F32, by the instruction where the target has it.
LONGREAD_INLINE floats half_to_float(const uint16_t* p) {
    floats out;
#if defined(__AVX512F__)
    const __m512 all = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    std::memcpy(&out, &all, sizeof all);
#elif defined(__F16C__)
    const __m256 all = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    std::memcpy(&out, &all, sizeof all);
#else
    // Multiplying by 2^112 moves the exponent's bias; denormals come out right, keys are never infinite.
    halves h;
    std::memcpy(&h, p, sizeof h);
    const words w = __builtin_convertvector(h, words);
    words bits = (w & 0x7fffu) << 13;
    std::memcpy(&out, &bits, sizeof out);
    out *= 5.192296858534828e+33f;
    std::memcpy(&bits, &out, sizeof out);
    bits |= (w & 0x8000u) << 16;
    std::memcpy(&out, &bits, sizeof out);
#endif
    return out;
}

// GCC 12 takes the conversion of whole vectors of bytes apart, lane by lane, where it is not told the instruction.
LONGREAD_INLINE floats byte_to_float(const int8_t* p) {
    floats out;
#if defined(__AVX512F__)
    const __m512 all = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
    std::memcpy(&out, &all, sizeof all);
#elif defined(__AVX2__)
    const __m256 all = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
    std::memcpy(&out, &all, sizeof all);
#else
    bytes b;
    std::memcpy(&b, p, sizeof b);
    out = __builtin_convertvector(b, floats);
#endif
    return out;
}

// e^x for x <= 0 by 2^n times a polynomial of degree 5 on [-ln2/2, ln2/2]; relative error under 3e-7. Below -87 it is
// 0.
LONGREAD_INLINE floats exp_negative(floats x) {
    const floats zero = {};
    const floats lowest = zero - 87.0f;
    const ints under = x < lowest;
    x = under ? lowest : x;
    const floats magic = zero + 12582912.0f; // 1.5 * 2^23: adding it rounds to a whole number
    const floats shifted = x * 1.44269504f + magic;
    const floats whole = shifted - magic;
    const floats r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    floats p = r * 1.3981999507e-3f + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    ints bits, power;
    std::memcpy(&bits, &p, sizeof bits);
    std::memcpy(&power, &shifted, sizeof power);
    bits += power << 23;
    std::memcpy(&p, &bits, sizeof p);
    return under ? zero : p;
}

// A part is `lanes` tokens; parts first..last hold the unit's tokens begin..end.
template <int Rows>
LONGREAD_INLINE void block_masses(const KeyView& keys, int begin, int end, const float* queries, float* out,
                                  size_t out_stride, floats* products) {
    const int first = begin / lanes, last = (end - 1) / lanes, size = keys.head_size;
    const floats zero = {};
    const floats hidden = zero - __builtin_inff();
    floats most[Rows];
    for (int r = 0; r < Rows; ++r)
        most[r] = hidden;
    for (int part = first; part <= last; ++part) {
        floats sum[Rows];
        for (int r = 0; r < Rows; ++r)
            sum[r] = zero;
        const int token = part * lanes;
        const size_t at = static_cast<size_t>(token / group_tokens) * size * group_tokens + token % group_tokens;
        for (int d = 0; d < size; ++d) {
            const size_t place = at + static_cast<size_t>(d) * group_tokens;
            const floats key =
                keys.format == KeyFormat::q8 ? byte_to_float(keys.bytes + place) : half_to_float(keys.half + place);
            for (int r = 0; r < Rows; ++r)
                sum[r] += key * queries[r * size + d];
        }
        if (keys.format == KeyFormat::q8) {
            floats scale;
            std::memcpy(&scale, keys.scales + token, sizeof scale);
            for (int r = 0; r < Rows; ++r)
                sum[r] *= scale;
        }
        if (part == first || part == last) {
            ints index;
            for (int i = 0; i < lanes; ++i)
                index[i] = token + i;
            const ints outside = (index < begin) | (index >= end);
            for (int r = 0; r < Rows; ++r)
                sum[r] = outside ? hidden : sum[r];
        }
        for (int r = 0; r < Rows; ++r) {
            most[r] = sum[r] > most[r] ? sum[r] : most[r];
            products[static_cast<size_t>(part - first) * Rows + r] = sum[r];
        }
    }
    for (int r = 0; r < Rows; ++r) {
        float peak = most[r][0];
        for (int i = 1; i < lanes; ++i)
            peak = most[r][i] > peak ? most[r][i] : peak;
        floats total = zero;
        for (int part = 0; part <= last - first; ++part)
            total += exp_negative(products[static_cast<size_t>(part) * Rows + r] - peak);
        float sum = 0;
        for (int i = 0; i < lanes; ++i)
            sum += total[i];
        out[r * out_stride] = peak + logf(sum);
    }
}

// `scratch` holds row_block vectors for each part of the unit.
LONGREAD_INLINE void all_masses(const KeyView& keys, int begin, int end, const float* queries, int rows, float* out,
                                size_t out_stride, void* scratch) {
    floats* products = static_cast<floats*>(scratch);
    const size_t size = static_cast<size_t>(keys.head_size);
    int r = 0;
    for (; r + row_block <= rows; r += row_block)
        block_masses<row_block>(keys, begin, end, queries + r * size, out + r * out_stride, out_stride, products);
    for (; r + 3 <= rows; r += 3)
        block_masses<3>(keys, begin, end, queries + r * size, out + r * out_stride, out_stride, products);
    for (; r < rows; ++r)
        block_masses<1>(keys, begin, end, queries + r * size, out + r * out_stride, out_stride, products);
}

} // namespace
} // namespace longread
