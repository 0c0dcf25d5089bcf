// The products of a model's layers alone: what reading cannot be quicker than with the same multiplication. Benches ask
// for it (interface.h).
#include "cuda/check.cuh"
#include "cuda/eights.cuh"
#include "cuda/guarded.cuh"
#include "cuda/interface.h"
#include "cuda/linear.cuh"
#include "cuda/random-halves.h"
#include "cuda/reader.cuh"

namespace longread::gpu {
namespace {

// A matrix of random numbers as a product takes it: halves, or those in 8 bit.
struct RandomFactor {
    Buffer<__half> halves;
    Buffer<uint8_t> eights;
    Buffer<float> scales;
    bool eight;

    RandomFactor(int rows, int width, float size, bool in_eight, cudaStream_t stream) : eight(in_eight) {
        const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(width);
        const std::vector<uint16_t> numbers = random_halves(count, size);
        halves.upload(reinterpret_cast<const __half*>(numbers.data()), count);
        if (!eight)
            return;
        eights.reserve(count);
        scales.reserve(static_cast<size_t>(rows));
        to_eights(halves.data(), eights.data(), scales.data(), rows, width, stream);
    }
    Factor factor() const { return eight ? Factor(eights.data(), scales.data()) : Factor(halves.data()); }
};

double seconds_of_products(const char* bus_id, const char* cublas, const LongreadShape& s, int rows, int times) {
    Reader::check_shape(s);
    if (rows < 1 || times < 1)
        throw std::runtime_error("there is nothing to time");
    use_device(bus_id);
    const int mixed = s.heads * s.head_size, all = mixed + 2 * s.key_heads * s.head_size;
    const bool eight = s.eight != 0;
    const Product products[] = {{s.embedding, all, all, false, eight},
                                {mixed, s.embedding, s.embedding, false, eight},
                                {s.embedding, 2 * s.feed_forward, 2 * s.feed_forward, false, eight},
                                {s.feed_forward, s.embedding, s.embedding, false, eight}};
    Linear linear(cublas);
    const Stream stream;
    Event before, after;
    double seconds = 0;
    for (const Product& p : products) {
        const RandomFactor x(rows, p.in, 1, eight, stream), weight(p.out, p.in, 0.02f, eight, stream);
        Buffer<__half> y(static_cast<size_t>(rows) * static_cast<size_t>(p.out));
        linear.tune(p, x.factor(), weight.factor(), y.data(), rows, stream);
        before.record(stream);
        for (int i = 0; i < times; ++i)
            linear.multiply(p, x.factor(), weight.factor(), y.data(), rows, stream);
        after.record(stream);
        after.wait();
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, before, after), "the GPU failed");
        seconds += milliseconds / 1000.0 / times;
    }
    return seconds * s.layers;
}

} // namespace
} // namespace longread::gpu

LONGREAD_EXPORT int32_t longread_cuda_floor(const char* bus_id, const char* cublas, const LongreadShape* shape,
                                            int32_t rows, int32_t times, double* seconds) {
    return longread::gpu::done(
        [&] { *seconds = longread::gpu::seconds_of_products(bus_id, cublas, *shape, rows, times); });
}
