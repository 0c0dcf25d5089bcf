// What the reference questions say of units: mean and deviation of their mean masses.
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

// means, deviations: [head][unit] F32, of masses [head][row][unit]; question_rows: [question], rows of each, one after
// the other, `rows` together; all on the GPU. 0 where the mean is not finite. Summed in F64 as the reference does; off
// it by what F32 rounds, 1e-6.
void statistics(const float* masses, const int32_t* question_rows, int questions, int rows, int heads, int units,
                float* means, float* deviations, cudaStream_t stream);

} // namespace longread::gpu
