// Our own generation with a device beside the processor, for tests without a GPU: the processor once more, as ggml
// offers it. What a GPU is given and gives takes the same way, only that copies are no slower.
#include "addon/task.h"
#include "addon/values.h"
#include "engine/generate.h"
#include "engine/warm-up.h"
#include "tests/oracle.h"
#include <thread>

namespace longread {

Napi::Value generate_beside(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        const Napi::Object request = call[0].As<Napi::Object>();
        LoadOptions load;
        load.path = text(field(request, "path"), "path");
        load.weights = WeightFormat::file;
        load.threads = static_cast<int>(number(request, "threads"));
        load.gpu_layers = static_cast<int>(number(request, "layers"));
        const std::string libraries = text(field(request, "libraries"), "libraries");
        GenerateOptions options;
        options.tokens = tokens_of(field(request, "tokens"), "tokens");
        options.sampling = sampling_of(request);
        options.watch = spans_of(field(request, "watch"), "watch");
        options.watch_heads = heads_of(field(request, "watchHeads"));
        struct Made {
            std::vector<int32_t> tokens;
            std::vector<float> attention;
            int warm = 0;
        };
        using MakeTask = Task<Made, int>;
        return MakeTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const MakeTask::Report&) {
                load_backends(libraries);
                LoadOptions beside = load;
                beside.gpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
                Cancel cancel;
                const auto model = Model::load(beside, cancel, [](double) {});
                // Else ggml takes more than there are, which wait for one another; and attention is summed as threads
                // share it.
                auto set_threads = reinterpret_cast<void (*)(ggml_backend_t, int)>(ggml_backend_reg_get_proc_address(
                    ggml_backend_dev_backend_reg(beside.gpu), "ggml_backend_set_n_threads"));
                set_threads(model->backend->gpu(), load.threads);
                const auto other = backend_beside(*model);
                if (other)
                    set_threads(other->gpu(), load.threads);
                const Tokenizer tokenizer(load.path);
                Made made;
                // Beside it, as reading does.
                std::thread warming([&] {
                    if (other)
                        warm_up(*model, *other, {1}, cancel, [&](int) { ++made.warm; });
                });
                longread::generate(
                    *model, tokenizer, options, cancel, [](int) {},
                    [&](GeneratedToken&& token) {
                        made.tokens.push_back(token.token);
                        made.attention.insert(made.attention.end(), token.attention.begin(), token.attention.end());
                    });
                warming.join();
                return made;
            },
            [](Napi::Env env, Made& made) {
                Napi::Object result = Napi::Object::New(env);
                Napi::Int32Array tokens = Napi::Int32Array::New(env, made.tokens.size());
                std::copy(made.tokens.begin(), made.tokens.end(), tokens.Data());
                result.Set("tokens", tokens);
                result.Set("warm", made.warm);
                result.Set("attention", floats_to(env, made.attention));
                return result;
            },
            nullptr);
    });
}

} // namespace longread
