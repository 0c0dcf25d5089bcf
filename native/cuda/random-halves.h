// Numbers for products whose values do not matter, of benches.
#pragma once
#include "cuda/half.h"
#include <random>
#include <vector>

namespace longread::gpu {

// Normally distributed halves: a short stretch again and again, since what matters is that they are not all alike.
inline std::vector<uint16_t> random_halves(size_t count, float size) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, size);
    std::vector<uint16_t> some(65521), all(count);
    for (uint16_t& x : some)
        x = to_half(normal(random));
    for (size_t i = 0; i < count; ++i)
        all[i] = some[i % some.size()];
    return all;
}

} // namespace longread::gpu
