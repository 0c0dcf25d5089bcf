// Calls that tell how far they are in whole numbers, tokens mostly; many of them give numbers, too.
#pragma once
#include "addon/task.h"

namespace longread {

using Tokens = int;
using NumberTask = Task<std::vector<float>, Tokens>;

inline void tell_number(Napi::Env env, const Napi::FunctionReference& listener, const Tokens& done) {
    listener.Call({Napi::Number::New(env, done)});
}

} // namespace longread
