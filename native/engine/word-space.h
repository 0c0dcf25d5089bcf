// The model's own sense of which words are near: its token embeddings, less what all tokens have in common. The mean
// and the few directions of largest variance say how frequent a token is rather than what it means, and drown
// everything else (all-but-the-top, Mu and Viswanath 2018, arXiv 1702.01417).
#pragma once
#include "engine/model.h"

namespace longread {

class WordSpace {
  public:
    // Finds what the embeddings have in common, from an even sample of the vocabulary; about 0.2 s for the default
    // model.
    explicit WordSpace(const Model& model);

    // Vectors of length 1, [word][embedding]: of each word the mean over its tokens; zeros for a word without any.
    // `tokens` holds the words' tokens one after the other, `counts` how many each has. Throws Error("usage").
    std::vector<float> vectors(const std::vector<int32_t>& tokens, const std::vector<uint32_t>& counts) const;

  private:
    // Adds the embedding of a token to `sum`, [embedding].
    void add(int32_t token, std::vector<float>& sum) const;
    void take_common(std::vector<float>& vector) const;

    const Model& model_;
    std::vector<float> mean_;       // [embedding]
    std::vector<float> directions_; // [common][embedding], orthonormal
};

} // namespace longread
