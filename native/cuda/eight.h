// 8-bit floating-point numbers of 4 bits of exponent and 3 of fraction (e4m3, arXiv 2209.05433), on the processor: to
// the nearest, ties to even, at most ±448, no infinities.
#pragma once
#include <cmath>
#include <cstdint>

namespace longread::gpu {

constexpr float most_eight = 448;

inline float from_eight(uint8_t eight) {
    const int exponent = (eight >> 3) & 15, fraction = eight & 7;
    const float sign = eight & 0x80 ? -1.0f : 1.0f;
    if (exponent == 15 && fraction == 7)
        return NAN;
    if (exponent == 0)
        return sign * std::ldexp(static_cast<float>(fraction), -9);
    return sign * std::ldexp(static_cast<float>(8 + fraction), exponent - 10);
}

inline uint8_t to_eight(float value) {
    const uint8_t sign = std::signbit(value) ? 0x80 : 0;
    const float size = std::fmin(std::fabs(value), most_eight);
    if (std::isnan(value))
        return 0x7f;
    // Below 2^-6 steps are 2^-9; above, 2^-3 of the power of two.
    if (size < 0.015625f)
        return static_cast<uint8_t>(sign | static_cast<uint8_t>(std::nearbyint(std::ldexp(size, 9))));
    int exponent;
    std::frexp(size, &exponent); // size = f * 2^exponent, f from 1/2
    const int steps = static_cast<int>(std::nearbyint(std::ldexp(size, 4 - exponent))); // 8 … 16
    return static_cast<uint8_t>(sign | (((exponent + 5) << 3) + steps));
}

} // namespace longread::gpu
