// What each kernel computes, on the processor, in the plainest way: to compare kernels with, and to hold both against
// the engine. All numbers are F32 where a kernel has F16; sums are in double precision.
#pragma once
#include "cuda/interface.h"
#include <cstddef>
#include <vector>

namespace longread::gpu::reference {

// to: [row][width]; x: [row][width]; weight: [width]. RMSNorm, arXiv 1910.07467.
void norm(const float* x, const float* weight, float* to, int rows, int width, float epsilon);

// to: [row][out] = x [row][in] · weight [out][in], added to what is there where `add`.
void linear(const float* x, const float* weight, float* to, int rows, int in, int out, bool add);

// SwiGLU, arXiv 2002.05202: to [row][width] = silu(gate) · up, of gate_up [row][gates, then ups].
void gate(const float* gate_up, float* to, int rows, int width);

struct Heads {
    int heads, key_heads, head_size;
    bool neox;
    float epsilon;
    const float *bias, *query_norm, *key_norm; // null where there is none
    const float* turns;                        // [position][head_size / 2] cosine and sine
};

// One head's numbers with its bias and its norm. `head` counts queries, then keys, then values.
void own_head(const float* row, const Heads& heads, int head, float* to);
// In place: biases, norms and rotation of queries and keys, biases of values. qkv: [row][head][head_size].
void rotate(float* qkv, const int32_t* positions, int rows, const Heads& heads);
// shifted: [shift][sink][key head][head_size], keys of the sinks rotated on. qkv is rotated.
void shift_sinks(const float* qkv, const LongreadShift* shifts, int count, int sinks, float length, const Heads& heads,
                 float* shifted);
// to: [row][head][head_size]. A token sees the `window` last tokens of its episode, itself among them, and its sinks.
void attention(const float* qkv, const float* shifted, const LongreadTile* tiles, int count, int window, int sinks,
               float scale, const Heads& heads, float* to);

// Packs one key head of the groups (memory/keys.h); qkv is not rotated yet. Bytes between heads stay as they are.
void pack(const float* qkv, const int32_t* kept_rows, const LongreadGroup* groups, int count, int format, int slot,
          int key_head, const Heads& heads, uint8_t* keys);

// out: [row][unit]; queries: [row][head_size]. `keys` is added to what units say of where their keys are.
void masses(const uint8_t* keys, const LongreadUnit* units, int count, int format, int slot, int head_size,
            const float* queries, int rows, float* out);

// means, deviations: [unit], over questions of the mean of their rows' masses [row][unit]; 0 where that is not finite.
void statistics(const float* masses, const int32_t* question_rows, int questions, int units, float* means,
                float* deviations);

// out [row]: the log-probability (nats) of wanted [row] under logits [row][vocabulary] and biases [vocabulary], or
// null.
void likelihoods(const float* logits, const float* bias, const int32_t* wanted, int rows, int vocabulary, float* out);

} // namespace longread::gpu::reference
