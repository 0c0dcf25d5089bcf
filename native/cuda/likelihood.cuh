// How likely tokens are: log-softmax over the vocabulary of the wanted token alone, taken of a part of the vocabulary
// at a time, so that no row's logits are ever there as a whole. A CPU reference is in reference.h.
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// to [count][width] = the rows of `from` [row][width] with these numbers; width a multiple of 8. Exact.
void pick_rows(const __half* from, const int32_t* rows, __half* to, int count, int width, cudaStream_t stream);

// What the logits so far come to: largest, sum of powers less the largest, and the wanted token's: [3][row].
constexpr int likelihood_sums = 3;

// Takes the logits [row][columns], rows `stride` apart, of the tokens from `first` on, to which biases [token] are
// added, or null; where `first` is 0 the sums are begun. After the last part out [row] is the log-probability of wanted
// [row], in nats. Off the reference by at most 2e-5 + 1e-6 of its size: sums of F32.
void take_logits(const float* logits, const float* bias, const int32_t* wanted, int rows, int columns, int stride,
                 int first, float* sums, float* out, cudaStream_t stream);

} // namespace longread::gpu
