// Scores of units: of all blocks of a read at once with the units that were there before it, so that representative
// keys are fetched once for all of them. The products are the tensor cores'; means are taken as the sums of two halves,
// which have 22 bits together.
#include "cuda/block-max.cuh"
#include "cuda/check.cuh"
#include "cuda/first-units.cuh"
#include "cuda/mma.cuh"

namespace longread::gpu {
namespace {

constexpr int mean_threads = 256;

// A block of threads has 64 dimensions of a head of one block of tokens; its threads' sums are added by pairs.
__global__ void __launch_bounds__(mean_threads)
    mean_kernel(const __half* far, const StreamBlock* blocks, int heads, int head_size, float* mean) {
    __shared__ float2 sums[mean_threads];
    const int parts = head_size / 64, head = static_cast<int>(blockIdx.x) / parts;
    const int part = static_cast<int>(blockIdx.x) % parts, thread = static_cast<int>(threadIdx.x);
    const StreamBlock b = blocks[blockIdx.y];
    const size_t stride = static_cast<size_t>(heads) * head_size,
                 at = static_cast<size_t>(head) * head_size + part * 64;
    const __half* from = far + static_cast<size_t>(b.first_row) * stride + at + thread % 32 * 2;
    float2 sum = make_float2(0, 0);
    for (int row = thread / 32; row < b.rows; row += mean_threads / 32) {
        const float2 x = unpacked_halves(*reinterpret_cast<const uint32_t*>(from + static_cast<size_t>(row) * stride));
        sum.x += x.x;
        sum.y += x.y;
    }
    sums[thread] = sum;
    __syncthreads();
    if (thread >= 32)
        return;
    for (int other = thread + 32; other < mean_threads; other += 32) {
        sum.x += sums[other].x;
        sum.y += sums[other].y;
    }
    const float share = 1.0f / static_cast<float>(b.rows);
    float2* to = reinterpret_cast<float2*>(mean + static_cast<size_t>(blockIdx.y) * stride + at);
    to[thread] = make_float2(sum.x * share, sum.y * share);
}

constexpr int warps = 8, threads = warps * warp_threads, tile_units = 16;
constexpr int most_blocks = 264;       // two for each multiprocessor of an H100
constexpr int static_bytes = 6 * 1024; // of shared memory, at most, beside what a launch asks for
static_assert(units_of_chunk % tile_units == 0, "a tile lies in one chunk");
static_assert(blocks_at_once == 8, "columns of the product");

// Halves from one block's means to the next in shared memory: so that eight threads' pieces of 16 bytes, of two blocks,
// lie in different banks.
__host__ __device__ inline int mean_stride(int numbers) { return numbers + 32; }

struct ScoreArguments {
    const float* mean; // [block][number]
    UnitKeys keys;
    const StreamBlock* blocks;
    int count, numbers, step; // units from one of a block's tiles to its next
    int stride;               // of `scores`
    uint32_t* scores;
};

// A block of threads has 16 units at a time, of which each warp multiplies every eighth 32 numbers. What a thread takes
// for the numbers of mma's A it takes for B's, so it may fetch eight neighbouring ones for two products.
__global__ void __launch_bounds__(threads) score_kernel(ScoreArguments a) {
    LONGREAD_DYNAMIC_SHARED(memory);
    __shared__ float parts[warps][tile_units][blocks_at_once];
    const int units = a.blocks->tokens > 0 ? a.blocks->old : 0;
    const int warp = static_cast<int>(threadIdx.x / warp_threads), lane = static_cast<int>(threadIdx.x % warp_threads);
    const int stride = mean_stride(a.numbers);
    __half* high = reinterpret_cast<__half*>(memory);
    __half* low = high + a.count * stride;
    for (int i = static_cast<int>(threadIdx.x); i < a.count * a.numbers / 2; i += threads) {
        const int block = i / (a.numbers / 2), at = block * stride + i % (a.numbers / 2) * 2;
        const float2 x = reinterpret_cast<const float2*>(a.mean)[i];
        const uint32_t whole = packed_halves(x.x, x.y);
        const float2 rounded = unpacked_halves(whole);
        *reinterpret_cast<uint32_t*>(high + at) = whole;
        *reinterpret_cast<uint32_t*>(low + at) = packed_halves(x.x - rounded.x, x.y - rounded.y);
    }
    __syncthreads();
    const int block = lane / 4, piece = lane % 4 * 8;
    for (int first = static_cast<int>(blockIdx.x) * tile_units; first < units; first += a.step) {
        const __half* keys = a.keys.chunks[first / units_of_chunk] +
                             (static_cast<size_t>(a.keys.layer) * units_of_chunk + first % units_of_chunk) * a.numbers;
        const int last = units - 1 - first; // behind it rows are others' once more
        const __half* upper = keys + static_cast<size_t>(min(last, lane / 4)) * a.numbers + piece;
        const __half* lower = keys + static_cast<size_t>(min(last, lane / 4 + 8)) * a.numbers + piece;
        float sums[4] = {};
#pragma unroll 4
        for (int at = warp * 32; at < a.numbers; at += warps * 32) {
            const uint4 u = *reinterpret_cast<const uint4*>(upper + at);
            const uint4 l = *reinterpret_cast<const uint4*>(lower + at);
            uint4 h = make_uint4(0, 0, 0, 0), r = h;
            if (block < a.count) {
                h = *reinterpret_cast<const uint4*>(high + block * stride + at + piece);
                r = *reinterpret_cast<const uint4*>(low + block * stride + at + piece);
            }
            const uint32_t left[4] = {u.x, l.x, u.y, l.y}, right[4] = {u.z, l.z, u.w, l.w};
            mma(sums, left, h.x, h.y);
            mma(sums, right, h.z, h.w);
            mma(sums, left, r.x, r.y);
            mma(sums, right, r.z, r.w);
        }
#pragma unroll
        for (int e = 0; e < 4; ++e)
            parts[warp][lane / 4 + e / 2 * 8][lane % 4 * 2 + e % 2] = sums[e];
        __syncthreads();
        const int unit = static_cast<int>(threadIdx.x) % tile_units, of = static_cast<int>(threadIdx.x) / tile_units;
        if (of < a.count && first + unit < units) {
            float sum = 0;
            for (int w = 0; w < warps; ++w)
                sum += parts[w][unit][of];
            a.scores[static_cast<size_t>(of) * a.stride + first + unit] =
                ranked(rank_of(sum), first + unit, a.keys.first);
        }
        __syncthreads(); // before the parts are overwritten
    }
}

// That a block of threads may have: 227 KB on an H100, 99 KB on others.
int shared_bytes() {
    int device = 0, bytes = 0;
    check(cudaGetDevice(&device), "the GPU cannot be used");
    check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "the GPU cannot be used");
    return bytes;
}

} // namespace

