// Reads JavaScript values with exact messages; extension/engine checks first, this is the second line.
#pragma once
#include "engine/error.h"
#include "engine/sampler.h"
#include "memory/keys.h"
#include <cstdint>
#include <napi.h>
#include <string>
#include <utility>
#include <vector>

namespace longread {

inline Napi::Value field(const Napi::Object& object, const char* name) {
    Napi::Value value = object.Get(name);
    if (value.IsUndefined())
        throw Error("usage", std::string("The option ") + name + " is missing.");
    return value;
}

inline double number(const Napi::Object& object, const char* name) {
    Napi::Value value = field(object, name);
    if (!value.IsNumber())
        throw Error("usage", std::string("The option ") + name + " must be a number.");
    return value.As<Napi::Number>().DoubleValue();
}

inline std::string text(const Napi::Value& value, const char* name) {
    if (!value.IsString())
        throw Error("usage", std::string(name) + " must be a text.");
    return value.As<Napi::String>().Utf8Value();
}

inline std::vector<std::string> texts_of(const Napi::Value& value, const char* name) {
    if (!value.IsArray())
        throw Error("usage", std::string(name) + " must be a list.");
    std::vector<std::string> texts;
    const Napi::Array array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i)
        texts.push_back(text(array.Get(i), name));
    return texts;
}

template <typename Array, typename Element>
std::vector<Element> elements(const Napi::Value& value, napi_typedarray_type type, const char* name) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
        throw Error("usage", std::string(name) + " must be a typed array of the right type.");
    Array array = value.As<Array>();
    return std::vector<Element>(array.Data(), array.Data() + array.ElementLength());
}

inline std::vector<int32_t> tokens_of(const Napi::Value& value, const char* name) {
    return elements<Napi::Int32Array, int32_t>(value, napi_int32_array, name);
}

inline std::vector<float> floats_of(const Napi::Value& value, const char* name) {
    return elements<Napi::Float32Array, float>(value, napi_float32_array, name);
}

inline std::vector<uint32_t> counts_of(const Napi::Value& value, const char* name) {
    return elements<Napi::Uint32Array, uint32_t>(value, napi_uint32_array, name);
}

inline std::vector<std::pair<uint32_t, uint32_t>> spans_of(const Napi::Value& value, const char* name) {
    const std::vector<uint32_t> flat = counts_of(value, name);
    if (flat.size() % 2 != 0)
        throw Error("usage", std::string(name) + " must hold pairs.");
    std::vector<std::pair<uint32_t, uint32_t>> spans;
    for (size_t i = 0; i < flat.size(); i += 2)
        spans.emplace_back(flat[i], flat[i + 1]);
    return spans;
}

// A KeyFormat by its name in the profile.
inline KeyFormat key_format(const std::string& name) {
    if (name == "f16")
        return KeyFormat::f16;
    if (name == "q8")
        return KeyFormat::q8;
    throw Error("usage", "Keys are kept as f16 or q8, not \"" + name + "\".");
}

// [{layer, head}, …]
inline std::vector<std::pair<int, int>> heads_of(const Napi::Value& value) {
    if (!value.IsArray())
        throw Error("usage", "heads must be a list.");
    const Napi::Array list = value.As<Napi::Array>();
    std::vector<std::pair<int, int>> heads;
    for (uint32_t i = 0; i < list.Length(); ++i) {
        const Napi::Object head = list.Get(i).As<Napi::Object>();
        heads.emplace_back(static_cast<int>(number(head, "layer")), static_cast<int>(number(head, "head")));
    }
    return heads;
}

// {temperature, topP, seed, maxTokens}
inline Sampling sampling_of(const Napi::Object& request) {
    Sampling sampling;
    sampling.temperature = static_cast<float>(number(request, "temperature"));
    sampling.top_p = static_cast<float>(number(request, "topP"));
    sampling.seed = static_cast<uint32_t>(number(request, "seed"));
    sampling.max_tokens = static_cast<int>(number(request, "maxTokens"));
    if (sampling.max_tokens < 1 || sampling.max_tokens > 1 << 20)
        throw Error("usage", "maxTokens must be at least 1.");
    return sampling;
}

inline Napi::Value floats_to(Napi::Env env, const std::vector<float>& values) {
    Napi::Float32Array array = Napi::Float32Array::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

} // namespace longread
