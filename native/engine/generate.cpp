#include "engine/generate.h"
#include "engine/sampler.h"
#include <algorithm>

namespace longread {

bool generate(Model& model, const Tokenizer& tokenizer, const GenerateOptions& options, const Cancel& cancel,
              const std::function<void(int)>& on_prefill, const std::function<void(GeneratedToken&&)>& on_token) {
    const int prompt = static_cast<int>(options.tokens.size());
    if (prompt == 0)
        throw Error("usage", "There is nothing to answer.");
    ContextOptions context_options;
    context_options.capacity = prompt + options.sampling.max_tokens;
    Context context(model, context_options);
    Sampler sampler(options.sampling);

    Wanted wanted;
    for (const auto& [layer, head] : options.watch_heads)
        if (std::find(wanted.watch.begin(), wanted.watch.end(), layer) == wanted.watch.end())
            wanted.watch.push_back(layer);
    const std::vector<int> watch = wanted.watch;
    // Then nothing else of the logits is needed where tokens are taken.
    wanted.best = options.sampling.temperature <= 0;

    Captured captured;
    for (int first = 0; first < prompt; first += context.batch()) {
        const int count = std::min(context.batch(), prompt - first);
        const bool last = first + count == prompt;
        wanted.watch = last ? watch : std::vector<int>();
        wanted.rows = last ? std::vector<int32_t>{count - 1} : std::vector<int32_t>();
        context.read(options.tokens.data() + first, count, wanted, cancel, captured);
        on_prefill(first + count);
    }
    wanted.watch = watch;
    wanted.rows = {0};
    for (int made = 0; made < options.sampling.max_tokens; ++made) {
        const int32_t token = wanted.best ? captured.best[0] : sampler.next(captured.logits);
        if (token < 0 || token >= model.hyper.vocabulary) // none is the likeliest of what is no number
            throw Error("internal", "The model computes no numbers for this prompt.");
        if (tokenizer.ends_generation(token))
            return true;
        GeneratedToken generated;
        generated.token = token;
        generated.piece = tokenizer.piece(token);
        // What predicted this token looked at the prompt just now: the attention of the position before it.
        for (const auto& [layer, head] : options.watch_heads) {
            const size_t at = static_cast<size_t>(std::find(watch.begin(), watch.end(), layer) - watch.begin());
            const std::vector<float>& shares = captured.attention[at];
            const size_t slots = shares.size() / static_cast<size_t>(model.hyper.heads);
            for (const auto& [begin, end] : options.watch) {
                float sum = 0;
                for (uint32_t s = begin; s < end && s < slots; ++s)
                    sum += shares[static_cast<size_t>(head) * slots + s];
                generated.attention.push_back(sum);
            }
        }
        on_token(std::move(generated));
        if (made + 1 < options.sampling.max_tokens)
            context.read(&token, 1, wanted, cancel, captured);
    }
    return false;
}

} // namespace longread
