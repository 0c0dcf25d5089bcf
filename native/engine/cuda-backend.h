// ggml's CUDA backend, which is no part of the package: loaded where somebody has installed it and there is a driver
// and a GPU. Nothing here throws: what is missing is told, and the CPU serves.
#pragma once
#include <ggml-backend.h>
#include <string>
#include <vector>

namespace longread {

struct CudaSearch {
    std::string library;              // libggml-cuda.so; empty where none was found
    bool any_driver = false;          // somebody built the library for this driver and GPU
    std::vector<std::string> folders; // where CUDA's own libraries may lie beside the places the system knows
};

// What stands in the way, in the order in which it is looked for.
enum class CudaMissing { nothing, driver, library, runtime, gpu, newer_driver };

struct CudaFound {
    CudaMissing missing = CudaMissing::nothing;
    std::string detail;                  // the library that could not be loaded, or the GPU
    ggml_backend_dev_t device = nullptr; // the GPU with most free memory
};

// Loads it once a process; what was missing before is looked for again. Needs load_backends() before.
CudaFound find_cuda(const CudaSearch& search);

} // namespace longread
