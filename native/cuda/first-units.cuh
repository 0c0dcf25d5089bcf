// Some units come before all others that are looked up, whatever these score.
#pragma once
#include "cuda/infllm.cuh"

namespace longread::gpu {

// A rank among all units, of one among those of its kind. Half of the ranks are either kind's, so that scores that
// differ in their last bit alone become alike.
__device__ inline uint32_t ranked(uint32_t rank, int unit, const FirstUnits& first) {
    if (first.count == 0)
        return rank;
    const int position = first.units[unit].first;
    int from = 0, end = first.count; // the first range that ends behind it
    while (from < end) {
        const int middle = (from + end) / 2;
        if (first.ranges[2 * middle + 1] <= position)
            from = middle + 1;
        else
            end = middle;
    }
    const bool ahead = from < first.count && first.ranges[2 * from] <= position;
    return max(1u, rank >> 1) | (ahead ? 0x80000000u : 0u);
}

} // namespace longread::gpu
