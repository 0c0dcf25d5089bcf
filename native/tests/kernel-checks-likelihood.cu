#include "cuda/likelihood.cuh"
#include "tests/kernel-checks.h"
#include <algorithm>

namespace longread::gpu {

void check_likelihoods(Checks& checks) {
    Random random(7);
    Stream stream;
    const int count = 9, width = 72;
    const std::vector<float> from = random.halves(static_cast<size_t>(20) * width, 1);
    std::vector<int32_t> rows;
    std::vector<float> should;
    for (int i = 0; i < count; ++i) {
        rows.push_back(random.below(20));
        should.insert(should.end(), from.begin() + rows.back() * width, from.begin() + (rows.back() + 1) * width);
    }
    const Buffer<__half> from_there = halves_there(from);
    const Buffer<int32_t> rows_there = there(rows);
    Buffer<__half> picked(static_cast<size_t>(count) * width);
    pick_rows(from_there.data(), rows_there.data(), picked.data(), count, width, stream);
    stream.wait();
    checks.compare("rows that are picked", halves_here(picked, should.size()), should, 1e-30, 0);

    // In one part, in several, and with one that is left over; large logits overflow nothing.
    for (float size : {3.0f, 200.0f})
        for (int at_once : {1000, 256, 96})
            for (bool biased : {false, true}) {
                const int vocabulary = 1000, asked = 11;
                const std::vector<float> logits = random.halves(static_cast<size_t>(asked) * vocabulary, size);
                const std::vector<float> bias = random.halves(static_cast<size_t>(vocabulary), 1);
                std::vector<int32_t> wanted;
                for (int r = 0; r < asked; ++r)
                    wanted.push_back(r == 0 ? vocabulary - 1 : random.below(vocabulary));
                std::vector<float> reference(static_cast<size_t>(asked));
                reference::likelihoods(logits.data(), biased ? bias.data() : nullptr, wanted.data(), asked, vocabulary,
                                       reference.data());
                const Buffer<int32_t> wanted_there = there(wanted);
                const Buffer<float> bias_there = there(bias);
                Buffer<float> sums(static_cast<size_t>(asked) * likelihood_sums), out(static_cast<size_t>(asked));
                for (int first = 0; first < vocabulary; first += at_once) {
                    const int columns = std::min(at_once, vocabulary - first), stride = columns + 3;
                    std::vector<float> part(static_cast<size_t>(asked) * stride, INFINITY);
                    for (int r = 0; r < asked; ++r)
                        std::copy_n(logits.begin() + r * vocabulary + first, columns, part.begin() + r * stride);
                    const Buffer<float> part_there = there(part);
                    take_logits(part_there.data(), biased ? bias_there.data() : nullptr, wanted_there.data(), asked,
                                columns, stride, first, sums.data(), out.data(), stream);
                    stream.wait();
                }
                checks.compare("likelihoods of logits of " + std::to_string(static_cast<int>(size)) + ", " +
                                   std::to_string(at_once) + " at once" + (biased ? ", biases" : ""),
                               here(out, reference.size()), reference, 2e-5, 1e-6);
            }
}

} // namespace longread::gpu
