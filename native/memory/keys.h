// The keys of one key head of a segment, as recall reads them: not rotated, in groups of 16 tokens with the tokens
// fastest, [group][dim][16], so that one vector register holds the same dimension of 16 tokens. The last group is
// padded with zeros. 8-bit keys have one scale a token (F32, [group][16]): key = scale * byte.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace longread {

enum class KeyFormat : uint32_t { f16 = 1, q8 = 2 };

constexpr int group_tokens = 16;

inline int groups_of(int tokens) { return (tokens + group_tokens - 1) / group_tokens; }

// A view on stored keys; the bytes belong to a segment in memory or to a mapped file.
struct KeyView {
    KeyFormat format;
    int head_size;
    int tokens;
    const uint16_t* half; // F16, or null
    const int8_t* bytes;  // 8 bit, or null
    const float* scales;  // with `bytes`
};

// Bytes that `tokens` keys of one head take in a segment.
size_t key_bytes(KeyFormat format, int head_size, int tokens);

// Packs rows of F32 keys, [token][stride] with head_size values each, to `to` (key_bytes long).
void pack_keys(KeyFormat format, int head_size, int tokens, const float* rows, size_t stride, uint8_t* to);

// Copies tokens begin..end (end exclusive) of `from` to the keys `to` of `tokens` tokens, as its tokens `first` and on.
void copy_keys(const KeyView& from, int begin, int end, uint8_t* to, int tokens, int first);

// One key of a view as F32, head_size long.
void read_key(const KeyView& keys, int token, float* to);

KeyView view_keys(KeyFormat format, int head_size, int tokens, const uint8_t* from);

} // namespace longread
