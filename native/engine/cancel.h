// A flag set by the editor's thread and read by the computing threads; ggml polls it between graph nodes (4-11 ms
// apart).
#pragma once
#include "engine/error.h"
#include <atomic>
#include <memory>

namespace longread {

struct Cancel {
    std::atomic<bool> requested{false};

    // Throws when the user has cancelled; call between steps that change nothing outside.
    void check() const {
        if (requested.load(std::memory_order_relaxed))
            throw Error("cancelled", "Cancelled.");
    }
};

using CancelPtr = std::shared_ptr<Cancel>;

} // namespace longread
