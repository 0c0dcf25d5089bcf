// Made-up episodes, as the kernels are given them.
#pragma once
#include "cuda/episodes.h"
#include <vector>

namespace longread::gpu {

struct EpisodeLists {
    std::vector<std::vector<int32_t>> tokens;
    std::vector<std::vector<uint32_t>> kept, starts; // of each episode: the tokens that are remembered; its units
    std::vector<EpisodeView> views;

    void begin() {
        tokens.emplace_back();
        kept.emplace_back();
        starts.push_back({0});
    }
    void add(int32_t token, bool remembered) {
        if (remembered)
            kept.back().push_back(static_cast<uint32_t>(tokens.back().size()));
        tokens.back().push_back(token);
    }
    // With what was remembered since the last one; without it there is none.
    void end_unit() {
        const uint32_t end = static_cast<uint32_t>(kept.back().size());
        if (end > starts.back().back())
            starts.back().push_back(end);
    }
    // When all are there: views point into them.
    void show() {
        for (size_t e = 0; e < tokens.size(); ++e)
            views.push_back({tokens[e].data(), static_cast<int32_t>(tokens[e].size()), kept[e].data(),
                             static_cast<uint32_t>(kept[e].size()), starts[e].data(),
                             static_cast<uint32_t>(starts[e].size() - 1)});
    }
};

} // namespace longread::gpu
