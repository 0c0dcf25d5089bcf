#include "engine/likelihoods.h"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace longread {
namespace {

// Nats of one token under a row of logits.
double log_probability(const float* row, size_t vocabulary, int32_t token) {
    const float peak = *std::max_element(row, row + vocabulary);
    double total = 0;
    for (size_t v = 0; v < vocabulary; ++v)
        total += std::exp(row[v] - peak);
    return row[token] - peak - std::log(total);
}

// Reads what the context lacks of prefix and target, of which it holds the first `held` tokens, and gives the target's
// mean. Each token of the target is predicted by the one before it, so nothing is read of its last one.
float read_target(Context& context, const std::vector<int32_t>& prefix, const std::vector<int32_t>& target, int held,
                  size_t vocabulary, const Cancel& cancel) {
    std::vector<int32_t> tokens = prefix;
    tokens.insert(tokens.end(), target.begin(), target.end() - 1);
    const int predicting = static_cast<int>(prefix.size()) - 1;
    double sum = 0;
    size_t predicted = 0;
    Captured captured;
    for (int first = held; first < static_cast<int>(tokens.size()); first += context.batch()) {
        const int count = std::min(context.batch(), static_cast<int>(tokens.size()) - first);
        Wanted wanted;
        for (int row = std::max(first, predicting); row < first + count; ++row)
            wanted.rows.push_back(row - first);
        context.read(tokens.data() + first, count, wanted, cancel, captured);
        for (size_t row = 0; row < wanted.rows.size(); ++row)
            sum += log_probability(captured.logits.data() + row * vocabulary, vocabulary, target[predicted++]);
    }
    return static_cast<float>(sum / static_cast<double>(target.size()));
}

} // namespace

ReadPrefixes::Kept* ReadPrefixes::find(const std::vector<int32_t>& tokens) {
    const auto at = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) { return one.tokens == tokens; });
    if (at == kept_.end())
        return nullptr;
    kept_.splice(kept_.begin(), kept_, at);
    return &kept_.front();
}

void ReadPrefixes::put(Kept&& kept) {
    const size_t size = size_of(kept);
    if (size > limit_)
        return;
    shrink_to(limit_ - size, most - 1);
    bytes_ += size;
    kept_.push_front(std::move(kept));
}

void ReadPrefixes::limit(size_t bytes) {
    limit_ = bytes;
    shrink_to(bytes);
}

void ReadPrefixes::shrink_to(size_t bytes, size_t count) {
    while (bytes_ > bytes || kept_.size() > count) {
        bytes_ -= size_of(kept_.back());
        kept_.pop_back();
    }
}

std::vector<float> read_likelihoods(Model& model, ReadPrefixes& kept, const std::vector<std::vector<int32_t>>& prefixes,
                                    const std::vector<int32_t>& target, double seconds, const Cancel& cancel,
                                    const std::function<void(int)>& progress) {
    const auto started = std::chrono::steady_clock::now();
    std::vector<float> results(prefixes.size(), std::numeric_limits<float>::quiet_NaN());
    size_t longest = 0;
    for (const std::vector<int32_t>& prefix : prefixes) {
        if (prefix.empty() || target.empty())
            throw Error("usage", "A likelihood needs a text before and a text after.");
        longest = std::max(longest, prefix.size());
    }
    ContextOptions options;
    options.capacity = static_cast<int>(longest + target.size());
    Context context(model, options);
    const size_t vocabulary = static_cast<size_t>(model.hyper.vocabulary);
    for (size_t p = 0; p < prefixes.size(); ++p) {
        if (p > 0 && std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count() > seconds)
            break;
        const std::vector<int32_t>& prefix = prefixes[p];
        const int before = static_cast<int>(prefix.size()) - 1;
        if (ReadPrefixes::Kept* known = kept.find(prefix)) {
            if (known->target != target) {
                context.restore(before, known->rows);
                known->likelihood = read_target(context, prefix, target, before, vocabulary, cancel);
                known->target = target;
            }
            results[p] = known->likelihood;
        } else {
            context.reset();
            results[p] = read_target(context, prefix, target, 0, vocabulary, cancel);
            kept.put({prefix, context.save(before), target, results[p]});
        }
        progress(static_cast<int>(p + 1));
    }
    return results;
}

} // namespace longread
