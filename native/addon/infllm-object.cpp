// A stream read by InfLLM's method, as JavaScript holds it. Calls are made one after the other.
#include "addon/objects.h"
#include "addon/task.h"
#include "addon/values.h"
#include "engine/gpu-stream.h"
#include "infllm/infllm.h"

namespace longread {
namespace {

Places places_of(const std::string& name) {
    if (name == "one")
        return Places::one;
    if (name == "ordered")
        return Places::ordered;
    throw Error("usage", "Units stand at places one or ordered, not \"" + name + "\".");
}

UnitFormat format_of(const std::string& name) {
    if (name == "f32")
        return UnitFormat::f32;
    if (name == "f16")
        return UnitFormat::f16;
    if (name == "q8_0")
        return UnitFormat::q8_0;
    throw Error("usage", "Units are kept as f32, f16 or q8_0, not \"" + name + "\".");
}

InfLlmParameters parameters_of(const Napi::Object& from) {
    InfLlmParameters p;
    auto whole = [&](const char* name) { return static_cast<int>(number(from, name)); };
    p.n_init = whole("nInit");
    p.n_local = whole("nLocal");
    p.block_size = whole("blockSize");
    p.topk = whole("topk");
    p.repr_topk = whole("reprTopk");
    p.max_cached_block = whole("maxCachedBlock");
    p.exc_block_size = whole("excBlockSize");
    p.distance = whole("distance");
    p.max_repr_megabytes = whole("maxReprMegabytes");
    p.perhead = field(from, "perhead").ToBoolean().Value();
    p.places = places_of(text(field(from, "places"), "places"));
    p.format = format_of(text(field(from, "format"), "format"));
    p.folder = text(field(from, "folder"), "folder");
    return p;
}

// `before`, a number of tokens, and `first`, an Int32Array of where ranges of tokens begin and end; both may be left
// out.
Candidates candidates_of(const Napi::Object& request) {
    Candidates candidates;
    const Napi::Value before = request.Get("before"), first = request.Get("first");
    if (!before.IsUndefined())
        candidates.before = static_cast<int>(number(request, "before"));
    if (first.IsUndefined())
        return candidates;
    const auto bounds = tokens_of(first, "first");
    if (bounds.size() % 2 != 0)
        throw Error("usage", "first must be pairs of where a range of tokens begins and ends.");
    for (size_t i = 0; i < bounds.size(); i += 2)
        candidates.first.emplace_back(bounds[i], bounds[i + 1]);
    return candidates;
}

// [layer][list] of units
Napi::Array units_to(Napi::Env env, const std::vector<UnitLists>& layers) {
    Napi::Array result = Napi::Array::New(env);
    for (const UnitLists& lists : layers) {
        Napi::Array layer = Napi::Array::New(env);
        for (const std::vector<int>& list : lists) {
            Napi::Int32Array units = Napi::Int32Array::New(env, list.size());
            std::copy(list.begin(), list.end(), units.Data());
            layer.Set(layer.Length(), units);
        }
        result.Set(result.Length(), layer);
    }
    return result;
}

// How much was read, or what the question used, or a token.
struct Event {
    int read = 0;
    bool found = false;
    std::vector<UnitLists> units;
    GeneratedToken token;
};

// When a call ends, however it does, what is told of the memory is what it has then.
template <typename HeldPtr> struct TakesDown {
    HeldPtr held;
    ~TakesDown() {
        try {
            held->take_down();
        } catch (const std::exception&) { // a GPU that failed has nothing to tell
        }
    }
};

// Where our kernels can be used the GPU reads; a model that lies on a GPU is read nowhere else.
std::unique_ptr<UnitMemory> memory_for(const LoadedModel& loaded, const InfLlmParameters& parameters) {
    if (const std::unique_ptr<gpu::Place> place = loaded.together->place())
        return std::make_unique<GpuStream>(*place, *loaded.model, parameters);
    if (loaded.model->backend->gpu()) {
        const std::string why = loaded.together->refusal();
        throw Error("gpu-unfit", "Reading by memory units on a GPU needs our own kernels: " +
                                     (why.empty() ? "they are not built (.ci/cuda)" : why) + ".");
    }
    return std::make_unique<InfLlm>(*loaded.model, parameters);
}

} // namespace

void InfLlmObject::Held::take_down() {
    UnitMemory::Totals now = memory->totals();
    std::vector<int> units = memory->unit_starts();
    std::lock_guard<std::mutex> guard(lock);
    totals = now;
    starts = std::move(units);
}

Napi::Function InfLlmObject::define(Napi::Env env) {
    return DefineClass(env, "InfLlm",
                       {InstanceMethod("info", &InfLlmObject::info),
                        InstanceMethod("unitStarts", &InfLlmObject::unit_starts),
                        InstanceMethod("read", &InfLlmObject::read), InstanceMethod("answer", &InfLlmObject::answer),
                        InstanceMethod("save", &InfLlmObject::save), InstanceMethod("restore", &InfLlmObject::restore),
                        InstanceMethod("dispose", &InfLlmObject::dispose)});
}

// new InfLlm(model, parameters)
InfLlmObject::InfLlmObject(const Napi::CallbackInfo& call) : Napi::ObjectWrap<InfLlmObject>(call) {
    checked(call.Env(), [&] {
        if (!call[1].IsObject())
            throw Error("usage", "parameters must be an object.");
        auto held = std::make_shared<Held>();
        held->loaded = ModelObject::of(call[0]);
        const InfLlmParameters parameters = parameters_of(call[1].As<Napi::Object>());
        std::lock_guard<std::mutex> guard(held->loaded->model->lock);
        held->memory = memory_for(*held->loaded, parameters);
        held->take_down();
        held_ = std::move(held);
    });
}

std::shared_ptr<InfLlmObject::Held> InfLlmObject::held() const {
    if (!held_)
        throw Error("usage", "The memory is closed.");
    return held_;
}

Napi::Value InfLlmObject::info(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        auto held = this->held();
        std::lock_guard<std::mutex> guard(held->lock);
        const UnitMemory::Totals& totals = held->totals;
        Napi::Object info = Napi::Object::New(call.Env());
        info.Set("tokens", totals.tokens);
        info.Set("units", totals.units);
        info.Set("bytes", static_cast<double>(totals.bytes));
        info.Set("unitBytes", static_cast<double>(totals.unit_bytes));
        info.Set("diskBytes", static_cast<double>(totals.disk_bytes));
        info.Set("reads", static_cast<double>(totals.reads));
        info.Set("gpu", totals.gpu);
        info.Set("gpuBytes", static_cast<double>(totals.gpu_bytes));
        return info;
    });
}

