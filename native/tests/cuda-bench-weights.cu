#include "cuda/random-halves.h"
#include "tests/cuda-bench.h"
#include <cmath>

namespace longread::gpu {

RandomWeights::RandomWeights(const LongreadShape& s) {
    const size_t width = static_cast<size_t>(s.embedding), feed = static_cast<size_t>(s.feed_forward);
    const size_t mixed = static_cast<size_t>(s.heads) * s.head_size;
    const size_t all = mixed + 2 * static_cast<size_t>(s.key_heads) * s.head_size;
    const float size = 1.0f / std::sqrt(static_cast<float>(width));
    embedding = random_halves(static_cast<size_t>(s.vocabulary) * width, 1);
    qkv = random_halves(all * width, size);
    output = random_halves(width * mixed, size);
    gate_up = random_halves(2 * feed * width, size);
    down = random_halves(width * feed, size / 2);
    turns.assign(static_cast<size_t>(s.positions) * s.head_size, 0.7f);
    ones.assign(width, 1.0f);
}

LongreadLayer RandomWeights::layer() const {
    return {qkv.data(),  output.data(), gate_up.data(), down.data(), ones.data(),
            ones.data(), nullptr,       nullptr,        nullptr};
}

} // namespace longread::gpu
