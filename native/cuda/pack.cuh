// Keys that stay of a batch, packed as the engine stores them (memory/keys.h).
#pragma once
#include "cuda/heads.cuh"
#include "cuda/interface.h"

namespace longread::gpu {

// Packs for each of the slots first_slot … first_slot + slots - 1 the keys of the key head key_heads[slot] of this
// layer, biases and norms added, not rotated: qkv [row][head][head_size] F16 before rotate(). kept_rows, groups, keys
// and key_heads lie on the GPU. Tokens that a group lacks are zero; bytes between heads stay as they are. F16 keys are
// the reference's where there are no norms; 8-bit keys and scales are off by one step at most, and where biases and
// norms are added that many steps as F32 rounds.
void pack(const __half* qkv, const int32_t* kept_rows, const LongreadGroup* groups, int count, int format,
          int first_slot, int slots, const int32_t* key_heads, int head_size, const Heads& heads, uint8_t* keys,
          cudaStream_t stream);

} // namespace longread::gpu