Napi::Value InfLlmObject::unit_starts(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        auto held = this->held();
        std::lock_guard<std::mutex> guard(held->lock);
        Napi::Int32Array starts = Napi::Int32Array::New(call.Env(), held->starts.size());
        std::copy(held->starts.begin(), held->starts.end(), starts.Data());
        return starts;
    });
}

Napi::Value InfLlmObject::read(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto held = this->held();
        const Napi::Object request = call[0].As<Napi::Object>();
        auto tokens = tokens_of(field(request, "tokens"), "tokens");
        auto lengths = tokens_of(field(request, "lengths"), "lengths");
        auto rows = tokens_of(field(request, "rows"), "rows");
        const bool traced = field(request, "trace").ToBoolean().Value();
        const Candidates candidates = candidates_of(request);
        auto cancel = CancelObject::of(call[1]);
        struct Read {
            std::vector<float> logits;
            UnitTrace trace;
        };
        using ReadTask = Task<Read, int>;
        return ReadTask::start(
            call.Env(), call[2],
            [=](const ReadTask::Report& report) {
                std::lock_guard<std::mutex> guard(held->loaded->model->lock);
                const TakesDown<std::shared_ptr<Held>> after{held};
                Read read;
                read.logits =
                    read_stream(*held->memory, tokens, {lengths.begin(), lengths.end()}, rows, candidates,
                                traced ? &read.trace : nullptr, *cancel, [&](int done) { report(int(done)); });
                return read;
            },
            [](Napi::Env env, Read& read) {
                Napi::Object result = Napi::Object::New(env);
                result.Set("logits", floats_to(env, read.logits));
                Napi::Array trace = Napi::Array::New(env);
                for (const std::vector<UnitLists>& block : read.trace)
                    trace.Set(trace.Length(), units_to(env, block));
                result.Set("trace", trace);
                return result;
            },
            [](Napi::Env env, const Napi::FunctionReference& listener, const int& done) {
                listener.Call({Napi::Number::New(env, done)});
            });
    });
}

