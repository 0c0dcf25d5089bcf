// Tensor cores by a warpgroup, four warps together (PTX ISA, asynchronous warpgroup level matrix instructions; compute
// capability 9.0 alone): operands lie in shared memory as they are, and products are twice as quick as a warp's. All
// 128 threads of a group call each function together.
//
// Matrices in shared memory are panels of 64 halves a row, one panel after the other: [panel][row][64], each panel at a
// multiple of 1,024 bytes, a row's pieces of 16 bytes exchanged by its number modulo 8 (the hardware's 128-byte
// swizzle). What a thread holds of a product's rows 16 w … 16 w + 15, w the warp's number in its group, is what it
// holds of mma.m16n8k16 (mma.cuh).
#pragma once
#include "cuda/mma.cuh"

namespace longread::gpu {

constexpr int group_warps = 4, group_threads = group_warps * warp_threads, group_rows = 64;
constexpr int panel_halves = 64;

// For checks: a warp's products also where a warpgroup's are there.
inline bool warps_alone = false;

// Whether the current GPU has them.
inline bool has_group_products() {
    int device = 0, major = 0, minor = 0;
    return !warps_alone && cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
           cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) == cudaSuccess && major == 9 &&
           minor == 0;
}

// Where a piece of 8 halves is of a matrix of so many rows.
template <int Rows> __device__ inline int panel_place(int row, int piece) {
    return (piece / 8 * Rows + row) * panel_halves + (piece % 8 ^ (row & 7)) * 8;
}

#ifdef LONGREAD_EMULATED

inline void share_copies() {}

namespace emulated {
template <int Rows> inline float panel_value(const __half* matrix, unsigned row, unsigned column) {
    return __half2float(
        matrix[panel_place<Rows>(static_cast<int>(row), static_cast<int>(column / 8)) + static_cast<int>(column % 8)]);
}
inline float half_of(uint64_t both, unsigned k) { return all_halves[static_cast<uint16_t>(both >> (k % 2 * 16))]; }
} // namespace emulated

template <int HeadSize, int Rows, int Columns>
inline void group_products(float (&c)[Columns / 8][4], const __half* a, const __half* b) {
    const unsigned lane = threadIdx.x % 32, first = threadIdx.x / 32 % 4 * 16;
    for (unsigned n = 0; n < Columns / 8; ++n)
        for (unsigned e = 0; e < 4; ++e) {
            float sum = 0;
            for (unsigned k = 0; k < HeadSize; ++k)
                sum += emulated::panel_value<Rows>(a, first + lane / 4 + e / 2 * 8, k) *
                       emulated::panel_value<Columns>(b, n * 8 + lane % 4 * 2 + e % 2, k);
            c[n][e] = sum;
        }
}

template <int Steps, typename Value>
inline void products_of_registers(float* c, unsigned columns, const uint32_t (&a)[Steps][4], const Value& b) {
    const unsigned lane = threadIdx.x % 32;
    for (unsigned step = 0; step < Steps; ++step) {
        const uint64_t mine[4] = {a[step][0], a[step][1], a[step][2], a[step][3]};
        const auto all = emulated::exchange(mine, 4);
        for (unsigned n = 0; n < columns / 8; ++n)
            for (unsigned e = 0; e < 4; ++e) {
                float sum = 0;
                for (unsigned k = 0; k < 16; ++k)
                    sum += emulated::half_of(all[lane / 4 * 4 + k % 8 / 2][e / 2 + k / 8 * 2], k) *
                           b(step * 16 + k, n * 8 + lane % 4 * 2 + e % 2);
                c[n * 4 + e] += sum;
            }
        emulated::wait_for_warp();
    }
}

template <int HeadSize, int Columns>
inline void group_products(float (&c)[Columns / 8][4], const uint32_t (&a)[HeadSize / 16][4], const __half* b) {
    for (auto& four : c)
        for (float& x : four)
            x = 0;
    products_of_registers(&c[0][0], Columns, a,
                          [&](unsigned k, unsigned column) { return emulated::panel_value<Columns>(b, column, k); });
}

template <int HeadSize, int Keys>
inline void group_mix(float (&c)[HeadSize / 8][4], const uint32_t (&a)[Keys / 16][4], const __half* b) {
    products_of_registers(&c[0][0], HeadSize, a,
                          [&](unsigned k, unsigned column) { return emulated::panel_value<Keys>(b, k, column); });
}

#elif !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// Before a wait for the block: what this thread copied becomes visible to the instructions below.
__device__ inline void share_copies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// A matrix as the instructions take it: from one group of 8 rows to the next 1,024 bytes; from one panel to the next
// `panel` bytes, where the panels are along what is not summed.
__device__ inline uint64_t matrix_at(const __half* from, uint32_t panel = 16) {
    return (shared_address(from) & 0x3ffff) >> 4 | static_cast<uint64_t>(panel >> 4) << 16 |
           static_cast<uint64_t>(1024 >> 4) << 32 | static_cast<uint64_t>(1) << 62;
}

