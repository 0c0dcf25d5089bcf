#include "engine/segments.h"
#include "recall/masses.h"
#include <cmath>
#include <cstring>
#include <thread>

namespace longread {

UnfilledSegment unfilled_segment(const Hyper& hyper, const RecallHeads& heads, const EpisodeOptions& options) {
    UnfilledSegment made;
    std::vector<uint32_t> starts{0};
    uint32_t previous = 0;
    for (const auto& [begin, end] : options.units) {
        if (begin < previous || end < begin || end > options.tokens.size())
            throw Error("usage", "The units of an episode do not follow one another.");
        for (uint32_t t = begin; t < end; ++t)
            made.tokens.push_back(t);
        starts.push_back(static_cast<uint32_t>(made.tokens.size()));
        previous = end;
    }
    SegmentShape shape;
    shape.format = options.format;
    shape.head_size = static_cast<uint32_t>(hyper.head_size);
    shape.key_heads = static_cast<uint32_t>(heads.keys.size());
    shape.heads = static_cast<uint32_t>(heads.heads.size());
    shape.units = static_cast<uint32_t>(options.units.size());
    shape.tokens = static_cast<uint32_t>(made.tokens.size());
    made.segment = std::make_shared<Segment>(shape);
    std::memcpy(made.segment->writable_starts(), starts.data(), starts.size() * sizeof(uint32_t));
    return made;
}

void take_bank_statistics(Segment& segment, const RecallHeads& heads, const BankRows& bank, int threads) {
    const SegmentShape& shape = segment.shape();
    const size_t rows = bank.rows();
    auto work = [&](size_t first, size_t step) {
        std::vector<float> masses(rows);
        for (size_t h = first; h < heads.heads.size(); h += step) {
            const KeyView keys = segment.keys(static_cast<uint32_t>(heads.heads[h].key_slot));
            const float* queries = bank.queries.data() + h * rows * shape.head_size;
            for (uint32_t u = 0; u < shape.units; ++u) {
                unit_masses(keys, static_cast<int>(segment.unit_starts()[u]),
                            static_cast<int>(segment.unit_starts()[u + 1]), queries, static_cast<int>(rows),
                            masses.data(), 1);
                double sum = 0, squares = 0;
                uint32_t row = 0;
                for (uint32_t n : bank.tokens) {
                    double mean = 0;
                    for (uint32_t t = 0; t < n; ++t)
                        mean += masses[row++];
                    mean /= n;
                    sum += mean;
                    squares += mean * mean;
                }
                const double questions = static_cast<double>(bank.tokens.size());
                const double mean = sum / questions;
                const bool finite = std::isfinite(mean);
                segment.writable_means()[h * shape.units + u] = finite ? static_cast<float>(mean) : 0.0f;
                segment.writable_deviations()[h * shape.units + u] =
                    finite ? static_cast<float>(std::sqrt(std::max(0.0, squares / questions - mean * mean))) : 0.0f;
            }
        }
    };
    std::vector<std::thread> workers;
    for (int t = 1; t < threads; ++t)
        workers.emplace_back(work, t, threads);
    work(0, static_cast<size_t>(threads));
    for (std::thread& worker : workers)
        worker.join();
}

} // namespace longread
