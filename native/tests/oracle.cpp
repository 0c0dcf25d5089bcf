// libllama's own computation, for tests and benches to compare with: llama_decode of a prompt.
#include "tests/oracle.h"
#include "addon/task.h"
#include "addon/values.h"
#include "engine/backend.h"
#include <chrono>
#include <llama.h>
#include <memory>

namespace longread {
namespace {

struct Decoded {
    std::vector<float> logits;
    double seconds = 0;
    std::vector<int32_t> generated;
    double generate_seconds = 0;
};

// decode({path, libraries, threads, context, batch, tokens, rows, repack}) -> {logits: [row][vocabulary], seconds}
// With `repack`, libllama rearranges weights of some formats as it does by default, and multiplies them by other
// kernels that round differently; without, by the same kernels as ours. `seconds` is the time of llama_decode over all
// tokens, loading excluded; `rows` may be empty. With `gpu` all layers are on the GPU that findCuda() found, and the
// prompt is read once before it is timed. `generate`: how many tokens to go on for, each the likeliest, into
// `generated` and `generateSeconds`.
Napi::Value decode(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        const Napi::Object request = call[0].As<Napi::Object>();
        const std::string path = text(field(request, "path"), "path");
        const std::string libraries = text(field(request, "libraries"), "libraries");
        const int threads = static_cast<int>(number(request, "threads"));
        const int context_size = static_cast<int>(number(request, "context"));
        const int batch_size = static_cast<int>(number(request, "batch"));
        const bool repack = field(request, "repack").ToBoolean().Value();
        const auto tokens = tokens_of(field(request, "tokens"), "tokens");
        const auto rows = tokens_of(field(request, "rows"), "rows");
        const bool gpu = request.Has("gpu") && request.Get("gpu").ToBoolean().Value();
        const int generate = request.Has("generate") ? static_cast<int>(number(request, "generate")) : 0;
        using DecodeTask = Task<Decoded, int>;
        return DecodeTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const DecodeTask::Report&) {
                load_backends(libraries);
                llama_model_params model_params = llama_model_default_params();
                ggml_backend_dev_t devices[] = {gpu ? ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU) : nullptr,
                                                nullptr};
                if (gpu && !devices[0])
                    throw Error("no-cuda", "No GPU has been found.");
                model_params.devices = devices;
                model_params.n_gpu_layers = gpu ? 999 : 0;
                model_params.use_extra_bufts = repack;
                std::unique_ptr<llama_model, decltype(&llama_model_free)> model(
                    llama_model_load_from_file(path.c_str(), model_params), llama_model_free);
                if (!model)
                    throw Error("bad-model", "libllama cannot load " + path);
                llama_context_params params = llama_context_default_params();
                params.n_ctx = static_cast<uint32_t>(context_size);
                params.n_batch = static_cast<uint32_t>(batch_size);
                params.n_ubatch = static_cast<uint32_t>(batch_size);
                params.n_threads = params.n_threads_batch = threads;
                std::unique_ptr<llama_context, decltype(&llama_free)> context(
                    llama_init_from_model(model.get(), params), llama_free);
                if (!context)
                    throw Error("internal", "libllama cannot make a context");
                Decoded decoded;
                const size_t vocabulary = static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model.get())));
                llama_batch batch = llama_batch_init(batch_size, 0, 1);
                auto read_all = [&](bool keep) {
                    for (int first = 0; first < static_cast<int>(tokens.size()); first += batch_size) {
                        batch.n_tokens = std::min(batch_size, static_cast<int>(tokens.size()) - first);
                        for (int i = 0; i < batch.n_tokens; ++i) {
                            batch.token[i] = tokens[static_cast<size_t>(first + i)];
                            batch.pos[i] = first + i;
                            batch.n_seq_id[i] = 1;
                            batch.seq_id[i][0] = 0;
                            batch.logits[i] = std::find(rows.begin(), rows.end(), first + i) != rows.end();
                        }
                        if (llama_decode(context.get(), batch) != 0)
                            throw Error("internal", "llama_decode failed");
                        for (int i = 0; keep && i < batch.n_tokens; ++i)
                            if (batch.logits[i]) {
                                const float* row = llama_get_logits_ith(context.get(), i);
                                decoded.logits.insert(decoded.logits.end(), row, row + vocabulary);
                            }
                    }
                    llama_synchronize(context.get());
                };
                using Clock = std::chrono::steady_clock;
                auto since = [](Clock::time_point started) {
                    return std::chrono::duration<double>(Clock::now() - started).count();
                };
                if (gpu) {
                    read_all(false);
                    llama_memory_clear(llama_get_memory(context.get()), true);
                }
                auto started = Clock::now();
                read_all(true);
                decoded.seconds = since(started);
                started = Clock::now();
                for (int made = 0; made < generate; ++made) {
                    // Of the last token read, which `rows` must hold.
                    const float* row = llama_get_logits_ith(context.get(), -1);
                    const int32_t next = static_cast<int32_t>(std::max_element(row, row + vocabulary) - row);
                    decoded.generated.push_back(next);
                    // The first token comes from the prompt.
                    if (made == 0)
                        started = Clock::now();
                    if (made + 1 == generate)
                        break;
                    batch.n_tokens = 1;
                    batch.token[0] = next;
                    batch.pos[0] = static_cast<int>(tokens.size()) + made;
                    batch.logits[0] = true;
                    if (llama_decode(context.get(), batch) != 0)
                        throw Error("internal", "llama_decode failed");
                }
                decoded.generate_seconds = since(started);
                llama_batch_free(batch);
                return decoded;
            },
            [](Napi::Env env, Decoded& decoded) {
                Napi::Object result = Napi::Object::New(env);
                result.Set("logits", floats_to(env, decoded.logits));
                result.Set("seconds", decoded.seconds);
                result.Set("generateSeconds", decoded.generate_seconds);
                Napi::Int32Array generated = Napi::Int32Array::New(env, decoded.generated.size());
                std::copy(decoded.generated.begin(), decoded.generated.end(), generated.Data());
                result.Set("generated", generated);
                return result;
            },
            nullptr);
    });
}

} // namespace
} // namespace longread

static Napi::Object initialise(Napi::Env env, Napi::Object exports) {
    exports.Set("generateBeside", Napi::Function::New(env, longread::generate_beside, "generateBeside"));
    exports.Set("layersThatFit", Napi::Function::New(env, longread::fitting_layers, "layersThatFit"));
    exports.Set("floor", Napi::Function::New(env, longread::floor_of_products, "floor"));
    exports.Set("decode", Napi::Function::New(env, longread::decode, "decode"));
    return exports;
}
NODE_API_MODULE(longread_oracle, initialise)
