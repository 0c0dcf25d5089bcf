// The addon's entry: loadModel, and the constructors of what it hands out. Typed in extension/engine/addon.ts.
#include "addon/objects.h"
#include "addon/task.h"
#include "addon/values.h"
#include "recall/masses.h"

namespace longread {
namespace {

Napi::Value load_model(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        const Napi::Object request = call[0].As<Napi::Object>();
        LoadOptions options;
        options.path = text(field(request, "path"), "path");
        options.transcode = text(field(request, "weights"), "weights") == "fast";
        options.threads = static_cast<int>(number(request, "threads"));
        const std::string libraries = text(field(request, "libraries"), "libraries");
        auto cancel = CancelObject::of(call[1]);
        using LoadTask = Task<std::shared_ptr<LoadedModel>, double>;
        return LoadTask::start(
            call.Env(), call[2],
            [=](const LoadTask::Report& report) {
                load_backends(libraries);
                auto loaded = std::make_shared<LoadedModel>();
                loaded->model = Model::load(options, *cancel, [&](double part) { report(double(part)); });
                loaded->tokenizer = std::make_unique<Tokenizer>(options.path);
                if (loaded->tokenizer->size() > loaded->model->hyper.vocabulary)
                    throw Error("bad-model",
                                options.path + " cannot be used as a model: it has more tokens than embeddings.");
                return loaded;
            },
            [](Napi::Env env, std::shared_ptr<LoadedModel>& loaded) { return ModelObject::create(env, loaded); },
            [](Napi::Env env, const Napi::FunctionReference& listener, const double& part) {
                listener.Call({Napi::Number::New(env, part)});
            });
    });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    auto* constructors = new Constructors();
    env.SetInstanceData(constructors); // deleted with the environment
    auto define = [&](const char* name, Napi::Function function, Napi::FunctionReference& kept) {
        kept = Napi::Persistent(function);
        exports.Set(name, function);
    };
    define("Cancel", CancelObject::define(env), constructors->cancel);
    define("Episode", EpisodeObject::define(env), constructors->episode);
    define("Lock", LockObject::define(env), constructors->lock);
    define("Model", ModelObject::define(env), constructors->model);
    define("Store", StoreObject::define(env), constructors->store);
    exports.Set("loadModel", Napi::Function::New(env, load_model, "loadModel"));
    exports.Set("mapEpisode", Napi::Function::New(env, EpisodeObject::map, "mapEpisode"));
    exports.Set("instructions", Napi::String::New(env, masses_instructions()));
    return exports;
}

} // namespace
} // namespace longread

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return longread::init(env, exports); }
NODE_API_MODULE(longread, initialise)
