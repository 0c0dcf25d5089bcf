// The part of cuBLASLt's C interface that is used here, so that a build needs neither its headers nor its libraries
// (540 MB): they are loaded when a GPU reads. Names, values and layouts are those of cublasLt.h of CUDA 12 and 13;
// where that header is found, the compiler compares (linear.cu).
#pragma once
#include <cstddef>
#include <cstdint>

namespace longread::gpu::cublaslt {

using Status = int; // 0: done
using Handle = void*;
using Descriptor = void*; // of a product, a matrix or a preference

constexpr int type_f32 = 0, type_f16 = 2, type_e4m3 = 28; // CUDA_R_32F, CUDA_R_16F, CUDA_R_8F_E4M3
constexpr int compute_f32 = 68;                           // CUBLAS_COMPUTE_32F
constexpr int transposed = 1;                             // CUBLAS_OP_T
constexpr int transpose_a = 3;                            // CUBLASLT_MATMUL_DESC_TRANSA
// CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, …_B_; CUBLASLT_MATMUL_DESC_A_SCALE_MODE, …_B_ (from 12.8 on);
// CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F, a scale a row of both (12.9); CUBLASLT_MATMUL_DESC_FAST_ACCUM
constexpr int scale_pointers[] = {17, 18}, scale_modes[] = {31, 32}, scale_by_row = 3, fast_sums = 25;
constexpr int preference_workspace = 1; // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES
// CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, …_B_, …_C_, …_D_
constexpr int preference_alignment[] = {5, 6, 7, 8};

struct Algorithm { // cublasLtMatmulAlgo_t
    uint64_t data[8];
};

struct Heuristic { // cublasLtMatmulHeuristicResult_t
    Algorithm algorithm;
    size_t workspace;
    Status status;
    float waves;
    int reserved[4];
};

struct Functions {
    Status (*cublasLtCreate)(Handle*);
    Status (*cublasLtDestroy)(Handle);
    Status (*cublasLtMatmulDescCreate)(Descriptor*, int compute, int scale_type);
    Status (*cublasLtMatmulDescDestroy)(Descriptor);
    Status (*cublasLtMatmulDescSetAttribute)(Descriptor, int attribute, const void* value, size_t bytes);
    Status (*cublasLtMatrixLayoutCreate)(Descriptor*, int type, uint64_t rows, uint64_t columns, int64_t stride);
    Status (*cublasLtMatrixLayoutDestroy)(Descriptor);
    Status (*cublasLtMatmulPreferenceCreate)(Descriptor*);
    Status (*cublasLtMatmulPreferenceDestroy)(Descriptor);
    Status (*cublasLtMatmulPreferenceSetAttribute)(Descriptor, int attribute, const void* value, size_t bytes);
    Status (*cublasLtMatmulAlgoGetHeuristic)(Handle, Descriptor product, Descriptor a, Descriptor b, Descriptor c,
                                             Descriptor d, Descriptor preference, int wanted, Heuristic*, int* found);
    Status (*cublasLtMatmul)(Handle, Descriptor product, const void* alpha, const void* a, Descriptor a_layout,
                             const void* b, Descriptor b_layout, const void* beta, const void* c, Descriptor c_layout,
                             void* d, Descriptor d_layout, const Algorithm*, void* workspace, size_t bytes,
                             void* stream);
};

} // namespace longread::gpu::cublaslt
