#include "memory/keys.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <ggml.h>

namespace longread {

size_t key_bytes(KeyFormat format, int head_size, int tokens) {
    const size_t padded = static_cast<size_t>(groups_of(tokens)) * group_tokens;
    return format == KeyFormat::f16 ? padded * head_size * sizeof(uint16_t)
                                    : padded * sizeof(float) + padded * head_size;
}

void pack_keys(KeyFormat format, int head_size, int tokens, const float* rows, size_t stride, uint8_t* to) {
    std::memset(to, 0, key_bytes(format, head_size, tokens));
    const size_t padded = static_cast<size_t>(groups_of(tokens)) * group_tokens;
    uint16_t* half = reinterpret_cast<uint16_t*>(to);
    float* scales = reinterpret_cast<float*>(to);
    int8_t* bytes = reinterpret_cast<int8_t*>(to + padded * sizeof(float));
    for (int t = 0; t < tokens; ++t) {
        const float* row = rows + static_cast<size_t>(t) * stride;
        const size_t place = static_cast<size_t>(t / group_tokens) * head_size * group_tokens + t % group_tokens;
        if (format == KeyFormat::f16) {
            for (int d = 0; d < head_size; ++d)
                half[place + static_cast<size_t>(d) * group_tokens] = ggml_fp32_to_fp16(row[d]);
            continue;
        }
        float largest = 0;
        for (int d = 0; d < head_size; ++d)
            largest = std::max(largest, std::fabs(row[d]));
        scales[t] = largest / 127.0f;
        const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
        for (int d = 0; d < head_size; ++d)
            bytes[place + static_cast<size_t>(d) * group_tokens] = static_cast<int8_t>(std::lrintf(row[d] * inverse));
    }
}

void copy_keys(const KeyView& from, int begin, int end, uint8_t* to, int tokens, int first) {
    const size_t padded = static_cast<size_t>(groups_of(tokens)) * group_tokens;
    const auto place = [&](int token) {
        return static_cast<size_t>(token / group_tokens) * from.head_size * group_tokens + token % group_tokens;
    };
    for (int t = begin; t < end; ++t) {
        const size_t source = place(t), target = place(first + t - begin);
        if (from.format == KeyFormat::f16) {
            uint16_t* half = reinterpret_cast<uint16_t*>(to);
            for (size_t d = 0; d < static_cast<size_t>(from.head_size) * group_tokens; d += group_tokens)
                half[target + d] = from.half[source + d];
            continue;
        }
        reinterpret_cast<float*>(to)[first + t - begin] = from.scales[t];
        int8_t* bytes = reinterpret_cast<int8_t*>(to + padded * sizeof(float));
        for (size_t d = 0; d < static_cast<size_t>(from.head_size) * group_tokens; d += group_tokens)
            bytes[target + d] = from.bytes[source + d];
    }
}

void read_key(const KeyView& keys, int token, float* to) {
    size_t place = static_cast<size_t>(token / group_tokens) * keys.head_size * group_tokens + token % group_tokens;
    for (int d = 0; d < keys.head_size; ++d, place += group_tokens)
        to[d] = keys.format == KeyFormat::f16 ? ggml_fp16_to_fp32(keys.half[place])
                                              : keys.scales[token] * static_cast<float>(keys.bytes[place]);
}

KeyView view_keys(KeyFormat format, int head_size, int tokens, const uint8_t* from) {
    if (format == KeyFormat::f16)
        return {format, head_size, tokens, reinterpret_cast<const uint16_t*>(from), nullptr, nullptr};
    const size_t padded = static_cast<size_t>(groups_of(tokens)) * group_tokens;
    return {format,
            head_size,
            tokens,
            nullptr,
            reinterpret_cast<const int8_t*>(from + padded * sizeof(float)),
            reinterpret_cast<const float*>(from)};
}

} // namespace longread
