// Tensor cores by their instructions (PTX ISA, sections on mma, ldmatrix and cp.async; compute capability 8.0 and
// later). All 32 threads of a warp call each function together, cp_async and its waits aside.
//
// Which thread holds what of mma.m16n8k16, lane = thread of the warp, two neighbouring k or columns in a register:
//   A [16 rows][16 k]:   a[0] row lane/4,     k 2(lane%4);   a[1] row lane/4 + 8, the same k;
//                        a[2] row lane/4,     k 2(lane%4)+8; a[3] row lane/4 + 8, k 2(lane%4)+8
//   B [16 k][8 columns]: b0 k 2(lane%4), column lane/4;      b1 k 2(lane%4)+8, the same column
//   C [16 rows][8 columns]: c[0], c[1] row lane/4, columns 2(lane%4) and the next; c[2], c[3] row lane/4 + 8
#pragma once
#include "cuda/device.cuh"

namespace longread::gpu {

#ifndef LONGREAD_EMULATED

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// Four matrices of 8 rows of 8 halves; lane l gives the address of row l%8 of matrix l/8, a multiple of 16 bytes. r[i]
// holds of matrix i row lane/4, columns 2(lane%4) and the next.
__device__ inline void ldmatrix(uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// The same of the transposed matrices: r[i] holds rows 2(lane%4) and the next of column lane/4.
__device__ inline void ldmatrix_transposed(uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// c += a · b
__device__ inline void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Copies 16 bytes to shared memory beside other work; zeros where not `valid`, when nothing is read.
__device__ inline void cp_async(void* shared, const void* from, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(shared_address(shared)), "l"(from), "r"(valid ? 16 : 0)
                 : "memory");
}

// The same of 4 bytes.
__device__ inline void cp_async_word(void* shared, const void* from, bool valid) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;"
                 :
                 : "r"(shared_address(shared)), "l"(from), "r"(valid ? 4 : 0)
                 : "memory");
}

__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until all groups of this thread but the last `Pending` are there.
template <int Pending> __device__ inline void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

// Has the line of 128 bytes around p brought to the GPU's cache.
__device__ inline void prefetch(const void* p) { asm volatile("prefetch.global.L2 [%0];" : : "l"(p)); }

// 2 to the power of x, off by 2 units in the last place; 0 where that is below what F32 holds normally.
__device__ inline float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

#endif

} // namespace longread::gpu
