#include "engine/model.h"
#include "engine/layer-split.h"
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

namespace longread {
namespace {

// Rows are split among threads; `from` holds rows of `type`, `to` receives those of `kept`.
void transcode_rows(ggml_type type, const char* from, ggml_type kept, char* to, int64_t columns, int64_t rows,
                    int threads) {
    const ggml_to_float_t to_float = ggml_get_type_traits(type)->to_float;
    const size_t from_row = ggml_row_size(type, columns), to_row = ggml_row_size(kept, columns);
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t) {
        workers.emplace_back([=] {
            std::vector<float> row(static_cast<size_t>(columns));
            for (int64_t r = rows * t / threads; r < rows * (t + 1) / threads; ++r) {
                if (type == GGML_TYPE_F32)
                    std::memcpy(row.data(), from + r * from_row, from_row);
                else
                    to_float(from + r * from_row, row.data(), columns);
                ggml_quantize_chunk(kept, row.data(), to + r * to_row, 0, 1, columns, nullptr);
            }
        });
    }
    for (std::thread& worker : workers)
        worker.join();
}

} // namespace

std::unique_ptr<Model> Model::load(const LoadOptions& options, const Cancel& cancel,
                                   const std::function<void(double)>& progress) {
    const auto started = std::chrono::steady_clock::now();
    GgufFile file(options.path);
    auto model = std::make_unique<Model>();
    model->hyper = Hyper::read(file, options.path);
    Hyper& h = model->hyper;
    model->backend = std::make_unique<Backend>(options.threads, options.gpu);
    if (options.gpu)
        model->gpu_layers =
            options.gpu_layers < 0
                ? layers_that_fit(h, file, options.weights, model->backend->free_memory(), model->backend->batch())
                : std::min(options.gpu_layers, h.layers + 1);

    model->eight = options.eight;
    model->weights_ = std::make_unique<Arena>(*model->backend, static_cast<size_t>(h.layers) * 24 + 8);
    bool gpu = model->on_gpu(h.layers);                       // where what is declared next lies
    std::vector<std::pair<ggml_tensor*, ggml_tensor*>> pairs; // ours, the file's
    auto want = [&](const std::string& name, int64_t columns, int64_t rows, bool required) -> ggml_tensor* {
        ggml_tensor* theirs = file.find(name);
        if (!theirs) {
            if (required)
                file.bad("the tensor " + name + " is missing");
            return nullptr;
        }
        if (theirs->ne[0] != columns || theirs->ne[1] != rows || theirs->ne[2] != 1 || theirs->ne[3] != 1)
            file.bad("the tensor " + name + " has the wrong shape");
        if (rows == 1 && theirs->type != GGML_TYPE_F32)
            file.bad("the tensor " + name + " should hold 32-bit numbers");
        if (theirs->type != GGML_TYPE_F32 && !ggml_get_type_traits(theirs->type)->to_float)
            file.bad("the tensor " + name + " has a format that cannot be read");
        ggml_tensor* ours =
            ggml_new_tensor_2d(model->weights_->on(gpu), kept_type(theirs, options.weights, gpu), columns, rows);
        ggml_set_name(ours, name.c_str());
        pairs.emplace_back(ours, theirs);
        return ours;
    };

    ggml_tensor* embedding = file.find("token_embd.weight");
    if (!embedding)
        file.bad("the tensor token_embd.weight is missing");
    h.vocabulary = static_cast<int>(embedding->ne[1]);
    const int64_t query_width = static_cast<int64_t>(h.heads) * h.head_size;
    const int64_t key_width = static_cast<int64_t>(h.key_heads) * h.head_size;
    model->token_embedding = want("token_embd.weight", h.embedding, h.vocabulary, true);
    model->output_norm = want("output_norm.weight", h.embedding, 1, true);
    model->output = want("output.weight", h.embedding, h.vocabulary, false);
    if (!model->output)
        model->output = model->token_embedding;
    const bool llama = h.architecture == "llama", qwen2 = h.architecture == "qwen2";
    if (qwen2)
        model->output_bias = want("output.bias", h.vocabulary, 1, false);
    if (llama)
        model->rope_factors = want("rope_freqs.weight", h.head_size / 2, 1, false);
    for (int i = 0; i < h.layers; ++i) {
        gpu = model->on_gpu(i);
        const std::string b = "blk." + std::to_string(i) + ".";
        Layer l{};
        l.attn_norm = want(b + "attn_norm.weight", h.embedding, 1, true);
        l.wq = want(b + "attn_q.weight", h.embedding, query_width, true);
        l.wk = want(b + "attn_k.weight", h.embedding, key_width, true);
        l.wv = want(b + "attn_v.weight", h.embedding, key_width, true);
        l.wo = want(b + "attn_output.weight", query_width, h.embedding, true);
        l.bq = want(b + "attn_q.bias", query_width, 1, qwen2);
        l.bk = want(b + "attn_k.bias", key_width, 1, qwen2);
        l.bv = want(b + "attn_v.bias", key_width, 1, qwen2);
        if (llama) {
            l.bo = want(b + "attn_output.bias", h.embedding, 1, false);
            l.gate_bias = want(b + "ffn_gate.bias", h.feed_forward, 1, false);
            l.up_bias = want(b + "ffn_up.bias", h.feed_forward, 1, false);
            l.down_bias = want(b + "ffn_down.bias", h.embedding, 1, false);
        }
        if (h.query_key_norms) {
            l.q_norm = want(b + "attn_q_norm.weight", h.head_size, 1, true);
            l.k_norm = want(b + "attn_k_norm.weight", h.head_size, 1, true);
        }
        l.ffn_norm = want(b + "ffn_norm.weight", h.embedding, 1, true);
        l.gate = want(b + "ffn_gate.weight", h.embedding, h.feed_forward, true);
        l.up = want(b + "ffn_up.weight", h.embedding, h.feed_forward, true);
        l.down = want(b + "ffn_down.weight", h.feed_forward, h.embedding, true);
        if (h.post_norms) {
            l.attn_post_norm = want(b + "post_attention_norm.weight", h.embedding, 1, true);
            l.ffn_post_norm = want(b + "post_ffw_norm.weight", h.embedding, 1, true);
        }
        model->layers.push_back(l);
    }
    if (pairs.size() < file.tensors())
        file.bad("it holds tensors that are no part of a model of architecture " + h.architecture);
    model->weight_format = ggml_type_name(model->layers[0].up->type);

    if (!model->weights_->allocate(GGML_BACKEND_BUFFER_USAGE_WEIGHTS))
        throw Error("bad-model", "There is not enough memory for the weights of " + options.path + ".");
    model->weight_bytes = model->weights_->bytes();

    std::vector<char> raw, packed;
    size_t done = 0;
    for (auto& [ours, theirs] : pairs) {
        cancel.check();
        raw.resize(ggml_nbytes(theirs));
        file.read(theirs, raw.data());
        const char* bytes = raw.data();
        if (ours->type != theirs->type) {
            packed.resize(ggml_nbytes(ours));
            transcode_rows(theirs->type, raw.data(), ours->type, packed.data(), ours->ne[0], ours->ne[1],
                           model->backend->threads());
            bytes = packed.data();
        }
        ggml_backend_tensor_set(ours, bytes, 0, ggml_nbytes(ours));
        done += ggml_nbytes(ours);
        progress(static_cast<double>(done) / static_cast<double>(model->weight_bytes));
    }
    model->load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return model;
}

} // namespace longread
