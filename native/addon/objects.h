// The objects JavaScript holds: a cancel flag, a model, what was read of a file, a stream
// read by InfLLM's method, a store, what a question made of it, words, a lock. Each owns its C++
// counterpart by shared_ptr; a running call owns it too.
#pragma once
#include "engine/generate.h"
#include "engine/likelihoods.h"
#include "engine/reader.h"
#include "engine/together.h"
#include "engine/warm-up.h"
#include "engine/word-space.h"
#include "infllm/answering.h"
#include "memory/file-lock.h"
#include "recall/word-list.h"
#include <napi.h>

namespace longread {

class CancelObject : public Napi::ObjectWrap<CancelObject> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit CancelObject(const Napi::CallbackInfo& info);
    static CancelPtr of(const Napi::Value& value);

  private:
    Napi::Value cancel(const Napi::CallbackInfo& info);
    CancelPtr flag_ = std::make_shared<Cancel>();
};

class EpisodeObject : public Napi::ObjectWrap<EpisodeObject> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit EpisodeObject(const Napi::CallbackInfo& info);
    static Napi::Object create(Napi::Env env, std::shared_ptr<Segment> segment);
    static std::shared_ptr<Segment> of(const Napi::Value& value);
    // The addon's mapEpisode.
    static Napi::Value map(const Napi::CallbackInfo& info);

  private:
    Napi::Value save(const Napi::CallbackInfo& info);
    Napi::Value check(const Napi::CallbackInfo& info);
    Napi::Value pick(const Napi::CallbackInfo& info);
    std::shared_ptr<Segment> segment_;
};

class LockObject : public Napi::ObjectWrap<LockObject> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit LockObject(const Napi::CallbackInfo& info);

  private:
    Napi::Value take(const Napi::CallbackInfo& info);
    Napi::Value release(const Napi::CallbackInfo& info);
    std::unique_ptr<FileLock> lock_;
};

struct LoadedModel {
    std::unique_ptr<Model> model;
    std::unique_ptr<Tokenizer> tokenizer;
    // Under the model's lock; the words are made when first asked for.
    std::unique_ptr<WordSpace> words;
    ReadPrefixes prefixes;
    // Never null.
    std::unique_ptr<Together> together;
};

class ModelObject : public Napi::ObjectWrap<ModelObject> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit ModelObject(const Napi::CallbackInfo& info);
    static Napi::Object create(Napi::Env env, std::shared_ptr<LoadedModel> loaded);
    static std::shared_ptr<LoadedModel> of(const Napi::Value& value);

  private:
    std::shared_ptr<LoadedModel> loaded() const;
    Napi::Value info(const Napi::CallbackInfo& info);
    Napi::Value tokenize(const Napi::CallbackInfo& info);
    Napi::Value tokenize_many(const Napi::CallbackInfo& info);
    Napi::Value detokenize(const Napi::CallbackInfo& info);
    Napi::Value chat(const Napi::CallbackInfo& info);
    Napi::Value word_vectors(const Napi::CallbackInfo& info);
    Napi::Value queries(const Napi::CallbackInfo& info);
    Napi::Value warm_up(const Napi::CallbackInfo& info);
    Napi::Value read(const Napi::CallbackInfo& info);
    Napi::Value read_many(const Napi::CallbackInfo& info);
    Napi::Value likelihood(const Napi::CallbackInfo& info);
    Napi::Value keep_prefixes(const Napi::CallbackInfo& info);
    Napi::Value logits(const Napi::CallbackInfo& info);
    Napi::Value generate(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);
    std::shared_ptr<LoadedModel> loaded_;
};

class InfLlmObject : public Napi::ObjectWrap<InfLlmObject> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit InfLlmObject(const Napi::CallbackInfo& info);

  private:
    // The memory and the model it was made with, which goes last; and what is told of it while it reads.
    struct Held {
        std::shared_ptr<LoadedModel> loaded;
        std::unique_ptr<UnitMemory> memory;

        // Takes down what the memory has now; under the model's lock.
        void take_down();
        std::mutex lock; // of what follows
        UnitMemory::Totals totals;
        std::vector<int> starts;
    };
    std::shared_ptr<Held> held() const;
    Napi::Value info(const Napi::CallbackInfo& info);
    Napi::Value unit_starts(const Napi::CallbackInfo& info);
    Napi::Value read(const Napi::CallbackInfo& info);
    Napi::Value answer(const Napi::CallbackInfo& info);
    Napi::Value save(const Napi::CallbackInfo& info);
    Napi::Value restore(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);
    std::shared_ptr<Held> held_;
};

class RankedObject : public Napi::ObjectWrap<RankedObject> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit RankedObject(const Napi::CallbackInfo& info);
    static Napi::Object create(Napi::Env env, Ranked&& ranked);

  private:
    const Ranked& ranked() const;
    Napi::Value scores(const Napi::CallbackInfo& info);
    Napi::Value finds(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);
    std::unique_ptr<Ranked> ranked_;
};

class WordsObject : public Napi::ObjectWrap<WordsObject> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit WordsObject(const Napi::CallbackInfo& info);

  private:
    struct Held {
        std::shared_ptr<LoadedModel> loaded;
        std::mutex lock;
        WordList words;
    };
    Napi::Value add(const Napi::CallbackInfo& info);
    Napi::Value near(const Napi::CallbackInfo& info);
    std::shared_ptr<Held> held_;
};

class StoreObject : public Napi::ObjectWrap<StoreObject> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit StoreObject(const Napi::CallbackInfo& info);

  private:
    Napi::Value bytes(const Napi::CallbackInfo& info);
    Napi::Value put(const Napi::CallbackInfo& info);
    Napi::Value remove(const Napi::CallbackInfo& info);
    Napi::Value get(const Napi::CallbackInfo& info);
    Napi::Value take_damaged(const Napi::CallbackInfo& info);
    Napi::Value keep_resident(const Napi::CallbackInfo& info);
    Napi::Value score(const Napi::CallbackInfo& info);
    Napi::Value arrange(const Napi::CallbackInfo& info);
    Napi::Value rank(const Napi::CallbackInfo& info);
    Napi::Value estimate(const Napi::CallbackInfo& info);
    Napi::Value score_units(const Napi::CallbackInfo& info);
    Napi::Value overflows(const Napi::CallbackInfo& info);
    std::shared_ptr<Store> store_;
    std::shared_ptr<const Store::Arrangement> arranged_;
};

// Constructors by environment, so that the addon also loads in worker threads.
struct Constructors {
    Napi::FunctionReference cancel, episode, infllm, lock, model, ranked, store, words;
};

} // namespace longread
