// Segments of episodes that are being read: made empty, with the bounds of their units, and what the bank says of them
// once their keys are there. Whoever reads (reader.cpp, a GPU) fills in the keys.
#pragma once
#include "memory/store.h"

namespace longread {

struct EpisodeOptions {
    std::vector<int32_t> tokens;
    // Start and end token of each unit, end exclusive, ascending, not overlapping.
    std::vector<std::pair<uint32_t, uint32_t>> units;
    int window = 0, sinks = 0;
    KeyFormat format = KeyFormat::q8;
    // Bank statistics are taken only with a bank; without one they stay zero.
    const BankRows* bank = nullptr;
};

struct UnfilledSegment {
    std::shared_ptr<Segment> segment;
    std::vector<uint32_t> tokens; // which token of the episode each remembered token is
};

// Throws Error("usage") for units that do not follow one another.
UnfilledSegment unfilled_segment(const Hyper& hyper, const RecallHeads& heads, const EpisodeOptions& options);

// Fills in mean and deviation over the reference questions of each unit's mean mass, for every head.
void take_bank_statistics(Segment& segment, const RecallHeads& heads, const BankRows& bank, int threads);

} // namespace longread
