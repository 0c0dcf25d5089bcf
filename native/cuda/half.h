// IEEE binary16 numbers on the processor, for what is neither built with ggml nor by CUDA's compiler. To the nearest,
// ties to even.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace longread::gpu {

inline float from_half(uint16_t half) {
    const int exponent = (half >> 10) & 31, fraction = half & 1023;
    const float sign = half & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * std::ldexp(static_cast<float>(fraction), -24);
    return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

inline uint16_t to_half(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    const float size = std::fabs(value);
    if (std::isnan(value))
        return sign | 0x7e00;
    if (size >= 65520.0f) // halfway to 2^16 and more
        return sign | 0x7c00;
    // Below 2^-14 steps are 2^-24; above, 2^-10 of the power of two. Both scalings are exact; nearbyint ties to even.
    if (size < 6.103515625e-05f)
        return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(size, 24))));
    int exponent;
    std::frexp(size, &exponent); // size = f * 2^exponent, f from 1/2
    const int steps = static_cast<int>(std::nearbyint(std::ldexp(size, 11 - exponent))); // 1024 … 2048
    return static_cast<uint16_t>(sign | (((exponent + 13) << 10) + steps));
}

} // namespace longread::gpu