__device__ inline void begin_group() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
// Until all is there; nothing reads `c` before.
template <int Eights> __device__ inline void end_group(float (&c)[Eights][4]) {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
    for (int n = 0; n < Eights; ++n)
        asm volatile("" : "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3]) : : "memory");
}

#define LONGREAD_FOUR(c, n) "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])
#define LONGREAD_EIGHT_FOURS(c, n)                                                                                     \
    LONGREAD_FOUR(c, n), LONGREAD_FOUR(c, n + 1), LONGREAD_FOUR(c, n + 2), LONGREAD_FOUR(c, n + 3),                    \
        LONGREAD_FOUR(c, n + 4), LONGREAD_FOUR(c, n + 5), LONGREAD_FOUR(c, n + 6), LONGREAD_FOUR(c, n + 7)
#define LONGREAD_32_OF_C                                                                                               \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "   \
    "%24, %25, %26, %27, %28, %29, %30, %31"
#define LONGREAD_64_OF_C                                                                                               \
    LONGREAD_32_OF_C ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "    \
                     "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

// c = a · b, or what is added to it; 64 columns. Along what is summed a row of both lies whole.
__device__ inline void group_step(float (&c)[8][4], uint64_t a, uint64_t b, int adds) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {" LONGREAD_32_OF_C "}, %32, %33, p, 1, 1, 0, 0;\n"
                 "}\n"
                 : LONGREAD_EIGHT_FOURS(c, 0)
                 : "l"(a), "l"(b), "r"(adds));
}

// Transposed: a row of b is one of what is summed.
template <bool Transposed>
__device__ inline void group_step(float (&c)[8][4], const uint32_t (&a)[4], uint64_t b, int adds) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {" LONGREAD_32_OF_C
                 "}, {%32, %33, %34, %35}, %36, p, 1, 1, %38;\n}\n"
                 : LONGREAD_EIGHT_FOURS(c, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds), "n"(Transposed ? 1 : 0));
}

template <bool Transposed>
__device__ inline void group_step(float (&c)[16][4], const uint32_t (&a)[4], uint64_t b, int adds) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {" LONGREAD_64_OF_C
                 "}, {%64, %65, %66, %67}, %68, p, 1, 1, %70;\n}\n"
                 : LONGREAD_EIGHT_FOURS(c, 0), LONGREAD_EIGHT_FOURS(c, 8)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds), "n"(Transposed ? 1 : 0));
}

// c = a · bᵀ. a: the group's first row in panels of so many rows; b: panels of `Columns` rows.
template <int HeadSize, int Rows, int Columns>
__device__ inline void group_products(float (&c)[Columns / 8][4], const __half* a, const __half* b) {
    begin_group();
#pragma unroll
    for (int k = 0; k < HeadSize / 16; ++k)
        group_step(c, matrix_at(a + k / 4 * Rows * panel_halves + k % 4 * 16),
                   matrix_at(b + k / 4 * Columns * panel_halves + k % 4 * 16), k);
    end_group(c);
}

// The same of rows in registers.
template <int HeadSize, int Columns>
__device__ inline void group_products(float (&c)[Columns / 8][4], const uint32_t (&a)[HeadSize / 16][4],
                                      const __half* b) {
    begin_group();
#pragma unroll
    for (int k = 0; k < HeadSize / 16; ++k)
        group_step<false>(c, a[k], matrix_at(b + k / 4 * Columns * panel_halves + k % 4 * 16), k);
    end_group(c);
}

// c += a · b, of rows in registers. b: panels of `Keys` rows.
template <int HeadSize, int Keys>
__device__ inline void group_mix(float (&c)[HeadSize / 8][4], const uint32_t (&a)[Keys / 16][4], const __half* b) {
    begin_group();
#pragma unroll
    for (int k = 0; k < Keys / 16; ++k)
        group_step<true>(c, a[k], matrix_at(b + k * 16 * panel_halves, Keys * panel_halves * sizeof(__half)), 1);
    end_group(c);
}

#undef LONGREAD_FOUR
#undef LONGREAD_EIGHT_FOURS
#undef LONGREAD_32_OF_C
#undef LONGREAD_64_OF_C

#else // never run there: has_group_products() tells

__device__ inline void share_copies() {}
template <int HeadSize, int Rows, int Columns>
__device__ inline void group_products(float (&)[Columns / 8][4], const __half*, const __half*) {}
template <int HeadSize, int Columns>
__device__ inline void group_products(float (&)[Columns / 8][4], const uint32_t (&)[HeadSize / 16][4], const __half*) {}
template <int HeadSize, int Keys>
__device__ inline void group_mix(float (&)[HeadSize / 8][4], const uint32_t (&)[Keys / 16][4], const __half*) {}

#endif

} // namespace longread::gpu
