#include "cuda/check.cuh"
#include "cuda/statistics.cuh"

namespace longread::gpu {
namespace {

constexpr int threads = 128;

// A thread a unit of a head: neighbouring threads read neighbouring numbers.
__global__ void __launch_bounds__(threads)
    statistics_kernel(const float* masses, const int32_t* question_rows, int questions, int all_rows, int units,
                      float* means, float* deviations) {
    const int unit = static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x);
    if (unit >= units)
        return;
    const size_t head = blockIdx.y;
    const float* from = masses + head * all_rows * units + unit;
    means += head * units;
    deviations += head * units;
    double sum = 0, squares = 0;
    for (int q = 0; q < questions; ++q) {
        const int rows = question_rows[q];
        double mean = 0;
        for (int t = 0; t < rows; ++t, from += units)
            mean += static_cast<double>(*from);
        mean /= rows;
        sum += mean;
        squares += mean * mean;
    }
    const double mean = sum / questions, variance = squares / questions - mean * mean;
    const bool finite = isfinite(mean);
    means[unit] = finite ? static_cast<float>(mean) : 0.0f;
    deviations[unit] = finite ? static_cast<float>(sqrt(variance > 0 ? variance : 0.0)) : 0.0f;
}

} // namespace

void statistics(const float* masses, const int32_t* question_rows, int questions, int rows, int heads, int units,
                float* means, float* deviations, cudaStream_t stream) {
    const dim3 grid(static_cast<unsigned>(blocks_for(units, threads)), static_cast<unsigned>(heads));
    launch(statistics_kernel, grid, threads, 0, stream, masses, question_rows, questions, rows, units, means,
           deviations);
}

} // namespace longread::gpu
