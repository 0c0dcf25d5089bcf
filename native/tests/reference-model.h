// A model of the engine read by the references of the CUDA kernels.
#pragma once
#include "engine/segments.h"
#include "tests/reference-reading.h"

namespace longread {

class ReferenceModel {
  public:
    ReferenceModel(Model& model, int positions);
    // Segments of the episodes, all read as one batch, statistics and all.
    std::vector<std::shared_ptr<Segment>> read(const RecallHeads& heads, const std::vector<EpisodeOptions>& episodes);

  private:
    Model& model_;
    gpu::ReferenceWeights weights_;
};

} // namespace longread
