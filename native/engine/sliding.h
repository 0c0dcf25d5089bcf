// Where the window of an episode slides. One rule for every device, since a sink is rotated by how far the window has
// moved: keys read on a GPU must stand in for those read on the processor.
#pragma once
#include <algorithm>

namespace longread {

// Tokens of an episode computed at once: enough rows that weights are fetched from memory seldom, few enough that
// cancelling is quick. Between two batches the window may slide.
constexpr int batch_tokens = 512;

// llama.cpp gives its graphs a cache length in whole blocks of 256 slots, the rest masked; ours too, so that flash
// attention tiles the same way and the logits stay equal bit by bit.
constexpr int slot_block = 256;

inline int whole_blocks(int slots) { return (slots + slot_block - 1) / slot_block * slot_block; }

// Slots of the cache with which an episode of `tokens` tokens is read.
inline int episode_slots(int tokens, int window, int sinks) {
    return whole_blocks(std::min(tokens, sinks + window + batch_tokens));
}

// Tokens of the window that stay when a full cache slides, beside the sinks: what the next token can see.
inline int kept_by_slide(int used, int window, int sinks) { return std::min(used - sinks, window - 1); }

} // namespace longread
