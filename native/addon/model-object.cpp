#include "addon/number-task.h"
#include "addon/objects.h"
#include "addon/values.h"
#include <cmath>

namespace longread {
namespace {

std::vector<std::vector<int32_t>> token_lists(const Napi::Value& value, const char* name) {
    if (!value.IsArray())
        throw Error("usage", std::string(name) + " must be a list.");
    std::vector<std::vector<int32_t>> lists;
    const Napi::Array array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i)
        lists.push_back(tokens_of(array.Get(i), name));
    return lists;
}

Napi::Object device_of(Napi::Env env, const Model& model) {
    Napi::Object device = Napi::Object::New(env);
    ggml_backend_dev_t gpu = model.backend->gpu_device();
    size_t free = 0, total = 0;
    if (gpu)
        ggml_backend_dev_memory(gpu, &free, &total);
    device.Set("kind", gpu ? "cuda" : "cpu");
    device.Set("name", gpu ? ggml_backend_dev_description(gpu) : Backend::variant());
    device.Set("memoryFree", static_cast<double>(free));
    device.Set("memoryTotal", static_cast<double>(total));
    device.Set("layers", std::min(model.gpu_layers, model.hyper.layers));
    device.Set("whole", model.on_gpu(model.hyper.layers));
    return device;
}

} // namespace

Napi::Function ModelObject::define(Napi::Env env) {
    return DefineClass(
        env, "Model",
        {InstanceMethod("info", &ModelObject::info), InstanceMethod("tokenize", &ModelObject::tokenize),
         InstanceMethod("detokenize", &ModelObject::detokenize), InstanceMethod("chat", &ModelObject::chat),
         InstanceMethod("wordVectors", &ModelObject::word_vectors), InstanceMethod("queries", &ModelObject::queries),
         InstanceMethod("tokenizeMany", &ModelObject::tokenize_many), InstanceMethod("read", &ModelObject::read),
         InstanceMethod("readMany", &ModelObject::read_many), InstanceMethod("likelihood", &ModelObject::likelihood),
         InstanceMethod("keepPrefixes", &ModelObject::keep_prefixes), InstanceMethod("logits", &ModelObject::logits),
         InstanceMethod("generate", &ModelObject::generate), InstanceMethod("warmUp", &ModelObject::warm_up),
         InstanceMethod("dispose", &ModelObject::dispose)});
}

ModelObject::ModelObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelObject>(info) {}

Napi::Object ModelObject::create(Napi::Env env, std::shared_ptr<LoadedModel> loaded) {
    Napi::Object object = env.GetInstanceData<Constructors>()->model.New({});
    Unwrap(object)->loaded_ = std::move(loaded);
    return object;
}

std::shared_ptr<LoadedModel> ModelObject::loaded() const {
    if (!loaded_)
        throw Error("usage", "The model is closed.");
    return loaded_;
}

std::shared_ptr<LoadedModel> ModelObject::of(const Napi::Value& value) {
    if (!value.IsObject())
        throw Error("usage", "model must be a model.");
    return Unwrap(value.As<Napi::Object>())->loaded();
}

Napi::Value ModelObject::info(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        const Model& model = *loaded()->model;
        const Hyper& h = model.hyper;
        Napi::Object info = Napi::Object::New(call.Env());
        info.Set("architecture", h.architecture);
        info.Set("name", h.name);
        info.Set("layers", h.layers);
        info.Set("heads", h.heads);
        info.Set("keyHeads", h.key_heads);
        info.Set("headSize", h.head_size);
        info.Set("embedding", h.embedding);
        info.Set("vocabulary", h.vocabulary);
        info.Set("trainedContext", h.trained_context);
        info.Set("weightBytes", static_cast<double>(model.weight_bytes));
        info.Set("weightFormat", model.weight_format);
        info.Set("loadSeconds", model.load_seconds);
        info.Set("cpu", Backend::variant());
        info.Set("device", device_of(call.Env(), model));
        info.Set("beginToken", loaded()->tokenizer->begin());
        info.Set("chats", loaded()->tokenizer->chats());
        info.Set("together", loaded()->together->tokens());
        info.Set("kernels", loaded()->together->refusal());
        return info;
    });
}

