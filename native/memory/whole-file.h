// Files that are there whole or not at all, also after a crash.
#pragma once
#include "engine/error.h"
#include <initializer_list>
#include <string>

namespace longread {

struct BytesView {
    const void* data;
    size_t size;
};

// Throws Error("disk") that says what to do.
[[noreturn]] void disk_error(const std::string& path, int number);

// Writes the parts one after the other into `file`, which was opened as `aside` and is closed; then it gets the name
// `path`, instead of what had it. What fails leaves neither. Throws Error("disk").
void write_whole(int file, const std::string& aside, const std::string& path, std::initializer_list<BytesView> parts);

} // namespace longread
