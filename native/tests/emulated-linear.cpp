// Products on the processor, where kernels are run there.
#include "cuda/linear.cuh"

namespace longread::gpu {

struct Linear::Plans {};

Linear::Linear(const char*) {}
Linear::~Linear() = default;

void Linear::multiply(const Product& p, const __half* x, const __half* weight, void* y, int rows, cudaStream_t) {
    std::vector<float> row(static_cast<size_t>(p.in)), all(static_cast<size_t>(p.in) * p.out);
    for (size_t i = 0; i < all.size(); ++i)
        all[i] = __half2float(weight[i]);
    for (int r = 0; r < rows; ++r) {
        for (int i = 0; i < p.in; ++i)
            row[static_cast<size_t>(i)] = __half2float(x[static_cast<size_t>(r) * p.in + i]);
        for (int o = 0; o < p.out; ++o) {
            float sum = 0;
            for (int i = 0; i < p.in; ++i)
                sum += row[static_cast<size_t>(i)] * all[static_cast<size_t>(o) * p.in + i];
            const size_t at = static_cast<size_t>(r) * p.stride + o;
            if (p.adds)
                static_cast<float*>(y)[at] += sum;
            else
                static_cast<__half*>(y)[at] = __float2half_rn(sum);
        }
    }
}

void Linear::tune(const Product& p, const __half* x, const __half* weight, void* y, int rows, cudaStream_t stream) {
    multiply(p, x, weight, y, rows, stream);
}

} // namespace longread::gpu