Napi::Value ModelObject::tokenize(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        const std::vector<int32_t> tokens =
            loaded()->tokenizer->tokenize(text(call[0], "text"), call[1].ToBoolean().Value());
        Napi::Int32Array array = Napi::Int32Array::New(call.Env(), tokens.size());
        std::copy(tokens.begin(), tokens.end(), array.Data());
        return array;
    });
}

// tokenizeMany(texts, parseSpecial): tokens of all, one after the other, and how many each has
Napi::Value ModelObject::tokenize_many(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        auto texts = std::make_shared<std::vector<std::string>>(texts_of(call[0], "texts"));
        const bool parse_special = call[1].ToBoolean().Value();
        struct Tokenized {
            std::vector<int32_t> tokens;
            std::vector<uint32_t> counts;
        };
        using TokenizeTask = Task<Tokenized, Tokens>;
        return TokenizeTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const TokenizeTask::Report&) {
                Tokenized all;
                for (const std::string& text : *texts) {
                    const std::vector<int32_t> tokens = loaded->tokenizer->tokenize(text, parse_special);
                    all.tokens.insert(all.tokens.end(), tokens.begin(), tokens.end());
                    all.counts.push_back(static_cast<uint32_t>(tokens.size()));
                }
                return all;
            },
            [](Napi::Env env, Tokenized& all) {
                Napi::Int32Array tokens = Napi::Int32Array::New(env, all.tokens.size());
                std::copy(all.tokens.begin(), all.tokens.end(), tokens.Data());
                Napi::Uint32Array counts = Napi::Uint32Array::New(env, all.counts.size());
                std::copy(all.counts.begin(), all.counts.end(), counts.Data());
                Napi::Object result = Napi::Object::New(env);
                result.Set("tokens", tokens);
                result.Set("counts", counts);
                return result;
            },
            nullptr);
    });
}

Napi::Value ModelObject::detokenize(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        return Napi::String::New(call.Env(), loaded()->tokenizer->detokenize(tokens_of(call[0], "tokens")));
    });
}

Napi::Value ModelObject::chat(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        if (!call[0].IsArray())
            throw Error("usage", "messages must be a list.");
        const Napi::Array list = call[0].As<Napi::Array>();
        std::vector<std::pair<std::string, std::string>> messages;
        for (uint32_t i = 0; i < list.Length(); ++i) {
            const Napi::Object message = list.Get(i).As<Napi::Object>();
            messages.emplace_back(text(field(message, "role"), "role"), text(field(message, "content"), "content"));
        }
        return Napi::String::New(call.Env(), loaded()->tokenizer->chat(messages));
    });
}

Napi::Value ModelObject::word_vectors(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        auto tokens = tokens_of(call[0], "tokens");
        auto counts = counts_of(call[1], "counts");
        return NumberTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const NumberTask::Report&) {
                std::lock_guard<std::mutex> guard(loaded->model->lock);
                if (!loaded->words)
                    loaded->words = std::make_unique<WordSpace>(*loaded->model);
                return loaded->words->vectors(tokens, counts);
            },
            [](Napi::Env env, std::vector<float>& result) { return floats_to(env, result); }, tell_number);
    });
}

Napi::Value ModelObject::likelihood(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        auto prefixes = token_lists(call[0], "prefixes");
        auto target = tokens_of(call[1], "target");
        const double seconds = call[2].ToNumber().DoubleValue();
        auto cancel = CancelObject::of(call[3]);
        return NumberTask::start(
            call.Env(), call[4],
            [=](const NumberTask::Report& report) {
                std::lock_guard<std::mutex> guard(loaded->model->lock);
                return loaded->together->likelihoods(*loaded->model, loaded->prefixes, prefixes, target, seconds,
                                                     *cancel, [&](int done) { report(Tokens(done)); });
            },
            [](Napi::Env env, std::vector<float>& result) { return floats_to(env, result); }, tell_number);
    });
}