Napi::Value InfLlmObject::answer(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto held = this->held();
        const Napi::Object request = call[0].As<Napi::Object>();
        MemoryAnswerOptions options;
        options.tokens = tokens_of(field(request, "tokens"), "tokens");
        options.sampling = sampling_of(request);
        const std::string look_ups = text(field(request, "lookUps"), "lookUps");
        if (look_ups != "each" && look_ups != "once")
            throw Error("usage", "Units are looked up for each token or once, not \"" + look_ups + "\".");
        options.look_ups = look_ups == "once" ? LookUps::once : LookUps::each;
        options.twice = field(request, "twice").ToBoolean().Value();
        options.agree = static_cast<int>(number(request, "agree"));
        const auto units = tokens_of(field(request, "units"), "units");
        options.units.assign(units.begin(), units.end());
        auto cancel = CancelObject::of(call[1]);
        using AnswerTask = Task<bool, Event>;
        return AnswerTask::start(
            call.Env(), call[2],
            [=](const AnswerTask::Report& report) {
                std::lock_guard<std::mutex> guard(held->loaded->model->lock);
                const TakesDown<std::shared_ptr<Held>> after{held};
                MemoryAnswerListeners listeners;
                listeners.on_prefill = [&](int done) { report(Event{done, false, {}, {}}); };
                listeners.on_units = [&](const std::vector<UnitLists>& used) { report(Event{0, true, used, {}}); };
                listeners.on_token = [&](GeneratedToken&& token) { report(Event{0, false, {}, std::move(token)}); };
                return answer_from_memory(*held->memory, *held->loaded->tokenizer, options, *cancel, listeners);
            },
            [](Napi::Env env, bool& stopped) { return Napi::String::New(env, stopped ? "stop" : "length"); },
            [](Napi::Env env, const Napi::FunctionReference& listener, const Event& event) {
                Napi::Object told = Napi::Object::New(env);
                if (event.read > 0) {
                    told.Set("read", event.read);
                } else if (event.found) {
                    told.Set("units", units_to(env, event.units));
                } else {
                    Napi::Object token = Napi::Object::New(env);
                    token.Set("token", event.token.token);
                    token.Set("piece",
                              Napi::Buffer<char>::Copy(env, event.token.piece.data(), event.token.piece.size()));
                    told.Set("token", token);
                }
                listener.Call({told});
            });
    });
}

namespace {

// save() and restore(), off the JavaScript thread: (what, identity, cancel, progress).
template <typename HeldPtr, typename Keep>
Napi::Value keeping(const Napi::CallbackInfo& call, HeldPtr held, Keep keep) {
    auto identity = text(call[1], "identity");
    auto cancel = CancelObject::of(call[2]);
    using Bytes = std::pair<uint64_t, uint64_t>; // done, of all
    using KeepTask = Task<bool, Bytes>;
    return KeepTask::start(
        call.Env(), call[3],
        [=](const KeepTask::Report& report) {
            std::lock_guard<std::mutex> guard(held->loaded->model->lock);
            const TakesDown<HeldPtr> after{held};
            keep(*held->memory, identity,
                 Keeping{*cancel, [&](uint64_t done, uint64_t total) { report(Bytes{done, total}); }});
            return true;
        },
        [](Napi::Env env, bool&) { return env.Undefined(); },
        [](Napi::Env env, const Napi::FunctionReference& listener, const Bytes& bytes) {
            listener.Call({Napi::Number::New(env, static_cast<double>(bytes.first)),
                           Napi::Number::New(env, static_cast<double>(bytes.second))});
        });
}

} // namespace

Napi::Value InfLlmObject::save(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        const std::string path = text(call[0], "path");
        return keeping(call, held(), [path](UnitMemory& memory, const std::string& identity, const Keeping& keeping) {
            memory.save(path, identity, keeping);
        });
    });
}

Napi::Value InfLlmObject::restore(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        const std::vector<std::string> paths = texts_of(call[0], "paths");
        return keeping(call, held(), [paths](UnitMemory& memory, const std::string& identity, const Keeping& keeping) {
            memory.restore(paths, identity, keeping);
        });
    });
}

Napi::Value InfLlmObject::dispose(const Napi::CallbackInfo& call) {
    held_.reset(); // a running call keeps it until it ends
    return call.Env().Undefined();
}

} // namespace longread