void mean_queries(const __half* far, const StreamBlock* blocks, int count, const StreamLayout& l, float* mean,
                  cudaStream_t stream) {
    launch(mean_kernel, dim3(static_cast<unsigned>(l.heads * (l.head_size / 64)), static_cast<unsigned>(count)),
           mean_threads, 0, stream, far, blocks, l.heads, l.head_size, mean);
}

void score_units(const float* mean, const UnitKeys& keys, const StreamBlock* blocks, int count, int most,
                 const StreamLayout& l, int stride, uint32_t* scores, cudaStream_t stream) {
    const int numbers = l.heads * l.head_size, grid = min(most_blocks, blocks_for(most, tile_units));
    const int bytes = 2 * mean_stride(numbers) * static_cast<int>(sizeof(__half)); // of a block
    const int at_once = min(blocks_at_once, max(1, (shared_bytes() - static_bytes) / bytes));
    for (int first = 0; first < count; first += at_once) {
        const int now = min(at_once, count - first);
        check(cudaFuncSetAttribute(reinterpret_cast<const void*>(score_kernel),
                                   cudaFuncAttributeMaxDynamicSharedMemorySize, now * bytes),
              "the GPU has too little shared memory");
        launch(score_kernel, dim3(static_cast<unsigned>(grid)), threads, static_cast<size_t>(now * bytes), stream,
               ScoreArguments{mean + static_cast<size_t>(first) * numbers, keys, blocks, now, numbers,
                              grid * tile_units, stride, scores + static_cast<size_t>(first) * stride});
    }
}

} // namespace longread::gpu
