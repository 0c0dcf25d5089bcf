#include "recall/ranking.h"
#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

namespace longread {
namespace {

// As in attention.ts: keeps a unit to which every reference question gives the same mass from being blown up.
constexpr double least_deviation = 0.05;

// Runs `work` for 0 … count - 1 on several threads, first come, first served.
template <typename Work> void each(size_t count, int threads, Work work) {
    std::atomic<size_t> next{0};
    const auto run = [&] {
        for (size_t i = next++; i < count; i = next++)
            work(i);
    };
    std::vector<std::thread> workers;
    for (int t = 1; t < std::min<int>(threads, static_cast<int>(count)); ++t)
        workers.emplace_back(run);
    run();
    for (std::thread& worker : workers)
        worker.join();
}

// Mean and deviation of the finite numbers of several rows, pairs. Sums of a row wait for each other, those of several
// rows do not.
template <size_t rows> void spread(const float* values, size_t count, double* to) {
    double sum[rows] = {}, squares[rows] = {};
    size_t finite[rows] = {};
    for (size_t i = 0; i < count; ++i)
        for (size_t r = 0; r < rows; ++r) {
            const float value = values[r * count + i];
            const bool is_finite = std::isfinite(value);
            sum[r] += is_finite ? static_cast<double>(value) : 0.0;
            finite[r] += is_finite;
        }
    for (size_t r = 0; r < rows; ++r)
        to[2 * r] = finite[r] > 0 ? sum[r] / static_cast<double>(finite[r]) : 0;
    for (size_t i = 0; i < count; ++i)
        for (size_t r = 0; r < rows; ++r) {
            const float value = values[r * count + i];
            const double apart = std::isfinite(value) ? static_cast<double>(value) - to[2 * r] : 0.0;
            squares[r] += apart * apart;
        }
    for (size_t r = 0; r < rows; ++r)
        to[2 * r + 1] = std::sqrt(squares[r] / static_cast<double>(std::max<size_t>(1, finite[r])));
}

void standardise(float* values, size_t count) {
    double of[2];
    spread<1>(values, count, of);
    const double mean = of[0], deviation = of[1];
    for (size_t i = 0; i < count; ++i)
        values[i] =
            std::isfinite(values[i]) && deviation > 1e-9 ? static_cast<float>((values[i] - mean) / deviation) : 0.0f;
}

} // namespace

std::vector<float> attention_scores(const MassesView& view, const RankWeights& weights, int threads) {
    const size_t units = view.units;
    std::vector<float> rows(view.heads * units);
    each(view.heads, threads, [&](size_t head) {
        float* row = rows.data() + head * units;
        for (size_t token = 0; token < view.tokens; ++token) {
            const float* masses = view.masses + (head * view.tokens + token) * units;
            const double weight = weights.tokens[token];
            for (size_t u = 0; u < units; ++u)
                row[u] = static_cast<float>(row[u] + weight * masses[u]);
        }
        const float *means = view.means + head * units, *deviations = view.deviations + head * units;
        for (size_t u = 0; u < units; ++u)
            row[u] = static_cast<float>((static_cast<double>(row[u]) - means[u]) / (deviations[u] + least_deviation));
        standardise(row, units);
    });
    std::vector<float> total(units);
    for (size_t head = 0; head < view.heads; ++head) {
        const float* row = rows.data() + head * units;
        const double weight = weights.heads[head];
        for (size_t u = 0; u < units; ++u)
            total[u] = static_cast<float>(total[u] + weight * row[u]);
    }
    standardise(total.data(), units);
    return total;
}

std::vector<double> token_spreads(const MassesView& view, int threads) {
    std::vector<double> spreads(2 * view.heads * view.tokens);
    constexpr size_t at_once = 4;
    const size_t rows = view.heads * view.tokens;
    each((rows + at_once - 1) / at_once, threads, [&](size_t some) {
        const size_t first = some * at_once;
        if (first + at_once <= rows)
            spread<at_once>(view.masses + first * view.units, view.units, spreads.data() + 2 * first);
        else
            for (size_t row = first; row < rows; ++row)
                spread<1>(view.masses + row * view.units, view.units, spreads.data() + 2 * row);
    });
    return spreads;
}

std::vector<float> token_finds(const MassesView& view, const RankWeights& weights, const std::vector<double>& spreads,
                               const std::vector<int32_t>& chosen) {
    std::vector<float> finds(chosen.size() * view.tokens);
    for (size_t head = 0; head < view.heads; ++head)
        for (size_t token = 0; token < view.tokens; ++token) {
            const size_t at = head * view.tokens + token;
            const double mean = spreads[2 * at], deviation = spreads[2 * at + 1];
            if (deviation < 1e-9)
                continue;
            for (size_t i = 0; i < chosen.size(); ++i) {
                const float mass = view.masses[at * view.units + static_cast<size_t>(chosen[i])];
                float& find = finds[i * view.tokens + token];
                if (std::isfinite(mass))
                    find = static_cast<float>(find + (weights.heads[head] * weights.tokens[token] * (mass - mean)) /
                                                         deviation);
            }
        }
    return finds;
}

} // namespace longread
