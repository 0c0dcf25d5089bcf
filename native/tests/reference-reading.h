// The whole reading of a batch of episodes by the references of the CUDA kernels: the same steps over the same arrays
// as the reader on a GPU (cuda/reader.cu), every number F32.
#pragma once
#include "cuda/interface.h"
#include <vector>

namespace longread::gpu {

struct ReferenceLayer { // as LongreadLayer; empty where the architecture has none
    std::vector<float> attention_norm, qkv, bias, query_norm, key_norm, output, feed_norm, gate_up, down;
};

struct ReferenceWeights {
    LongreadShape shape;
    std::vector<float> turns, embedding;
    std::vector<ReferenceLayer> layers;
    std::vector<float> output_norm, output, output_bias; // as LongreadOutput
};

struct ReferenceRead {
    std::vector<uint8_t> keys;
    std::vector<float> means, deviations; // [head][unit]
};

ReferenceRead read_by_references(const ReferenceWeights& weights, const LongreadRecall& recall,
                                 const LongreadBatch& batch);

// As longread_cuda_reader_heads.
std::vector<float> heads_by_references(const ReferenceWeights& weights, const LongreadBatch& batch,
                                       const std::vector<int32_t>& layers, int32_t first);
// As longread_cuda_reader_likelihoods.
std::vector<float> likelihoods_by_references(const ReferenceWeights& weights, const LongreadBatch& batch,
                                             const std::vector<int32_t>& rows, const std::vector<int32_t>& wanted);

} // namespace longread::gpu
