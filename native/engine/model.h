// A model in memory: hyperparameters and weights of a GGUF file, checked before they are used. Architectures differ
// only in the fields of Hyper and in which of a layer's optional tensors are there; graph.cpp reads both.
#pragma once
#include "engine/backend.h"
#include <functional>
#include <mutex>
#include <string>
#include <vector>

struct gguf_context;

namespace longread {

struct Hyper {
    std::string architecture, name;
    int layers = 0, heads = 0, key_heads = 0, head_size = 0, embedding = 0, feed_forward = 0, vocabulary = 0;
    int trained_context = 0;
    int rope_dims = 0;
    bool rope_neox = false;       // pairs half a head apart instead of neighbours
    float rope_base = 10000.0f;   // of layers that see everything
    float rope_base_local = 0.0f; // of sliding layers (gemma3)
    float rope_scale = 1.0f;      // 1 / factor of linear scaling
    float norm_epsilon = 1e-5f;
    float embedding_scale = 1.0f;
    float attention_scale = 0.0f; // on q·k
    bool scale_queries = false;   // applied to the queries, as gemma3 does, rather than to the products
    bool gelu = false;            // else SiLU
    float final_softcap = 0.0f;   // 0: none
    int sliding_window = 0;       // 0: none
    int sliding_pattern = 0;      // every n-th layer sees everything, the others `sliding_window`

    bool sliding(int layer) const { return sliding_window > 0 && (layer + 1) % sliding_pattern != 0; }
};

// Weights of one layer, [in, out] as ggml writes it; null where the architecture has none.
struct Layer {
    ggml_tensor *attn_norm, *wq, *wk, *wv, *wo, *bq, *bk, *bv, *q_norm, *k_norm, *attn_post_norm;
    ggml_tensor *ffn_norm, *gate, *up, *down, *ffn_post_norm;
};

struct LoadOptions {
    std::string path;
    bool transcode = true; // to Q8_0 (see transcode() in model.cpp); false keeps the file's formats
    int threads = 0;
};

class Model {
  public:
    // Throws Error("bad-model" | "bad-architecture" | "cancelled"). `progress` gets a fraction 0..1.
    static std::unique_ptr<Model> load(const LoadOptions& options, const Cancel& cancel,
                                       const std::function<void(double)>& progress);
    ~Model();

    Hyper hyper;
    std::vector<Layer> layers;
    ggml_tensor* token_embedding = nullptr; // [embedding, vocabulary]
    ggml_tensor* output_norm = nullptr;
    ggml_tensor* output = nullptr; // [embedding, vocabulary]; the embedding again where it is tied
    ggml_tensor* rope_factors = nullptr;
    size_t weight_bytes = 0;
    std::string weight_format; // of the first layer's feed-forward weights
    double load_seconds = 0;
    // Held for the length of each computation: one at a time.
    std::mutex lock;
    std::unique_ptr<Backend> backend;

  private:
    ggml_context* tensors_ = nullptr;
    ggml_backend_buffer_t buffer_ = nullptr;
};

} // namespace longread
