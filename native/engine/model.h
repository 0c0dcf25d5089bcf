// A model in memory: hyperparameters and weights of a GGUF file, checked before they are used.
#pragma once
#include "engine/arena.h"
#include "engine/hyper.h"
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace longread {

// Weights of one layer, [in, out] as ggml writes it; null where the architecture has none.
struct Layer {
    ggml_tensor *attn_norm, *wq, *wk, *wv, *wo, *bq, *bk, *bv, *bo, *q_norm, *k_norm, *attn_post_norm;
    ggml_tensor *ffn_norm, *gate, *up, *down, *gate_bias, *up_bias, *down_bias, *ffn_post_norm;
};

// In what format matrices are kept: the file's own, one of two, or what is quickest where they lie (kept_type() in
// model.cpp).
enum class WeightFormat { file, fast, q8_0, f16 };

struct LoadOptions {
    std::string path;
    WeightFormat weights = WeightFormat::fast;
    bool eight = false; // our own CUDA kernels multiply 8-bit numbers
    int threads = 0;
    ggml_backend_dev_t gpu = nullptr; // null: the CPU alone
    // Layers on the GPU, the first ones, since reading stops early; one more than the model has: the output, too. -1:
    // as many as its free memory holds.
    int gpu_layers = -1;
};

class Model {
  public:
    // Throws Error("bad-model" | "bad-architecture" | "cancelled"). `progress` gets a fraction 0..1.
    static std::unique_ptr<Model> load(const LoadOptions& options, const Cancel& cancel,
                                       const std::function<void(double)>& progress);

    Hyper hyper;
    std::vector<Layer> layers;
    ggml_tensor* token_embedding = nullptr; // [embedding, vocabulary]
    ggml_tensor* output_norm = nullptr;
    ggml_tensor* output = nullptr;       // [embedding, vocabulary]; the embedding again where it is tied
    ggml_tensor* output_bias = nullptr;  // [vocabulary]
    ggml_tensor* rope_factors = nullptr; // [head size / 2], by which Llama 3.1 and later divide angles
    size_t weight_bytes = 0;
    int gpu_layers = 0;        // the first of them lie on the GPU; one more than there are: embeddings and output, too
    std::string weight_format; // of the first layer's feed-forward weights
    bool eight = false;        // as LoadOptions
    double load_seconds = 0;
    // Held for the length of each computation: one at a time.
    std::mutex lock;
    std::unique_ptr<Backend> backend;

    bool on_gpu(int layer) const { return layer < gpu_layers; }

  private:
    std::unique_ptr<Arena> weights_;
};

} // namespace longread
