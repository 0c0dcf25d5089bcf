#include "engine/rope-turns.h"
#include <algorithm>
#include <cmath>

namespace longread {
namespace {

// Of YaRN (arXiv 2309.00071, section 3.2): the pair that turns `turns` times within the context it was trained for.
float pair_that_turns(int head_size, int context, float turns, float base) {
    return static_cast<float>(head_size) * std::log(static_cast<float>(context) / (turns * 2.0f * float(M_PI))) /
           (2.0f * std::log(base));
}

} // namespace

std::vector<float> rope_turns(const Hyper& h, const Rope& rope, const float* factors, int positions) {
    const int pairs = h.head_size / 2;
    const float step = std::pow(rope.base, -2.0f / static_cast<float>(h.head_size));
    // 32 and 1 turns, as the graph says it (context-graph.cpp).
    const float low =
        std::max(0.0f, std::floor(pair_that_turns(h.head_size, h.rope_original_context, 32.0f, rope.base)));
    const float high = std::min(static_cast<float>(h.head_size - 1),
                                std::ceil(pair_that_turns(h.head_size, h.rope_original_context, 1.0f, rope.base)));
    const float length = rope.stretch();
    std::vector<float> turns(static_cast<size_t>(positions) * pairs * 2);
    float* to = turns.data();
    for (int position = 0; position < positions; ++position) {
        float angle = static_cast<float>(position);
        for (int pair = 0; pair < pairs; ++pair, angle *= step) {
            const float own = angle / (factors ? factors[pair] : 1.0f);
            float turned = rope.scale * own;
            if (rope.yarn != 0) {
                const float along = (static_cast<float>(pair) - low) / std::max(0.001f, high - low);
                const float mix = (1.0f - std::min(1.0f, std::max(0.0f, along))) * rope.yarn;
                turned = turned * (1.0f - mix) + own * mix;
            }
            *to++ = std::cos(turned) * length;
            *to++ = std::sin(turned) * length;
        }
    }
    return turns;
}

} // namespace longread
