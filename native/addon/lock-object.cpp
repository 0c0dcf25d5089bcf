// A lock on a file, as JavaScript holds it.
#include "addon/objects.h"
#include "addon/task.h"
#include "addon/values.h"

namespace longread {

Napi::Function LockObject::define(Napi::Env env) {
    return DefineClass(env, "Lock",
                       {InstanceMethod("take", &LockObject::take), InstanceMethod("release", &LockObject::release)});
}

// new Lock(path)
LockObject::LockObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LockObject>(info) {
    checked(info.Env(), [&] { lock_ = std::make_unique<FileLock>(text(info[0], "path")); });
}

Napi::Value LockObject::take(const Napi::CallbackInfo& call) {
    return Napi::Boolean::New(call.Env(), lock_->take(call[0].ToBoolean()));
}

Napi::Value LockObject::release(const Napi::CallbackInfo& call) {
    lock_->release();
    return call.Env().Undefined();
}

} // namespace longread
