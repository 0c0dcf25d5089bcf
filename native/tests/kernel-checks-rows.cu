#include "cuda/eight.h"
#include "cuda/eights.cuh"
#include "cuda/embed.cuh"
#include "cuda/gate.cuh"
#include "cuda/linear.cuh"
#include "cuda/norm.cuh"
#include "cuda/rope.cuh"
#include "tests/kernel-checks.h"

namespace longread::gpu {
namespace {

constexpr double half_step = 1.0 / 2048; // of a number's size, by rounding it to F16

Heads heads_there(const TestHeads& h) {
    return {h.heads,
            h.key_heads,
            h.neox,
            1e-5f,
            h.bias_there.data(),
            h.query_norm_there.data(),
            h.key_norm_there.data(),
            h.turns_there.data()};
}

} // namespace

void check_rows(Checks& checks) {
    Random random(1);
    for (const auto& [width, rows] :
         {std::pair(64, 37), std::pair(576, 150), std::pair(1000, 37), std::pair(1000, 140)}) {
        const size_t count = static_cast<size_t>(rows) * width;
        const std::string of = " of " + std::to_string(width);
        const std::vector<float> x = random.halves(count, 3), weight = random.halves(static_cast<size_t>(width), 1);
        std::vector<float> should(count);
        Stream stream;
        Buffer<__half> to(count);
        reference::norm(x.data(), weight.data(), should.data(), rows, width, 1e-5f);
        const Buffer<float> x_there = there(x), weight_there = there(weight);
        norm(x_there.data(), weight_there.data(), to.data(), rows, width, 1e-5f, stream);
        stream.wait();
        checks.compare("norm" + of, halves_here(to, count), should, 1e-7, half_step + 1e-5);

        std::vector<float> both = random.halves(2 * count, 3);
        both[3] = 60000; // more than F16 holds once it is multiplied
        both[static_cast<size_t>(width) + 3] = 60000;
        should.assign(count, 0);
        reference::gate(both.data(), should.data(), rows, width);
        should[3] = 65504;
        const Buffer<__half> both_there = halves_there(both);
        gate(both_there.data(), to.data(), rows, width, stream);
        stream.wait();
        checks.compare("gate" + of, halves_here(to, count), should, 1e-7, half_step + 1e-5);

        const std::vector<float> table = random.halves(static_cast<size_t>(50) * width, 1);
        std::vector<int32_t> tokens;
        should.clear();
        for (int r = 0; r < rows; ++r) {
            tokens.push_back(random.below(50));
            const auto row = table.begin() + static_cast<std::ptrdiff_t>(tokens.back()) * width;
            should.insert(should.end(), row, row + width);
        }
        Buffer<float> embedded(count);
        const Buffer<__half> table_there = halves_there(table);
        const Buffer<int32_t> tokens_there = there(tokens);
        embed(table_there.data(), tokens_there.data(), embedded.data(), rows, width, stream);
        stream.wait();
        checks.compare("embed" + of, here(embedded, count), should, 1e-30, 0);

        std::vector<float> rows_of = x;
        std::fill_n(rows_of.begin() + width, width, 0.0f);
        Buffer<uint8_t> eights(count);
        Buffer<float> scales(rows);
        const Buffer<__half> halves = halves_there(rows_of);
        to_eights(halves.data(), eights.data(), scales.data(), rows, width, stream);
        stream.wait();
        const std::vector<uint8_t> eights_here = here(eights, count);
        const std::vector<float> scales_here = here(scales, rows);
        std::vector<float> is, scales_should;
        for (size_t i = 0; i < count; ++i)
            is.push_back(from_eight(eights_here[i]) * scales_here[i / static_cast<size_t>(width)]);
        for (int r = 0; r < rows; ++r) {
            float most = 0;
            for (int i = 0; i < width; ++i)
                most = std::fmax(most, std::fabs(rows_of[static_cast<size_t>(r) * width + i]));
            scales_should.push_back(most > 0 ? most / most_eight : 1.0f);
        }
        checks.compare("scales of 8-bit rows" + of, scales_here, scales_should, 1e-30, 1e-6);
        // Half a step: 2^-4 of a number, or of the smallest that has all its bits.
        double coarsest = 0;
        for (float scale : scales_should)
            coarsest = std::fmax(coarsest, scale / 1024.0);
        checks.compare("8-bit rows" + of, is, rows_of, coarsest, 1.0 / 16 + 1e-5);
    }
}

void check_rotation(Checks& checks) {
    Random random(2);
    for (int head_size : {64, 128})
        for (bool neox : {false, true})
            for (bool extras : {false, true}) {
                const int rows = 40, sinks = 3;
                TestHeads heads(3, 1, head_size, neox, extras, 100, random);
                const size_t count = static_cast<size_t>(rows) * 5 * head_size;
                const std::vector<float> qkv = random.halves(count, 2);
                std::vector<int32_t> positions;
                for (int r = 0; r < rows; ++r)
                    positions.push_back(random.below(100));
                const std::string of = std::string(" of heads of ") + std::to_string(head_size) +
                                       (neox ? " by halves" : " by neighbours") + (extras ? ", biases and norms" : "");
                Stream stream;
                Buffer<__half> there_qkv = halves_there(qkv);
                const Buffer<int32_t> there_positions = there(positions);
                rotate(there_qkv.data(), there_positions.data(), rows, head_size, heads_there(heads), stream);
                stream.wait();
                const std::vector<float> is = halves_here(there_qkv, count);
                std::vector<float> should = qkv;
                reference::rotate(should.data(), positions.data(), rows, heads.here());
                checks.compare("rotate" + of, is, should, 2e-4, half_step + 1e-5);

                const std::vector<LongreadShift> shifts = {{5, 90}, {20, 1}, {20, 33}};
                const size_t moved = shifts.size() * sinks * static_cast<size_t>(head_size);
                std::vector<float> shifted(moved);
                // From what the kernel gave, so that only this step is compared.
                reference::shift_sinks(is.data(), shifts.data(), 3, sinks, 0.5f, heads.here(), shifted.data());
                Buffer<__half> there_shifted(moved);
                const Buffer<LongreadShift> there_shifts = there(shifts);
                shift_sinks(there_qkv.data(), there_shifts.data(), 3, sinks, 0.5f, head_size, heads_there(heads),
                            there_shifted.data(), stream);
                stream.wait();
                checks.compare("shift of sinks" + of, halves_here(there_shifted, moved), shifted, 2e-4,
                               half_step + 1e-5);
            }
}

void check_linear(Checks& checks, const char* cublas) {
    Random random(3);
    Linear linear(cublas);
    Stream stream;
    const int rows = 77, in = 192, out = 64, stride = 128;
    const std::vector<float> x = random.halves(static_cast<size_t>(rows) * in, 1);
    const std::vector<float> weight = random.halves(static_cast<size_t>(out) * in, 0.1f);
    const Buffer<__half> x_there = halves_there(x), weight_there = halves_there(weight);
    std::vector<float> should(static_cast<size_t>(rows) * out);
    reference::linear(x.data(), weight.data(), should.data(), rows, in, out, false);
    // Into the middle of longer rows, and added to what is there; as proposed, then tuned.
    for (const char* how : {"", ", tuned"}) {
        Buffer<__half> y = halves_there(std::vector<float>(static_cast<size_t>(rows) * stride, 7.0f));
        const Product product{in, out, stride, false};
        if (*how)
            linear.tune(product, x_there.data(), weight_there.data(), y.data() + 32, rows, stream);
        linear.multiply(product, x_there.data(), weight_there.data(), y.data() + 32, rows, stream);
        stream.wait();
        const std::vector<float> all = halves_here(y, static_cast<size_t>(rows) * stride);
        std::vector<float> is, around;
        for (size_t i = 0; i < all.size(); ++i)
            (i % stride >= 32 && i % stride < 96 ? is : around).push_back(all[i]);
        checks.compare(std::string("product in F16") + how, is, should, 1e-4, half_step + 1e-5);
        checks.compare(std::string("what stands beside it") + how, around, std::vector<float>(around.size(), 7.0f),
                       1e-30, 0);

        const std::vector<float> before = random.halves(should.size(), 5);
        Buffer<float> sums = there(before);
        const Product added{in, out, out, true};
        if (*how) {
            linear.tune(added, x_there.data(), weight_there.data(), sums.data(), rows, stream);
            stream.wait();
            sums.upload(before.data(), before.size());
        }
        linear.multiply(added, x_there.data(), weight_there.data(), sums.data(), rows, stream);
        stream.wait();
        std::vector<float> should_sum = before;
        reference::linear(x.data(), weight.data(), should_sum.data(), rows, in, out, true);
        checks.compare(std::string("product added in F32") + how, here(sums, should_sum.size()), should_sum, 1e-4,
                       1e-5);
    }
}

} // namespace longread::gpu
