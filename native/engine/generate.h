// Generation: a prompt is read, then tokens are sampled one by one; with each comes how much attention it paid to the
// spans of the prompt that are watched.
#pragma once
#include "engine/context.h"
#include "engine/sampler.h"
#include "engine/tokenizer.h"

namespace longread {

struct GenerateOptions {
    std::vector<int32_t> tokens;
    Sampling sampling;
    std::vector<std::pair<uint32_t, uint32_t>> watch; // spans of the prompt, end exclusive
    std::vector<std::pair<int, int>> watch_heads;     // (layer, head)
};

struct GeneratedToken {
    int32_t token;
    std::string piece;
    std::vector<float> attention; // [watched head][span]: share of the token's attention
};

// Returns true when the model ended its answer itself, false at max_tokens. Throws Error("cancelled" | "too-long").
bool generate(Model& model, const Tokenizer& tokenizer, const GenerateOptions& options, const Cancel& cancel,
              const std::function<void(int done)>& on_prefill, const std::function<void(GeneratedToken&&)>& on_token);

} // namespace longread
