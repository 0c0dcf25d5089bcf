// The parts of a layer that every way of reading computes alike: norms, projections, rotation, what comes after
// attention. Only how queries meet keys differs (context-graph.cpp, infllm/graph.cpp). The order of operations is
// llama.cpp's, so that numbers are equal to the last bit.
#pragma once
#include "engine/model.h"

namespace longread {

// An output keeps its memory until the graph is done; a view keeps nothing alive, so what it looks at is marked too.
void mark_output(ggml_cgraph* graph, ggml_tensor* tensor);

class LayerGraph {
  public:
    LayerGraph(ggml_context* tensors, const Model& model) : ctx_(tensors), model_(model), hyper_(model.hyper) {}

    // [embedding, tokens] of the tokens' numbers, I32.
    ggml_tensor* embed(ggml_tensor* tokens) const;
    ggml_tensor* norm(ggml_tensor* x, ggml_tensor* weight) const;
    // A linear layer; `bias` may be null.
    ggml_tensor* project(ggml_tensor* weight, ggml_tensor* bias, ggml_tensor* x) const;
    // Queries, keys or values: [head size, heads, tokens] of what was normed, not rotated. `head_norm` may be null.
    ggml_tensor* split_heads(ggml_tensor* weight, ggml_tensor* bias, ggml_tensor* head_norm, ggml_tensor* normed,
                             int heads) const;
    // Rotates [head size, heads, tokens] to positions, I32 by token. `length`: how much longer ggml makes the vectors
    // before what YaRN adds (Rope::length where they were not rotated yet).
    ggml_tensor* rotate(ggml_tensor* x, ggml_tensor* positions, const Rope& rope, float length) const;
    // What heads attended to, [head size * heads, tokens], projected: to be added to the layer's input.
    ggml_tensor* output(const Layer& layer, ggml_tensor* mixed) const;
    // The rest of the layer: `attended` from output() joined to the layer's input `x`, then the feed-forward part.
    ggml_tensor* finish(const Layer& layer, ggml_tensor* attended, ggml_tensor* x) const;
    // [vocabulary, rows] after the last layer.
    ggml_tensor* logits(ggml_tensor* x) const;

  private:
    ggml_context* ctx_;
    const Model& model_;
    const Hyper& hyper_;
};

} // namespace longread
