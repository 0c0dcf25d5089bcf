// Reads typed keys and tensors of a GGUF file. ggml's accessors abort on a wrong type, so each is checked first.
#pragma once
#include "engine/error.h"
#include <cstdio>
#include <ggml.h>
#include <gguf.h>
#include <string>
#include <vector>

namespace longread {

class GgufFile {
  public:
    // Throws Error("bad-model") when the file cannot be opened or its header does not hold together.
    explicit GgufFile(const std::string& path);
    ~GgufFile();
    GgufFile(const GgufFile&) = delete;
    GgufFile& operator=(const GgufFile&) = delete;

    bool has(const std::string& key) const;
    std::string text(const std::string& key) const;
    // A missing key gives the fallback; a key of another type throws.
    int integer(const std::string& key, int fallback) const;
    float number(const std::string& key, float fallback) const;
    int integer(const std::string& key) const;
    float number(const std::string& key) const;

    // Whether the key is there and holds a list.
    bool is_list(const std::string& key) const;
    // A list of booleans, or of numbers that are zero or not.
    std::vector<bool> flags(const std::string& key) const;

    size_t tensors() const;
    // The tensor's description (no data), or null.
    ggml_tensor* find(const std::string& name) const;
    // Calls back with the description of every tensor.
    template <typename Callback> void each(Callback callback) const {
        for (ggml_tensor* tensor = ggml_get_first_tensor(descriptions_); tensor;
             tensor = ggml_get_next_tensor(descriptions_, tensor))
            callback(static_cast<const ggml_tensor*>(tensor));
    }
    // Reads the tensor's bytes into `to`; throws when the file ends before them.
    void read(const ggml_tensor* tensor, void* to);
    [[noreturn]] void bad(const std::string& why) const;

  private:
    std::string path_;
    gguf_context* gguf_ = nullptr;
    ggml_context* descriptions_ = nullptr;
    FILE* file_ = nullptr;
};

} // namespace longread
