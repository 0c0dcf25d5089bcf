// A model's weights as our own kernels take them: matrices in half precision, vectors in F32, whatever format they
// have.
#pragma once
#include "cuda/interface.h"
#include "engine/model.h"
#include <initializer_list>

namespace longread {

// Tensors one after the other, [out][in]; empty where there are none. Rows are split among threads.
std::vector<uint16_t> halves_of(std::initializer_list<const ggml_tensor*> parts, int threads);
std::vector<float> floats_of(std::initializer_list<const ggml_tensor*> parts);

// What comes before the first layer: turns of so many positions (rope-turns.h), and the embedding.
struct HalfStart {
    HalfStart(const Model& model, int positions);

    std::vector<float> rope_factors, turns;
    std::vector<uint16_t> embedding;
};

// A layer's, and what the C interface is told of them.
struct HalfLayer {
    HalfLayer(const Layer& from, int threads);
    LongreadLayer view() const;

    std::vector<uint16_t> qkv, output, gate_up, down;
    std::vector<float> attention_norm, feed_norm, qkv_bias, query_norm, key_norm;
};

} // namespace longread
