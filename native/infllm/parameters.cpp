#include "infllm/parameters.h"

namespace longread {

void InfLlmParameters::check(const Hyper& hyper) const {
    auto must = [](bool holds, const std::string& what) {
        if (!holds)
            throw Error("usage", what);
    };
    // Numbers that stay far from overflowing when they are multiplied.
    auto between = [&](const char* name, int value, int least, int most) {
        must(value >= least && value <= most, std::string(name) + " must be from " + std::to_string(least) + " to " +
                                                  std::to_string(most) + ", not " + std::to_string(value) + ".");
    };
    constexpr int most = 1 << 20;
    between("n_init", n_init, 0, most);
    between("n_local", n_local, 1, most);
    between("block_size", block_size, 1, 1 << 14);
    between("topk", topk, 0, 1 << 14);
    between("repr_topk", repr_topk, 1, block_size);
    between("exc_block_size", exc_block_size, 1, n_local); // nothing of an execution block leaves its own window
    between("max_cached_block", max_cached_block, topk, most);
    between("distance", distance, 0, most);
    between("max_repr_megabytes", max_repr_megabytes, 0, most_megabytes);
    if (format == UnitFormat::q8_0)
        must(hyper.key_heads * hyper.head_size % 32 == 0, "This model's keys cannot be kept in 8 bit.");
    const long long farthest = places == Places::ordered
                                   ? static_cast<long long>(n_init) + static_cast<long long>(topk) * block_size +
                                         n_local + (topk > 0 ? block_size : 0) + exc_block_size
                                   : static_cast<long long>(std::max(n_local, far()));
    must(farthest <= hyper.trained_context, "The window and what is looked up would reach " + std::to_string(farthest) +
                                                " tokens back; the model was trained for " +
                                                std::to_string(hyper.trained_context) + ".");
}

} // namespace longread
