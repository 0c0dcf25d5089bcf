// What was read of a file, as JavaScript holds it: saved to disk, mapped from there, taken apart into units.
#include "addon/objects.h"
#include "addon/task.h"
#include "addon/values.h"

namespace longread {

Napi::Function EpisodeObject::define(Napi::Env env) {
    return DefineClass(env, "Episode",
                       {InstanceMethod("save", &EpisodeObject::save), InstanceMethod("check", &EpisodeObject::check),
                        InstanceMethod("pick", &EpisodeObject::pick)});
}

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

// mapEpisode(path)
Napi::Value EpisodeObject::map(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto path = text(call[0], "path");
        using MapTask = Task<std::shared_ptr<Segment>, int>;
        return MapTask::start(
            call.Env(), call.Env().Undefined(), [=](const MapTask::Report&) { return Segment::map(path); },
            [](Napi::Env env, std::shared_ptr<Segment>& segment) {
                Napi::Object result = Napi::Object::New(env);
                result.Set("metadata", segment->metadata());
                result.Set("episode", create(env, segment));
                return result;
            },
            nullptr);
    });
}

Napi::Value EpisodeObject::save(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto segment = of(call.This());
        auto path = text(call[0], "path"), aside = text(call[1], "aside"), metadata = text(call[2], "metadata");
        using SaveTask = Task<bool, int>;
        return SaveTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const SaveTask::Report&) {
                segment->save(path, aside, metadata);
                return true;
            },
            [](Napi::Env env, bool&) { return env.Undefined(); }, nullptr);
    });
}

Napi::Value EpisodeObject::check(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto segment = of(call.This());
        using CheckTask = Task<bool, int>;
        return CheckTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const CheckTask::Report&) {
                const bool whole = segment->keys_are_whole();
                segment->release_keys();
                return whole;
            },
            [](Napi::Env env, bool& whole) { return Napi::Boolean::New(env, whole); }, nullptr);
    });
}

Napi::Value EpisodeObject::pick(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        const auto units = tokens_of(call[0], "units");
        return create(call.Env(), Segment::pick(*of(call.This()), std::vector<int>(units.begin(), units.end())));
    });
}

} // namespace longread
