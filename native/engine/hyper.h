// Hyperparameters of a model, read from a GGUF file and checked. Architectures differ only in the fields of Hyper and
// in which of a layer's optional tensors are there; the graph (context.cpp) reads both.
#pragma once
#include "engine/gguf-file.h"
#include <string>
#include <vector>

namespace longread {

// How positions turn queries and keys. Trained contexts are stretched by `scale` (1 / factor): linearly, or by YaRN
// (arXiv 2309.00071), which leaves quick dimensions alone and makes the vectors longer.
struct Rope {
    float base = 10000.0f;
    float scale = 1.0f;
    float yarn = 0.0f;   // ggml's ext_factor: 1 with YaRN
    float length = 1.0f; // ggml's attn_factor, before what YaRN adds by itself

    // How much longer a rotated vector is than before. ggml's rope_yarn() multiplies by both.
    float stretch() const;
};

struct Hyper {
    std::string architecture, name;
    int layers = 0, heads = 0, key_heads = 0, head_size = 0, embedding = 0, feed_forward = 0, vocabulary = 0;
    int trained_context = 0;
    bool rope_neox = false;        // pairs half a head apart instead of neighbours
    int rope_original_context = 0; // before it was stretched
    Rope rope, rope_sliding;       // of layers that see everything, and of those that slide (gemma3)
    float norm_epsilon = 1e-5f;
    float embedding_scale = 1.0f;
    float attention_scale = 0.0f;     // on q·k
    bool scale_queries = false;       // applied to the queries, as gemma3 does, rather than to the products
    bool gelu = false;                // else SiLU
    bool query_key_norms = false;     // norms of each head's query and key
    bool post_norms = false;          // norms after attention and after the feed-forward part
    float final_softcap = 0.0f;       // 0: none
    int sliding_window = 0;           // tokens that sliding layers see, the token itself among them; 0: none slides
    std::vector<bool> sliding_layers; // by layer; empty where none slides

    bool sliding(int layer) const { return !sliding_layers.empty() && sliding_layers[static_cast<size_t>(layer)]; }
    const Rope& rope_of(int layer) const { return sliding(layer) ? rope_sliding : rope; }

    // Throws Error("bad-architecture") for one that is not known, by its name, and Error("bad-model") for sizes that
    // do not fit together. The vocabulary is left to the tensors.
    static Hyper read(const GgufFile& file, const std::string& path);
};

} // namespace longread
