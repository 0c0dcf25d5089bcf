// The one exception type of the engine: a stable code (extension/errors.ts knows them) and a sentence for people.
#pragma once
#include <stdexcept>
#include <string>

namespace longread {

struct Error : std::runtime_error {
    std::string code;
    Error(std::string error_code, const std::string& message)
        : std::runtime_error(message), code(std::move(error_code)) {}
};

} // namespace longread
