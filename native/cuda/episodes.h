// Lays out episodes that are read together for the GPU: all their tokens in one list without padding, the tiles of
// queries that attention computes, where windows slide, and how the keys that stay are packed. Plain arithmetic on the
// processor.
#pragma once
#include "cuda/interface.h"
#include <cstddef>
#include <vector>

namespace longread::gpu {

struct EpisodeView {
    const int32_t* tokens = nullptr;
    int32_t count = 0;
    const uint32_t* kept = nullptr; // tokens that are remembered, ascending
    uint32_t kept_count = 0;
    const uint32_t* unit_starts = nullptr; // among the remembered: [units + 1]
    uint32_t units = 0;
};

struct EpisodeRule {
    int32_t window = 0, sinks = 0;
    int32_t format = LONGREAD_KEYS_Q8;
    int32_t head_size = 0, key_slots = 0;
};

// Bytes of one key head's keys (memory/keys.h), and from one to the next.
size_t packed_bytes(int32_t format, int32_t head_size, uint32_t tokens);
size_t packed_stride(int32_t format, int32_t head_size, uint32_t tokens);

class EpisodeBatch {
  public:
    // `count` episodes, each of at least one token.
    EpisodeBatch(const EpisodeView* episodes, size_t count, const EpisodeRule& rule);

    // Valid while the batch is.
    LongreadBatch view() const;
    // Where an episode's keys and its first unit begin.
    size_t keys_of(size_t episode) const { return key_offsets_[episode]; }
    size_t first_unit_of(size_t episode) const { return first_units_[episode]; }

  private:
    void add(const EpisodeView& episode, const EpisodeRule& rule);
    void add_tiles(int32_t base, int32_t count, const EpisodeRule& rule);

    std::vector<int32_t> tokens_, positions_, kept_rows_;
    std::vector<LongreadTile> tiles_;
    std::vector<LongreadShift> shifts_;
    std::vector<LongreadGroup> groups_;
    std::vector<LongreadUnit> units_;
    std::vector<size_t> key_offsets_, first_units_;
    size_t key_bytes_ = 0;
};

} // namespace longread::gpu
