// Products on the processor, where kernels are run there.
//
// LONGREAD_EMULATED_WRONG makes them wrong, for tests of who notices.
#include "cuda/eight.h"
#include "cuda/linear.cuh"

namespace longread::gpu {

struct Linear::Plans {};

Linear::Linear(const char*) {}
Linear::~Linear() = default;

void Linear::multiply(const Product& p, Factor x, Factor weight, void* y, int rows, cudaStream_t) {
    const auto number = [&](const Factor& of, size_t i) {
        return p.eight ? from_eight(static_cast<const uint8_t*>(of.numbers)[i]) * of.scales[i / p.in]
                       : __half2float(static_cast<const __half*>(of.numbers)[i]);
    };
    const float factor = std::getenv("LONGREAD_EMULATED_WRONG") ? -1.0f : 1.0f;
    std::vector<float> row(static_cast<size_t>(p.in)), all(static_cast<size_t>(p.in) * p.out);
    for (size_t i = 0; i < all.size(); ++i)
        all[i] = number(weight, i);
    for (int r = 0; r < rows; ++r) {
        for (int i = 0; i < p.in; ++i)
            row[static_cast<size_t>(i)] = number(x, static_cast<size_t>(r) * p.in + i);
        for (int o = 0; o < p.out; ++o) {
            float sum = 0;
            for (int i = 0; i < p.in; ++i)
                sum += row[static_cast<size_t>(i)] * all[static_cast<size_t>(o) * p.in + i];
            sum *= factor;
            const size_t at = static_cast<size_t>(r) * p.stride + o;
            if (p.adds)
                static_cast<float*>(y)[at] += sum;
            else
                static_cast<__half*>(y)[at] = __float2half_rn(sum);
        }
    }
}

void Linear::tune(const Product&, Factor, Factor, void*, int, cudaStream_t) {}

} // namespace longread::gpu
