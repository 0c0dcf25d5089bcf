#include "engine/gguf-file.h"
#include <climits>
#include <cmath>

namespace longread {

GgufFile::GgufFile(const std::string& path) : path_(path) {
    file_ = std::fopen(path.c_str(), "rb");
    if (!file_)
        bad("it cannot be opened");
    gguf_init_params params = {true, &descriptions_};
    gguf_ = gguf_init_from_file(path.c_str(), params);
    if (!gguf_) {
        std::fclose(file_);
        bad("its header is damaged or it is not a GGUF file");
    }
}

GgufFile::~GgufFile() {
    gguf_free(gguf_);
    ggml_free(descriptions_);
    std::fclose(file_);
}

void GgufFile::bad(const std::string& why) const {
    throw Error("bad-model", path_ + " cannot be used as a model: " + why + ".");
}

bool GgufFile::has(const std::string& key) const { return gguf_find_key(gguf_, key.c_str()) >= 0; }

std::string GgufFile::text(const std::string& key) const {
    const int64_t id = gguf_find_key(gguf_, key.c_str());
    if (id < 0 || gguf_get_kv_type(gguf_, id) != GGUF_TYPE_STRING)
        bad("the key " + key + " is missing or not a text");
    return gguf_get_val_str(gguf_, id);
}

int GgufFile::integer(const std::string& key) const {
    const int64_t id = gguf_find_key(gguf_, key.c_str());
    if (id < 0)
        bad("the key " + key + " is missing");
    int64_t value = -1;
    switch (gguf_get_kv_type(gguf_, id)) {
    case GGUF_TYPE_UINT32:
        value = gguf_get_val_u32(gguf_, id);
        break;
    case GGUF_TYPE_INT32:
        value = gguf_get_val_i32(gguf_, id);
        break;
    case GGUF_TYPE_UINT64:
        value = static_cast<int64_t>(gguf_get_val_u64(gguf_, id));
        break;
    case GGUF_TYPE_INT64:
        value = gguf_get_val_i64(gguf_, id);
        break;
    default:
        bad("the key " + key + " is not a whole number");
    }
    if (value < 0 || value > INT_MAX)
        bad("the key " + key + " is out of range");
    return static_cast<int>(value);
}

float GgufFile::number(const std::string& key) const {
    const int64_t id = gguf_find_key(gguf_, key.c_str());
    if (id < 0 || gguf_get_kv_type(gguf_, id) != GGUF_TYPE_FLOAT32)
        bad("the key " + key + " is missing or not a number");
    const float value = gguf_get_val_f32(gguf_, id);
    if (!std::isfinite(value))
        bad("the key " + key + " is not finite");
    return value;
}

int GgufFile::integer(const std::string& key, int fallback) const { return has(key) ? integer(key) : fallback; }

float GgufFile::number(const std::string& key, float fallback) const { return has(key) ? number(key) : fallback; }

bool GgufFile::is_list(const std::string& key) const {
    return has(key) && gguf_get_kv_type(gguf_, gguf_find_key(gguf_, key.c_str())) == GGUF_TYPE_ARRAY;
}

std::vector<bool> GgufFile::flags(const std::string& key) const {
    const int64_t id = gguf_find_key(gguf_, key.c_str());
    const gguf_type type = is_list(key) ? gguf_get_arr_type(gguf_, id) : GGUF_TYPE_STRING;
    if (type != GGUF_TYPE_BOOL && type != GGUF_TYPE_UINT32 && type != GGUF_TYPE_INT32)
        bad("the key " + key + " is not a list of yes and no");
    std::vector<bool> values(gguf_get_arr_n(gguf_, id));
    const void* data = gguf_get_arr_data(gguf_, id);
    for (size_t i = 0; i < values.size(); ++i)
        values[i] = type == GGUF_TYPE_BOOL ? static_cast<const int8_t*>(data)[i] != 0
                                           : static_cast<const uint32_t*>(data)[i] != 0;
    return values;
}

size_t GgufFile::tensors() const { return static_cast<size_t>(gguf_get_n_tensors(gguf_)); }

ggml_tensor* GgufFile::find(const std::string& name) const { return ggml_get_tensor(descriptions_, name.c_str()); }

void GgufFile::read(const ggml_tensor* tensor, void* to) {
    const int64_t id = gguf_find_tensor(gguf_, ggml_get_name(tensor));
    const size_t offset = gguf_get_data_offset(gguf_) + gguf_get_tensor_offset(gguf_, id);
    const size_t bytes = ggml_nbytes(tensor);
    if (fseeko(file_, static_cast<off_t>(offset), SEEK_SET) != 0 || std::fread(to, 1, bytes, file_) != bytes)
        bad("it is cut: " + std::string(ggml_get_name(tensor)) + " ends beyond the file. Pull it again");
}

} // namespace longread