Napi::Value ModelObject::keep_prefixes(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        const double bytes = call[0].IsNumber() ? call[0].As<Napi::Number>().DoubleValue() : -1;
        if (!(bytes >= 0 && bytes < 1e15))
            throw Error("usage", "bytes must be a number of bytes.");
        auto loaded = this->loaded();
        std::lock_guard<std::mutex> guard(loaded->model->lock);
        loaded->prefixes.limit(static_cast<size_t>(bytes));
        return call.Env().Undefined();
    });
}

Napi::Value ModelObject::logits(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        auto tokens = tokens_of(call[0], "tokens");
        auto rows = tokens_of(call[1], "rows");
        auto cancel = CancelObject::of(call[2]);
        return NumberTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const NumberTask::Report&) {
                std::lock_guard<std::mutex> guard(loaded->model->lock);
                return read_logits(*loaded->model, tokens, rows, *cancel);
            },
            [](Napi::Env env, std::vector<float>& result) { return floats_to(env, result); }, tell_number);
    });
}

// warmUp(watchHeads, cancel, progress): progress gets, after each step, whether files can be read without waiting.
Napi::Value ModelObject::warm_up(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        const auto heads = heads_of(call[0]);
        RecallHeads::of(loaded->model->hyper, heads); // checks them
        std::vector<int> layers;
        for (const auto& [layer, head] : heads)
            if (std::find(layers.begin(), layers.end(), layer) == layers.end())
                layers.push_back(layer);
        auto cancel = CancelObject::of(call[1]);
        // Not under the model's lock: that is what it is for.
        using WarmTask = Task<bool, int>;
        return WarmTask::start(
            call.Env(), call[2],
            [=](const WarmTask::Report& report) {
                if (const auto beside = backend_beside(*loaded->model))
                    longread::warm_up(*loaded->model, *beside, layers, *cancel, [&](int done) { report(int(done)); });
                return true;
            },
            [](Napi::Env env, bool&) { return env.Undefined(); },
            [](Napi::Env env, const Napi::FunctionReference& listener, const int& done) {
                listener.Call({Napi::Boolean::New(env, done >= warm_up_to_read)});
            });
    });
}

Napi::Value ModelObject::generate(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        const Napi::Object request = call[0].As<Napi::Object>();
        GenerateOptions options;
        options.tokens = tokens_of(field(request, "tokens"), "tokens");
        options.sampling = sampling_of(request);
        options.watch = spans_of(field(request, "watch"), "watch");
        options.watch_heads = heads_of(field(request, "watchHeads"));
        RecallHeads::of(loaded->model->hyper, options.watch_heads); // checks them
        auto cancel = CancelObject::of(call[1]);

        // Either how much of the prompt is read, or a token.
        struct Event {
            int prefill = 0;
            GeneratedToken token;
        };
        using GenerateTask = Task<bool, Event>;
        return GenerateTask::start(
            call.Env(), call[2],
            [=](const GenerateTask::Report& report) {
                std::lock_guard<std::mutex> guard(loaded->model->lock);
                return longread::generate(
                    *loaded->model, *loaded->tokenizer, options, *cancel, [&](int done) { report(Event{done, {}}); },
                    [&](GeneratedToken&& token) { report(Event{0, std::move(token)}); });
            },
            [](Napi::Env env, bool& stopped) { return Napi::String::New(env, stopped ? "stop" : "length"); },
            [](Napi::Env env, const Napi::FunctionReference& listener, const Event& event) {
                if (event.prefill > 0) {
                    listener.Call({Napi::Number::New(env, event.prefill)});
                    return;
                }
                Napi::Object token = Napi::Object::New(env);
                token.Set("token", event.token.token);
                token.Set("piece", Napi::Buffer<char>::Copy(env, event.token.piece.data(), event.token.piece.size()));
                token.Set("attention", floats_to(env, event.token.attention));
                listener.Call({env.Undefined(), token});
            });
    });
}

Napi::Value ModelObject::dispose(const Napi::CallbackInfo& call) {
    loaded_.reset(); // a running call keeps it until it ends
    return call.Env().Undefined();
}

} // namespace longread
