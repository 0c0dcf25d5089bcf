// What a question made of all units, and words by where they lie.
#include "addon/number-task.h"
#include "addon/objects.h"
#include "addon/values.h"
#include <algorithm>

namespace longread {

Napi::Function RankedObject::define(Napi::Env env) {
    return DefineClass(env, "Ranked",
                       {InstanceMethod("scores", &RankedObject::scores), InstanceMethod("finds", &RankedObject::finds),
                        InstanceMethod("dispose", &RankedObject::dispose)});
}

RankedObject::RankedObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RankedObject>(info) {}

Napi::Object RankedObject::create(Napi::Env env, Ranked&& ranked) {
    Napi::Object object = env.GetInstanceData<Constructors>()->ranked.New({});
    Unwrap(object)->ranked_ = std::make_unique<Ranked>(std::move(ranked));
    return object;
}

const Ranked& RankedObject::ranked() const {
    if (!ranked_)
        throw Error("usage", "What was scored is gone.");
    return *ranked_;
}

Napi::Value RankedObject::scores(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value { return floats_to(call.Env(), ranked().scores); });
}

// finds(chosen)
Napi::Value RankedObject::finds(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        const Ranked& from = ranked();
        const auto chosen = tokens_of(call[0], "units");
        for (int32_t unit : chosen)
            if (unit < 0 || static_cast<size_t>(unit) >= from.units)
                throw Error("usage", "A unit was asked for that is not there.");
        return floats_to(call.Env(), token_finds(from.view(), from.weights, from.spreads, chosen));
    });
}

Napi::Value RankedObject::dispose(const Napi::CallbackInfo& call) {
    ranked_.reset();
    return call.Env().Undefined();
}

Napi::Function WordsObject::define(Napi::Env env) {
    return DefineClass(env, "Words",
                       {InstanceMethod("add", &WordsObject::add), InstanceMethod("near", &WordsObject::near)});
}

// new Words(model)
WordsObject::WordsObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<WordsObject>(info) {
    checked(info.Env(), [&] {
        held_ = std::make_shared<Held>();
        held_->loaded = ModelObject::of(info[0]);
    });
}

// add(tokens, counts)
Napi::Value WordsObject::add(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto held = held_;
        auto tokens = tokens_of(call[0], "tokens");
        auto counts = counts_of(call[1], "counts");
        using AddTask = Task<bool, int>;
        return AddTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const AddTask::Report&) {
                std::vector<float> vectors;
                {
                    LoadedModel& loaded = *held->loaded;
                    std::lock_guard<std::mutex> guard(loaded.model->lock);
                    if (!loaded.words)
                        loaded.words = std::make_unique<WordSpace>(*loaded.model);
                    vectors = loaded.words->vectors(tokens, counts);
                }
                std::lock_guard<std::mutex> guard(held->lock);
                if (!counts.empty())
                    held->words.add(vectors.data(), counts.size(), vectors.size() / counts.size());
                return true;
            },
            [](Napi::Env env, bool&) { return env.Undefined(); }, nullptr);
    });
}

// near(asked, places, least, most, threads)
Napi::Value WordsObject::near(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto held = held_;
        const auto asked = tokens_of(call[0], "asked words");
        const auto places = tokens_of(call[1], "places");
        const double least = call[2].ToNumber().DoubleValue();
        const int most = call[3].ToNumber().Int32Value(), threads = call[4].ToNumber().Int32Value();
        using Near = std::vector<std::vector<NearWord>>;
        using NearTask = Task<Near, int>;
        return NearTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const NearTask::Report&) {
                std::lock_guard<std::mutex> guard(held->lock);
                if (places.size() != held->words.words() || most < 0 ||
                    std::any_of(
                        asked.begin(), asked.end(),
                        [&](int32_t w) { return w < 0 || static_cast<size_t>(w) >= places.size(); }))
                    throw Error("usage", "Near words were asked of others than were added.");
                return held->words.near(asked, places, least * WordList::scale * WordList::scale,
                                        static_cast<size_t>(most), threads);
            },
            [](Napi::Env env, Near& found) {
                Napi::Array lists = Napi::Array::New(env, found.size());
                for (uint32_t a = 0; a < found.size(); ++a) {
                    Napi::Int32Array flat = Napi::Int32Array::New(env, 2 * found[a].size());
                    for (size_t i = 0; i < found[a].size(); ++i) {
                        flat[2 * i] = found[a][i].word;
                        flat[2 * i + 1] = found[a][i].product;
                    }
                    lists.Set(a, flat);
                }
                return lists;
            },
            nullptr);
    });
}

} // namespace longread
