#include "addon/objects.h"
#include "addon/task.h"
#include "addon/values.h"

namespace longread {

Napi::Function CancelObject::define(Napi::Env env) {
    return DefineClass(env, "Cancel", {InstanceMethod("cancel", &CancelObject::cancel)});
}

CancelObject::CancelObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CancelObject>(info) {}

Napi::Value CancelObject::cancel(const Napi::CallbackInfo& info) {
    flag_->requested.store(true);
    return info.Env().Undefined();
}

CancelPtr CancelObject::of(const Napi::Value& value) {
    if (!value.IsObject())
        throw Error("usage", "cancel must be a cancel flag.");
    return Unwrap(value.As<Napi::Object>())->flag_;
}

Napi::Function EpisodeObject::define(Napi::Env env) { return DefineClass(env, "Episode", {}); }

EpisodeObject::EpisodeObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EpisodeObject>(info) {}

Napi::Object EpisodeObject::create(Napi::Env env, std::shared_ptr<Segment> segment) {
    Napi::Object object = env.GetInstanceData<Constructors>()->episode.New({});
    object.Set("tokens", segment->shape().tokens);
    object.Set("units", segment->shape().units);
    object.Set("bytes", static_cast<double>(segment->bytes()));
    Unwrap(object)->segment_ = std::move(segment);
    return object;
}

std::shared_ptr<Segment> EpisodeObject::of(const Napi::Value& value) {
    std::shared_ptr<Segment> segment;
    if (value.IsObject())
        segment = Unwrap(value.As<Napi::Object>())->segment_;
    if (!segment)
        throw Error("usage", "episode must be what read() gave.");
    return segment;
}

Napi::Function StoreObject::define(Napi::Env env) {
    return DefineClass(env, "Store",
                       {InstanceMethod("bytes", &StoreObject::bytes), InstanceMethod("put", &StoreObject::put),
                        InstanceMethod("remove", &StoreObject::remove), InstanceMethod("save", &StoreObject::save),
                        InstanceMethod("load", &StoreObject::load), InstanceMethod("score", &StoreObject::score)});
}

// new Store(model, heads, keyFormat)
StoreObject::StoreObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StoreObject>(info) {
    checked(info.Env(), [&] {
        const auto loaded = ModelObject::of(info[0]);
        const Hyper& hyper = loaded->model->hyper;
        const KeyFormat format = key_format(text(info[2], "keyFormat"));
        store_ = std::make_shared<Store>(RecallHeads::of(hyper, heads_of(info[1])), hyper.head_size, format);
    });
}

Napi::Value StoreObject::bytes(const Napi::CallbackInfo& call) {
    return Napi::Number::New(call.Env(), static_cast<double>(store_->bytes()));
}

Napi::Value StoreObject::put(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        store_->put(text(call[0], "file"), EpisodeObject::of(call[1]));
        return call.Env().Undefined();
    });
}

Napi::Value StoreObject::remove(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        store_->remove(text(call[0], "file"));
        return call.Env().Undefined();
    });
}

Napi::Value StoreObject::save(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto segment = store_->get(text(call[0], "file"));
        auto path = text(call[1], "path"), metadata = text(call[2], "metadata");
        using SaveTask = Task<bool, int>;
        return SaveTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const SaveTask::Report&) {
                segment->save(path, metadata);
                return true;
            },
            [](Napi::Env env, bool&) { return env.Undefined(); }, nullptr);
    });
}

Napi::Value StoreObject::load(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto store = store_;
        auto file = text(call[0], "file"), path = text(call[1], "path");
        using LoadTask = Task<std::string, int>;
        return LoadTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const LoadTask::Report&) {
                auto segment = Segment::map(path);
                store->put(file, segment);
                return segment->metadata();
            },
            [](Napi::Env env, std::string& metadata) { return Napi::String::New(env, metadata); }, nullptr);
    });
}

Napi::Value StoreObject::score(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto store = store_;
        if (!call[0].IsArray())
            throw Error("usage", "files must be a list.");
        std::vector<std::string> files;
        const Napi::Array list = call[0].As<Napi::Array>();
        for (uint32_t i = 0; i < list.Length(); ++i)
            files.push_back(text(list.Get(i), "file"));
        auto queries = floats_of(call[1], "queries");
        const int tokens = call[2].ToNumber().Int32Value(), threads = call[3].ToNumber().Int32Value();
        if (tokens < 1 || threads < 1 ||
            queries.size() != static_cast<size_t>(tokens) * store->heads().heads.size() * store->head_size())
            throw Error("usage", "The queries do not fit the heads of the memory.");
        auto cancel = CancelObject::of(call[4]);
        using ScoreTask = Task<Scores, int>;
        return ScoreTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const ScoreTask::Report&) { return store->score(files, queries.data(), tokens, threads, *cancel); },
            [](Napi::Env env, Scores& scores) {
                Napi::Object result = Napi::Object::New(env);
                result.Set("masses", floats_to(env, scores.masses));
                result.Set("bankMean", floats_to(env, scores.means));
                result.Set("bankDeviation", floats_to(env, scores.deviations));
                return result;
            },
            nullptr);
    });
}

} // namespace longread
