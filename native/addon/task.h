// One call on a worker thread: a promise, progress on the JavaScript thread, and errors with their codes. What the work
// needs (model, cancel flag) it holds by shared_ptr, so nothing is freed under it.
#pragma once
#include "engine/error.h"
#include <functional>
#include <memory>
#include <mutex>
#include <napi.h>
#include <vector>

namespace longread {

inline Napi::Error to_javascript(Napi::Env env, const std::string& code, const std::string& message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
}

// Runs `body` and turns the engine's errors into JavaScript's.
template <typename Body> auto checked(Napi::Env env, Body body) -> decltype(body()) {
    try {
        return body();
    } catch (const Error& error) {
        throw to_javascript(env, error.code, error.what());
    } catch (const std::bad_alloc&) {
        throw to_javascript(env, "internal", "There is not enough memory.");
    }
}

// Event: what the work reports while it runs. Result: what the promise resolves to.
template <typename Result, typename Event> class Task : public Napi::AsyncProgressQueueWorker<Event> {
  public:
    using Progress = typename Napi::AsyncProgressQueueWorker<Event>::ExecutionProgress;
    using Report = std::function<void(Event&&)>;
    using Work = std::function<Result(const Report&)>;
    using Deliver = std::function<Napi::Value(Napi::Env, Result&)>;
    using Tell = std::function<void(Napi::Env, const Napi::FunctionReference&, const Event&)>;

    // `listener` may be undefined; `tell` calls it with an event.
    static Napi::Promise start(Napi::Env env, Napi::Value listener, Work work, Deliver deliver, Tell tell) {
        auto* task = new Task(env, std::move(work), std::move(deliver), std::move(tell));
        if (listener.IsFunction())
            task->listener_ = Napi::Persistent(listener.As<Napi::Function>());
        Napi::Promise promise = task->deferred_.Promise();
        task->Queue();
        return promise;
    }

  protected:
    void Execute(const Progress& progress) override {
        try {
            result_ = std::make_unique<Result>(work_([&](Event&& event) { progress.Send(&event, 1); }));
        } catch (const Error& error) {
            code_ = error.code;
            this->SetError(error.what());
        } catch (const std::bad_alloc&) {
            code_ = "internal";
            this->SetError("There is not enough memory.");
        } catch (const std::exception& error) {
            code_ = "internal";
            this->SetError(error.what());
        }
    }

    void OnProgress(const Event* events, size_t count) override {
        if (listener_.IsEmpty() || !events)
            return;
        Napi::HandleScope scope(this->Env());
        for (size_t i = 0; i < count; ++i)
            tell_(this->Env(), listener_, events[i]);
    }

    void OnOK() override {
        Napi::HandleScope scope(this->Env());
        deferred_.Resolve(deliver_(this->Env(), *result_));
    }

    void OnError(const Napi::Error& error) override {
        Napi::HandleScope scope(this->Env());
        deferred_.Reject(to_javascript(this->Env(), code_, error.Message()).Value());
    }

  private:
    Task(Napi::Env env, Work work, Deliver deliver, Tell tell)
        : Napi::AsyncProgressQueueWorker<Event>(env), deferred_(Napi::Promise::Deferred::New(env)),
          work_(std::move(work)), deliver_(std::move(deliver)), tell_(std::move(tell)) {}

    Napi::Promise::Deferred deferred_;
    Napi::FunctionReference listener_;
    Work work_;
    Deliver deliver_;
    Tell tell_;
    std::unique_ptr<Result> result_;
    std::string code_ = "internal";
};

} // namespace longread
