// What of a model reads: questions for their queries, episodes for their keys, one or many in a call.
#include "addon/number-task.h"
#include "addon/objects.h"
#include "addon/values.h"

namespace longread {
namespace {

// How episodes are read, all of one call alike. Its options point to its bank, so it stays where it is.
struct Reading {
    RecallHeads heads;
    BankRows bank;
    EpisodeOptions options; // without tokens and units
};

std::shared_ptr<Reading> reading_of(const Hyper& hyper, const Napi::Object& request) {
    auto reading = std::make_shared<Reading>();
    EpisodeOptions& options = reading->options;
    options.window = static_cast<int>(number(request, "window"));
    options.sinks = static_cast<int>(number(request, "sinks"));
    options.format = key_format(text(field(request, "keyFormat"), "keyFormat"));
    if (options.window < 1 || options.sinks < 0)
        throw Error("usage", "The window must hold at least one token.");
    reading->heads = RecallHeads::of(hyper, heads_of(field(request, "heads")));
    if (reading->heads.heads.empty())
        throw Error("usage", "A profile needs at least one head.");
    const Napi::Value given = request.Get("bank");
    if (given.IsObject()) {
        const Napi::Object object = given.As<Napi::Object>();
        BankRows& bank = reading->bank;
        bank.queries = floats_of(field(object, "queries"), "queries");
        bank.tokens = counts_of(field(object, "tokens"), "tokens");
        if (bank.tokens.empty() ||
            bank.queries.size() != reading->heads.heads.size() * bank.rows() * static_cast<size_t>(hyper.head_size))
            throw Error("usage", "The bank's queries do not fit the heads.");
        options.bank = &bank;
    }
    return reading;
}

EpisodeOptions episode_of(const EpisodeOptions& like, const Napi::Object& given) {
    EpisodeOptions options = like;
    options.tokens = tokens_of(field(given, "tokens"), "tokens");
    options.units = spans_of(field(given, "units"), "units");
    return options;
}

} // namespace

Napi::Value ModelObject::queries(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        auto tokens = tokens_of(call[0], "tokens");
        const int from = call[1].ToNumber().Int32Value();
        auto heads = RecallHeads::of(loaded->model->hyper, heads_of(call[2]));
        const int distance = call[3].ToNumber().Int32Value();
        auto cancel = CancelObject::of(call[4]);
        return NumberTask::start(
            call.Env(), call.Env().Undefined(),
            [=](const NumberTask::Report&) {
                std::lock_guard<std::mutex> guard(loaded->model->lock);
                return loaded->together->queries(*loaded->model, heads, tokens, from, distance, *cancel);
            },
            [](Napi::Env env, std::vector<float>& result) { return floats_to(env, result); }, tell_number);
    });
}

// read(options, cancel, progress)
Napi::Value ModelObject::read(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        const Napi::Object request = call[0].As<Napi::Object>();
        auto reading = reading_of(loaded->model->hyper, request);
        auto options = std::make_shared<EpisodeOptions>(episode_of(reading->options, request));
        auto cancel = CancelObject::of(call[1]);
        using ReadTask = Task<std::shared_ptr<Segment>, Tokens>;
        return ReadTask::start(
            call.Env(), call[2],
            [=](const ReadTask::Report& report) {
                std::lock_guard<std::mutex> guard(loaded->model->lock);
                return read_episode(*loaded->model, reading->heads, *options, *cancel,
                                    [&](int done) { report(Tokens(done)); });
            },
            [](Napi::Env env, std::shared_ptr<Segment>& segment) { return EpisodeObject::create(env, segment); },
            tell_number);
    });
}

// readMany(episodes, options, cancel, progress)
Napi::Value ModelObject::read_many(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&]() -> Napi::Value {
        auto loaded = this->loaded();
        if (!call[0].IsArray())
            throw Error("usage", "episodes must be a list.");
        auto reading = reading_of(loaded->model->hyper, call[1].As<Napi::Object>());
        auto episodes = std::make_shared<std::vector<EpisodeOptions>>();
        const Napi::Array list = call[0].As<Napi::Array>();
        for (uint32_t i = 0; i < list.Length(); ++i)
            episodes->push_back(episode_of(reading->options, list.Get(i).As<Napi::Object>()));
        auto cancel = CancelObject::of(call[2]);
        using Segments = std::vector<std::shared_ptr<Segment>>;
        using ReadTask = Task<Segments, Tokens>;
        return ReadTask::start(
            call.Env(), call[3],
            [=](const ReadTask::Report& report) {
                std::lock_guard<std::mutex> guard(loaded->model->lock);
                return loaded->together->read(*loaded->model, reading->heads, *episodes, *cancel,
                                              [&](int done) { report(Tokens(done)); });
            },
            [](Napi::Env env, Segments& segments) {
                Napi::Array result = Napi::Array::New(env, segments.size());
                for (size_t i = 0; i < segments.size(); ++i)
                    result.Set(static_cast<uint32_t>(i), EpisodeObject::create(env, segments[i]));
                return result;
            },
            tell_number);
    });
}

} // namespace longread
