#include "infllm/answering.h"
#include <algorithm>
#include <numeric>

namespace longread {

std::vector<float> read_stream(UnitMemory& memory, const std::vector<int32_t>& tokens, const std::vector<int>& lengths,
                               const std::vector<int32_t>& rows, const Candidates& candidates, UnitTrace* trace,
                               const Cancel& cancel, const std::function<void(int)>& progress) {
    const int total = static_cast<int>(tokens.size()), most = memory.most_tokens();
    if (!lengths.empty()) {
        if (std::accumulate(lengths.begin(), lengths.end(), 0LL) != total)
            throw Error("usage", "The units do not have as many tokens as are read.");
        memory.cut(lengths);
    }
    memory.look_among(candidates);
    std::vector<float> all, logits;
    for (int first = 0; first < total; first += most) {
        const int count = std::min(most, total - first);
        std::vector<int32_t> wanted;
        for (int32_t row : rows)
            if (row >= first && row < first + count)
                wanted.push_back(row - first);
        memory.read(tokens.data() + first, count, wanted, cancel, logits);
        if (!wanted.empty())
            all.insert(all.end(), logits.begin(), logits.end());
        for (int at = 0, block = 0; trace && at < count; at += memory.parameters().exc_block_size, ++block)
            trace->push_back(memory.used_in(block));
        progress(first + count);
    }
    return all;
}

namespace {

// The `most` units that most lists hold, older ones first where as many do, as far as there is room; rising.
std::vector<int> most_chosen(const UnitMemory& memory, const std::vector<UnitLists>& chosen, int most) {
    std::vector<float> votes(static_cast<size_t>(memory.units()));
    std::vector<int> lengths;
    for (int u = 0; u < memory.units(); ++u)
        lengths.push_back(memory.unit_tokens(u));
    for (const UnitLists& layer : chosen)
        for (const std::vector<int>& list : layer)
            for (int unit : list)
                if (unit < memory.units()) // not what the question itself became
                    ++votes[static_cast<size_t>(unit)];
    std::vector<int> best = best_units(votes, lengths, memory.parameters().topk * memory.parameters().block_size, most);
    best.erase(
        std::remove_if(best.begin(), best.end(), [&](int unit) { return votes[static_cast<size_t>(unit)] == 0; }),
        best.end());
    return best;
}

bool answer(UnitMemory& memory, const Tokenizer& tokenizer, const MemoryAnswerOptions& options, const Cancel& cancel,
            const MemoryAnswerListeners& listeners) {
    // What is read now is never looked up by another question, but a long one may become units meanwhile.
    auto read_question = [&] {
        std::vector<int> length;
        if (memory.is_cut())
            length = {static_cast<int>(options.tokens.size())};
        return read_stream(memory, options.tokens, length, {static_cast<int32_t>(options.tokens.size()) - 1}, {},
                           nullptr, cancel, listeners.on_prefill);
    };
    auto use_found = [&] {
        std::vector<UnitLists> found = memory.used_units();
        for (UnitLists& layer : found)
            for (std::vector<int>& list : layer) // not what the question itself became
                list.erase(std::remove_if(list.begin(), list.end(), [&](int unit) { return unit >= memory.units(); }),
                           list.end());
        memory.use(found);
    };
    if (!options.units.empty())
        memory.use({UnitLists{options.units}});
    std::vector<float> logits = read_question();
    if (options.agree > 0 && options.units.empty()) {
        const std::vector<UnitLists> chosen = memory.used_units();
        memory.rewind();
        memory.use({UnitLists{most_chosen(memory, chosen, options.agree)}});
        logits = read_question();
    } else if (options.twice && options.units.empty()) {
        memory.rewind();
        use_found();
        logits = read_question();
        if (options.look_ups == LookUps::each)
            memory.use({});
    }
    listeners.on_units(memory.used_units());
    if (options.look_ups == LookUps::once && options.units.empty() && options.agree == 0)
        use_found();
    Sampler sampler(options.sampling);
    for (int made = 0; made < options.sampling.max_tokens; ++made) {
        const int32_t token = sampler.next(logits);
        if (tokenizer.ends_generation(token))
            return true;
        listeners.on_token({token, tokenizer.piece(token), {}});
        if (made + 1 == options.sampling.max_tokens)
            break;
        if (memory.is_cut())
            memory.cut({1});
        memory.read(&token, 1, {0}, cancel, logits);
    }
    return false;
}

} // namespace

bool answer_from_memory(UnitMemory& memory, const Tokenizer& tokenizer, const MemoryAnswerOptions& options,
                        const Cancel& cancel, const MemoryAnswerListeners& listeners) {
    if (options.tokens.empty())
        throw Error("usage", "There is nothing to answer.");
    memory.mark();
    try {
        const bool stopped = answer(memory, tokenizer, options, cancel, listeners);
        memory.rewind();
        return stopped;
    } catch (...) {
        memory.rewind();
        throw;
    }
}

} // namespace longread
