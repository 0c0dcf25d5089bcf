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

Napi::Function StoreObject::define(Napi::Env env) {
    return DefineClass(env, "Store",
                       {InstanceMethod("bytes", &StoreObject::bytes), InstanceMethod("put", &StoreObject::put),
                        InstanceMethod("get", &StoreObject::get), InstanceMethod("remove", &StoreObject::remove),
                        InstanceMethod("takeDamaged", &StoreObject::take_damaged),
                        InstanceMethod("keepResident", &StoreObject::keep_resident),
                        InstanceMethod("overflows", &StoreObject::overflows),
                        InstanceMethod("score", &StoreObject::score), InstanceMethod("arrange", &StoreObject::arrange),
                        InstanceMethod("rank", &StoreObject::rank), InstanceMethod("estimate", &StoreObject::estimate),
                        InstanceMethod("scoreUnits", &StoreObject::score_units)});
}

// new Store(model, heads, keyFormat)
StoreObject::StoreObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StoreObject>(info) {
    checked(info.Env(), [&] {
        const auto loaded = ModelObject::of(info[0]);
        const Hyper& hyper = loaded->model->hyper;
        const KeyFormat format = key_format(text(info[2], "keyFormat"));
        store_ = std::make_shared<Store>(RecallHeads::of(hyper, heads_of(info[1])), hyper.head_size, format);
        if (const auto place = loaded->together->place())
            store_->use_gpu(*place);
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

Napi::Value StoreObject::get(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        return EpisodeObject::create(call.Env(), store_->get(text(call[0], "file")));
    });
}

Napi::Value StoreObject::take_damaged(const Napi::CallbackInfo& call) {
    Napi::Array list = Napi::Array::New(call.Env());
    for (const std::string& file : store_->take_damaged())
        list.Set(list.Length(), Napi::String::New(call.Env(), file));
    return list;
}

Napi::Value StoreObject::keep_resident(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        const double bytes = call[0].ToNumber().DoubleValue();
        if (!(bytes >= 0 && bytes < 1e18))
            throw Error("usage", "The bytes that stay in memory must be a number from 0.");
        store_->keep_resident(static_cast<size_t>(bytes));
        return call.Env().Undefined();
    });
}

Napi::Value StoreObject::overflows(const Napi::CallbackInfo& call) {
    return Napi::Boolean::New(call.Env(), store_->overflows());
}

namespace {

// files, queries, tokens: what every way of scoring is asked.
struct Asked {
    std::vector<std::string> files;
    std::vector<float> queries;
    int tokens;
};

std::vector<std::string> files_of(const Napi::Value& value) {
    if (!value.IsArray())
        throw Error("usage", "files must be a list.");
    std::vector<std::string> files;
    const Napi::Array list = value.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); ++i)
        files.push_back(text(list.Get(i), "file"));
    return files;
}

Asked asked(const Store& store, const Napi::CallbackInfo& call) {
    Asked asked{files_of(call[0]), floats_of(call[1], "queries"), call[2].ToNumber().Int32Value()};
    if (asked.tokens < 1 ||
        asked.queries.size() != static_cast<size_t>(asked.tokens) * store.heads().heads.size() * store.head_size())
        throw Error("usage", "The queries do not fit the heads of the memory.");
    return asked;
}

int threads_of(const Napi::Value& value) {
    const int threads = value.ToNumber().Int32Value();
    if (threads < 1)
        throw Error("usage", "threads must be a number from 1.");
    return threads;
}

Napi::Value scores_to(Napi::Env env, Scores& scores) {
    Napi::Object result = Napi::Object::New(env);
    result.Set("masses", floats_to(env, scores.masses));
    result.Set("bankMean", floats_to(env, scores.means));
    result.Set("bankDeviation", floats_to(env, scores.deviations));
    return result;
}

} // namespace

// score(files, queries, tokens, threads, cancel)
Napi::Value StoreObject::score(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto store = store_;
        auto what = asked(*store, call);
        const int threads = threads_of(call[3]);
        auto cancel = CancelObject::of(call[4]);
        using ScoreTask = Task<Scores, int>;
        return ScoreTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const ScoreTask::Report&) {
                return store->score(what.files, what.queries.data(), what.tokens, threads, *cancel);
            },
            scores_to, nullptr);
    });
}

// arrange(files)
Napi::Value StoreObject::arrange(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        arranged_ = store_->arrange(files_of(call[0]));
        return call.Env().Undefined();
    });
}

// rank(queries, token weights, head weights, threads, cancel)
Napi::Value StoreObject::rank(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto store = store_;
        auto arranged = arranged_;
        if (!arranged)
            throw Error("usage", "No files were arranged.");
        auto queries = floats_of(call[0], "queries");
        const RankWeights weights{floats_of(call[1], "token weights"),
                                  elements<Napi::Float64Array, double>(call[2], napi_float64_array, "head weights")};
        const int threads = threads_of(call[3]);
        auto cancel = CancelObject::of(call[4]);
        if (weights.tokens.empty() || weights.heads.size() != store->heads().heads.size() ||
            queries.size() != weights.tokens.size() * weights.heads.size() * store->head_size())
            throw Error("usage", "The queries do not fit the heads of the memory.");
        using RankTask = Task<Ranked, int>;
        return RankTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const RankTask::Report&) { return store->rank(*arranged, queries.data(), weights, threads, *cancel); },
            [](Napi::Env env, Ranked& ranked) { return RankedObject::create(env, std::move(ranked)); }, nullptr);
    });
}

// estimate(files, queries, tokens, bank queries, bank tokens, threads, cancel, progress)
Napi::Value StoreObject::estimate(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto store = store_;
        auto what = asked(*store, call);
        const BankRows bank{floats_of(call[3], "bank"), counts_of(call[4], "bank tokens")};
        const int threads = threads_of(call[5]);
        auto cancel = CancelObject::of(call[6]);
        using EstimateTask = Task<Scores, int>;
        return EstimateTask::start(
            call.Env(), call[7],
            [=](const EstimateTask::Report& report) {
                return store->estimate(what.files, what.queries.data(), what.tokens, bank, threads, *cancel,
                                       [&](int done) { report(std::move(done)); });
            },
            scores_to,
            [](Napi::Env env, const Napi::FunctionReference& progress, const int& done) {
                progress.Call({Napi::Number::New(env, done)});
            });
    });
}

// scoreUnits(files, queries, tokens, units, threads, cancel)
Napi::Value StoreObject::score_units(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto store = store_;
        auto what = asked(*store, call);
        const auto chosen = tokens_of(call[3], "units");
        const std::vector<int> units(chosen.begin(), chosen.end());
        const int threads = threads_of(call[4]);
        auto cancel = CancelObject::of(call[5]);
        using UnitsTask = Task<std::vector<float>, int>;
        return UnitsTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const UnitsTask::Report&) {
                return store->score_units(what.files, units, what.queries.data(), what.tokens, threads, *cancel);
            },
            [](Napi::Env env, std::vector<float>& masses) { return floats_to(env, masses); }, nullptr);
    });
}

} // namespace longread
