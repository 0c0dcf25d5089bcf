// How the C interface keeps exceptions to itself.
#pragma once
#include <cstdint>
#include <exception>
#include <string>

namespace longread::gpu {

// Of this thread's last call that failed.
inline thread_local std::string last_error;

// Runs `body` and gives what it gives, or `failed` with its error remembered.
template <typename Result, typename Body> Result guarded(Result failed, Body body) {
    try {
        return body();
    } catch (const std::exception& error) {
        last_error = error.what();
    } catch (...) {
        last_error = "unknown";
    }
    return failed;
}

template <typename Body> int32_t done(Body body) {
    return guarded<int32_t>(1, [&] {
        body();
        return 0;
    });
}

} // namespace longread::gpu

#define LONGREAD_EXPORT extern "C" __attribute__((visibility("default")))
