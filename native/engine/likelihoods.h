// How likely a text is right after each of several others: what reading a unit again says about a question. What was
// read of the texts before is kept, so that the next question after the same texts costs only its own tokens.
#pragma once
#include "engine/context.h"
#include <functional>
#include <list>

namespace longread {

// Texts that were read before questions, as the keys and values of all their tokens but the last one, whose logits the
// question's first token needs. Those used longest ago go when there are more than `limit` bytes, or than `most`.
class ReadPrefixes {
  public:
    // What two questions read again at most: of a small model many more would fit, most of them of code since changed.
    static constexpr size_t most = 64;
    // 29 units of 190 tokens of SmolLM2-135M (23 KB a token): about what two questions read again.
    static constexpr size_t default_limit = 128u << 20;

    struct Kept {
        std::vector<int32_t> tokens;
        std::vector<char> rows; // Context::save
        // The last text that was read after it, and what came of it.
        std::vector<int32_t> target;
        float likelihood = 0;
    };

    // Null when it is not kept. What is found counts as used; the pointer is good until the next put.
    Kept* find(const std::vector<int32_t>& tokens);
    void put(Kept&& kept);
    void limit(size_t bytes);

  private:
    static size_t size_of(const Kept& kept) { return kept.rows.size() + kept.tokens.size() * sizeof(int32_t); }
    void shrink_to(size_t bytes, size_t count = most);
    std::list<Kept> kept_; // used last first; a few dozen, so that looking through them costs nothing
    size_t limit_ = default_limit, bytes_ = 0;
};

// Mean log-likelihood (nats a token) of `target` right after each prefix; NaN for prefixes not reached before `seconds`
// passed. The first prefix is always read. `progress` gets how many are done.
// Throws Error("cancelled" | "usage" | "internal").
std::vector<float> read_likelihoods(Model& model, ReadPrefixes& kept, const std::vector<std::vector<int32_t>>& prefixes,
                                    const std::vector<int32_t>& target, double seconds, const Cancel& cancel,
                                    const std::function<void(int)>& progress);

} // namespace longread
