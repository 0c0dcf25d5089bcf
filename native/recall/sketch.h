// Keys made small enough to stay in memory when the keys themselves no longer do: of each key the 16 numbers that
// matter most to the dot products with queries, 4 bits each. They say which units are worth scoring exactly.
//
// Of the estimates tried on redux-toolkit (41 questions, 1,251 units, attention and words): how many of the best 32
// units are among the best 5 % by the estimate, and bytes a token: mean key of the unit .79 (10), mean and variance .81
// (20), means of 8 keys .84 (149), every eighth key .76 (144), 8 numbers of 4 bits .84 (68), 24 of 2 bits .94 (102),
// 16 of 4 bits .95 (136), which is this one. Bank means must be those of the estimate: with the exact ones .81.
#pragma once
#include "memory/segment.h"

namespace longread {

struct RecallHeads;

constexpr int sketch_size = 16;

// Reference questions as the recall heads hear them.
struct BankRows {
    // [head][row][head size], scaled as queries are.
    std::vector<float> queries;
    // Rows of each question; they follow one another.
    std::vector<uint32_t> tokens;
    size_t rows() const;
};

// For each key head the linear map from keys to the numbers that are kept, and the one for its queries, made so that
// dot products change least for queries like the bank's and keys like the sample (a truncated decomposition of
// Cq^1/2 Ck Cq^1/2, where C are second moments).
class SketchBasis {
  public:
    // samples: of each key head, [token][head size]; bank must have rows.
    SketchBasis(const RecallHeads& heads, int head_size, const std::vector<std::vector<float>>& samples,
                const BankRows& bank);

    // One key to its numbers, whole from -8 to 7.
    void key(size_t key_head, const float* key, int8_t* to) const;
    // queries: [row][head size] to [row][sketch_size]; products with decoded keys estimate those with keys, but for a
    // constant of the row.
    void queries(size_t key_head, const float* queries, size_t rows, float* to) const;

  private:
    int head_size_;
    struct Maps {
        std::vector<float> keys, offset, queries; // [sketch_size][head_size], [sketch_size], [sketch_size][head_size]
    };
    std::vector<Maps> maps_;
};

// The sketch of one segment.
struct Sketch {
    // Of each key head: groups of 16 tokens, [group][number][8], two tokens a byte.
    std::vector<uint8_t> keys;
    // f32[heads][units]: what the bank's questions give each unit by this estimate, in the mean.
    std::vector<float> bank_means;

    // `segment` must be whole.
    static Sketch of(const Segment& segment, const RecallHeads& heads, const SketchBasis& basis, const BankRows& bank);
    // Estimates for one query head: queries as SketchBasis gives them; out[row * out_stride + unit].
    void masses(const Segment& segment, uint32_t key_head, const float* queries, int rows, float* out,
                size_t out_stride) const;
};

} // namespace longread
