// From masses to one score a unit, the quick form of extension/recall/attention.ts, which says what the numbers mean.
// The same operations in the same order on the same kinds of numbers, so that scores are equal to the last bit.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace longread {

// [head][token][unit] and [head][unit].
struct MassesView {
    const float *masses, *means, *deviations;
    size_t heads, tokens, units;
};

// How much each token of the question counts, and each head.
struct RankWeights {
    std::vector<float> tokens;
    std::vector<double> heads;
};

// A z-score for each unit.
std::vector<float> attention_scores(const MassesView& view, const RankWeights& weights, int threads);

// Mean and deviation over all units of each [head][token]'s finite masses, pairs.
std::vector<double> token_spreads(const MassesView& view, int threads);

// For each of the chosen units and each token how far above its average the token's mass lies, in deviations, weighted
// like the scores: [chosen][token]. `chosen` are units of the view.
std::vector<float> token_finds(const MassesView& view, const RankWeights& weights, const std::vector<double>& spreads,
                               const std::vector<int32_t>& chosen);

} // namespace longread
