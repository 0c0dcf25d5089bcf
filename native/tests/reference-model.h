// The whole reading of episodes by the references of the CUDA kernels: the same steps over the same arrays as the
// reader on a GPU (cuda/reader.cu), every number F32.
#pragma once
#include "cuda/episodes.h"
#include "engine/segments.h"
#include <cstring>

namespace longread {

class ReferenceModel {
  public:
    explicit ReferenceModel(Model& model);
    // Segments of the episodes, all read as one batch, statistics and all.
    std::vector<std::shared_ptr<Segment>> read(const RecallHeads& heads, const std::vector<EpisodeOptions>& episodes);

  private:
    struct Weights {
        std::vector<float> attention_norm, qkv, bias, query_norm, key_norm, output, feed_norm, gate_up, down;
    };
    Model& model_;
    std::vector<float> embedding_;
    std::vector<Weights> layers_;
};

} // namespace longread
