// The addon's entry: loadModel, and the constructors of what it hands out. Typed in extension/engine/addon.ts.
#include "addon/objects.h"
#include "addon/task.h"
#include "addon/values.h"
#include "engine/cuda-backend.h"
#include "recall/masses.h"
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace longread {
namespace {

WeightFormat weight_format(const std::string& name) {
    if (name == "file")
        return WeightFormat::file;
    if (name == "fast" || name == "fp8")
        return WeightFormat::fast;
    if (name == "q8_0")
        return WeightFormat::q8_0;
    if (name == "f16")
        return WeightFormat::f16;
    throw Error("usage", "weights must be fast, file, fp8, q8_0 or f16.");
}

const char* name_of(CudaMissing missing) {
    switch (missing) {
    case CudaMissing::driver:
        return "driver";
    case CudaMissing::library:
        return "library";
    case CudaMissing::runtime:
        return "runtime";
    case CudaMissing::newer_driver:
        return "newer-driver";
    case CudaMissing::gpu:
        return "gpu";
    case CudaMissing::nothing:
        break;
    }
    return "";
}

// findCuda(libraries, library, folders, anyDriver): what is missing and its name, two empty texts where a GPU can be
// used. Starting the driver takes up to a second.
Napi::Value find_cuda_for(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        const std::string libraries = text(call[0], "libraries");
        CudaSearch search;
        search.library = text(call[1], "library");
        search.folders = texts_of(call[2], "folders");
        search.any_driver = call[3].ToBoolean().Value();
        using FindTask = Task<CudaFound, int>;
        return FindTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const FindTask::Report&) {
                load_backends(libraries);
                return find_cuda(search);
            },
            [](Napi::Env env, CudaFound& found) {
                Napi::Object result = Napi::Object::New(env);
                result.Set("missing", name_of(found.missing));
                result.Set("detail", found.detail);
                return result;
            },
            nullptr);
    });
}

Napi::Value load_model(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        const Napi::Object request = call[0].As<Napi::Object>();
        LoadOptions options;
        options.path = text(field(request, "path"), "path");
        options.weights = weight_format(text(field(request, "weights"), "weights"));
        options.eight = text(field(request, "weights"), "weights") == "fp8";
        options.threads = static_cast<int>(number(request, "threads"));
        const bool cuda = request.Has("device") && text(request.Get("device"), "device") == "cuda";
        if (request.Has("gpuLayers"))
            options.gpu_layers = static_cast<int>(number(request, "gpuLayers"));
        const std::string libraries = text(field(request, "libraries"), "libraries");
        const auto optional = [&](const char* name) {
            return request.Has(name) ? text(request.Get(name), name) : std::string();
        };
        const std::string kernels = optional("kernels"), cublas = optional("cublas");
        auto cancel = CancelObject::of(call[1]);
        using LoadTask = Task<std::shared_ptr<LoadedModel>, double>;
        return LoadTask::start(
            call.Env(), call[2],
            [=](const LoadTask::Report& report) {
                load_backends(libraries);
                auto loaded = std::make_shared<LoadedModel>();
                LoadOptions placed = options;
                CudaSearch found; // findCuda has looked more closely
                found.any_driver = true;
                if (cuda && !(placed.gpu = find_cuda(found).device))
                    throw Error("no-cuda", "No GPU has been found yet: call findCuda first.");
                loaded->model = Model::load(placed, *cancel, [&](double part) { report(double(part)); });
                loaded->tokenizer = std::make_unique<Tokenizer>(options.path);
                if (loaded->tokenizer->size() > loaded->model->hyper.vocabulary)
                    throw Error("bad-model",
                                options.path + " cannot be used as a model: it has more tokens than embeddings.");
                loaded->together = std::make_unique<Together>(*loaded->model, kernels, cublas);
                return loaded;
            },
            [](Napi::Env env, std::shared_ptr<LoadedModel>& loaded) { return ModelObject::create(env, loaded); },
            [](Napi::Env env, const Napi::FunctionReference& listener, const double& part) {
                listener.Call({Napi::Number::New(env, part)});
            });
    });
}

// A process that reads for days stays as small as what it holds: glibc raises its threshold for mapping to what was
// freed last, and would then keep the largest episode of each of libuv's threads in that thread's arena.
void return_large_blocks() {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
#endif
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    return_large_blocks();
    auto* constructors = new Constructors();
    env.SetInstanceData(constructors); // deleted with the environment
    auto define = [&](const char* name, Napi::Function function, Napi::FunctionReference& kept) {
        kept = Napi::Persistent(function);
        exports.Set(name, function);
    };
    define("Cancel", CancelObject::define(env), constructors->cancel);
    define("Episode", EpisodeObject::define(env), constructors->episode);
    define("InfLlm", InfLlmObject::define(env), constructors->infllm);
    define("Lock", LockObject::define(env), constructors->lock);
    define("Model", ModelObject::define(env), constructors->model);
    constructors->ranked = Napi::Persistent(RankedObject::define(env));
    define("Store", StoreObject::define(env), constructors->store);
    define("Words", WordsObject::define(env), constructors->words);
    exports.Set("findCuda", Napi::Function::New(env, find_cuda_for, "findCuda"));
    exports.Set("loadModel", Napi::Function::New(env, load_model, "loadModel"));
    exports.Set("mapEpisode", Napi::Function::New(env, EpisodeObject::map, "mapEpisode"));
    exports.Set("instructions", Napi::String::New(env, masses_instructions()));
    return exports;
}

} // namespace
} // namespace longread

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return longread::init(env, exports); }
NODE_API_MODULE(longread, initialise)
