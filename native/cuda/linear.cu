#include "cuda/check.cuh"
#include "cuda/cublaslt.h"
#include "cuda/linear.cuh"
#include <cfloat>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <vector>

#if defined(__has_include)
#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
namespace longread::gpu::cublaslt {
static_assert(type_f32 == CUDA_R_32F && type_f16 == CUDA_R_16F && compute_f32 == CUBLAS_COMPUTE_32F);
static_assert(type_e4m3 == CUDA_R_8F_E4M3 && fast_sums == CUBLASLT_MATMUL_DESC_FAST_ACCUM &&
              scale_pointers[0] == CUBLASLT_MATMUL_DESC_A_SCALE_POINTER &&
              scale_pointers[1] == CUBLASLT_MATMUL_DESC_B_SCALE_POINTER);
#if CUBLAS_VERSION >= 120900
static_assert(scale_modes[0] == CUBLASLT_MATMUL_DESC_A_SCALE_MODE &&
              scale_modes[1] == CUBLASLT_MATMUL_DESC_B_SCALE_MODE &&
              scale_by_row == CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F);
#endif
static_assert(transposed == CUBLAS_OP_T && transpose_a == CUBLASLT_MATMUL_DESC_TRANSA);
static_assert(preference_workspace == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES && CUBLAS_STATUS_SUCCESS == 0);
static_assert(preference_alignment[0] == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES &&
              preference_alignment[1] == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES &&
              preference_alignment[2] == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES &&
              preference_alignment[3] == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
static_assert(sizeof(Algorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(Heuristic) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(Heuristic, status) == offsetof(cublasLtMatmulHeuristicResult_t, state));
static_assert(offsetof(Heuristic, workspace) == offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
} // namespace longread::gpu::cublaslt
#endif
#endif

namespace longread::gpu {
namespace {

using namespace cublaslt;

// What NVIDIA recommends for Hopper; earlier GPUs need less.
constexpr size_t workspace_bytes = size_t{32} << 20;
constexpr uint32_t alignment = 16; // of matrices and their rows (linear.cuh), in bytes
constexpr int most_proposals = 8;
// Batches of nearly as many rows share a plan.
constexpr int row_step = 1024;

void check_blas(Status status, const char* what) {
    if (status != 0)
        throw std::runtime_error(std::string("cuBLASLt could not ") + what + " (" + std::to_string(status) + ")");
}

Functions load(const char* file) {
    // Never closed: it holds state of the driver.
    void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        throw std::runtime_error(dlerror());
    Functions f{};
    const auto find = [&](const char* name, auto& function) {
        void* address = dlsym(library, name);
        if (!address)
            throw std::runtime_error(std::string(file) + " lacks " + name);
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
    };
#define LONGREAD_FIND(name) find(#name, f.name)
    LONGREAD_FIND(cublasLtCreate);
    LONGREAD_FIND(cublasLtDestroy);
    LONGREAD_FIND(cublasLtMatmulDescCreate);
    LONGREAD_FIND(cublasLtMatmulDescDestroy);
    LONGREAD_FIND(cublasLtMatmulDescSetAttribute);
    LONGREAD_FIND(cublasLtMatrixLayoutCreate);
    LONGREAD_FIND(cublasLtMatrixLayoutDestroy);
    LONGREAD_FIND(cublasLtMatmulPreferenceCreate);
    LONGREAD_FIND(cublasLtMatmulPreferenceDestroy);
    LONGREAD_FIND(cublasLtMatmulPreferenceSetAttribute);
    LONGREAD_FIND(cublasLtMatmulAlgoGetHeuristic);
    LONGREAD_FIND(cublasLtMatmul);
#undef LONGREAD_FIND
    return f;
}

int rounded_rows(int rows) { return blocks_for(rows, row_step) * row_step; }

} // namespace

struct Linear::Plans {
    // cuBLASLt's matrices are column by column: y^T [out][row] = weight^T^T [out][in] · x^T [in][row].
    struct Layouts {
        const Functions& f;
        Descriptor product = nullptr, weight = nullptr, x = nullptr, y = nullptr;

        Layouts(const Functions& functions, const Product& p, const Factor& weights, const Factor& xs, int rows)
            : f(functions) {
            const int type = p.adds ? type_f32 : type_f16, factor = p.eight ? type_e4m3 : type_f16;
            check_blas(f.cublasLtMatmulDescCreate(&product, compute_f32, type_f32), "describe a product");
            check_blas(f.cublasLtMatmulDescSetAttribute(product, transpose_a, &transposed, sizeof transposed),
                       "describe a product");
            const auto say = [&](int attribute, const auto& value) {
                check_blas(f.cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value),
                           "multiply 8-bit numbers");
            };
            if (p.eight) {
                say(fast_sums, int8_t{1});
                const float* scales[] = {weights.scales, xs.scales};
                for (int i = 0; i < 2; ++i) {
                    say(scale_modes[i], int32_t{scale_by_row});
                    say(scale_pointers[i], scales[i]);
                }
            }
            check_blas(f.cublasLtMatrixLayoutCreate(&weight, factor, p.in, p.out, p.in), "describe weights");
            check_blas(f.cublasLtMatrixLayoutCreate(&x, factor, p.in, rows, p.in), "describe rows");
            check_blas(f.cublasLtMatrixLayoutCreate(&y, type, p.out, rows, p.stride), "describe a result");
        }
        ~Layouts() {
            for (Descriptor matrix : {weight, x, y})
                if (matrix)
                    f.cublasLtMatrixLayoutDestroy(matrix);
            if (product)
                f.cublasLtMatmulDescDestroy(product);
        }
        Layouts(const Layouts&) = delete;
        Layouts& operator=(const Layouts&) = delete;
    };

    Functions f;
    Handle handle = nullptr;
    Buffer<char> workspace{workspace_bytes};
    std::map<std::pair<Product, int>, Algorithm> algorithms; // by rows, rounded up

    explicit Plans(const char* file) : f(load(file)) { check_blas(f.cublasLtCreate(&handle), "be started"); }
    ~Plans() { f.cublasLtDestroy(handle); }

    std::vector<Algorithm> propose(const Product& p, const Factor& x, const Factor& weight, int rows,
                                   int wanted) const {
        const Layouts l(f, p, weight, x, rows);
        Descriptor preference = nullptr;
        check_blas(f.cublasLtMatmulPreferenceCreate(&preference), "take a preference");
        Status set = f.cublasLtMatmulPreferenceSetAttribute(preference, preference_workspace, &workspace_bytes,
                                                            sizeof workspace_bytes);
        // It would count on 256 bytes; keys alone are multiplied into the middle of a row.
        for (int matrix : preference_alignment)
            set = set != 0 ? set
                           : f.cublasLtMatmulPreferenceSetAttribute(preference, matrix, &alignment, sizeof alignment);
        Heuristic proposals[most_proposals] = {};
        int found = 0;
        const Status status = set != 0 ? set
                                       : f.cublasLtMatmulAlgoGetHeuristic(handle, l.product, l.weight, l.x, l.y, l.y,
                                                                          preference, wanted, proposals, &found);
        f.cublasLtMatmulPreferenceDestroy(preference);
        check_blas(status, "propose how to multiply");
        std::vector<Algorithm> usable;
        for (int i = 0; i < found; ++i)
            if (proposals[i].status == 0)
                usable.push_back(proposals[i].algorithm);
        if (usable.empty())
            throw std::runtime_error("cuBLASLt knows no way to multiply " + std::to_string(p.in) + " by " +
                                     std::to_string(p.out));
        return usable;
    }

    Status run(const Product& p, const Algorithm& algorithm, const Factor& x, const Factor& weight, void* y, int rows,
               cudaStream_t stream) const {
        const Layouts l(f, p, weight, x, rows);
        const float one = 1.0f, beta = p.adds ? 1.0f : 0.0f;
        return f.cublasLtMatmul(handle, l.product, &one, weight.numbers, l.weight, x.numbers, l.x, &beta, y, l.y, y,
                                l.y, &algorithm, workspace.data(), workspace_bytes, stream);
    }

    // Milliseconds of one, the quickest of three; more than anything where it fails.
    float time(const Product& p, const Algorithm& algorithm, const Factor& x, const Factor& weight, void* y, int rows,
               cudaStream_t stream) const {
        Event before, after;
        float quickest = FLT_MAX;
        for (int i = 0; i < 3; ++i) {
            before.record(stream);
            if (run(p, algorithm, x, weight, y, rows, stream) != 0)
                return FLT_MAX;
            after.record(stream);
            after.wait();
            float took = 0;
            check(cudaEventElapsedTime(&took, before, after), "the GPU failed");
            quickest = took < quickest ? took : quickest;
        }
        return quickest;
    }
};

namespace {

// What was found quickest in this process, by device: the same text is read to the same numbers then, by whichever
// reader. An algorithm is good for every handle of a library.
struct Tuned {
    std::mutex lock;
    std::map<std::pair<int, std::pair<Product, int>>, Algorithm> algorithms;
};

Tuned& tuned() {
    static Tuned all;
    return all;
}

} // namespace

Linear::Linear(const char* file) : plans_(std::make_unique<Plans>(file)) {}
Linear::~Linear() = default;

void Linear::tune(const Product& product, Factor x, Factor weight, void* y, int rows, cudaStream_t stream) {
    int device = 0;
    check(cudaGetDevice(&device), "the GPU cannot be used");
    const std::pair<Product, int> key{product, rounded_rows(rows)};
    Tuned& all = tuned();
    std::lock_guard<std::mutex> guard(all.lock);
    if (const auto known = all.algorithms.find({device, key}); known != all.algorithms.end()) {
        plans_->algorithms[key] = known->second;
        return;
    }
    const std::vector<Algorithm> proposals = plans_->propose(product, x, weight, rows, most_proposals);
    float quickest = FLT_MAX;
    const Algorithm* best = &proposals[0];
    for (const Algorithm& algorithm : proposals) {
        const float took = plans_->time(product, algorithm, x, weight, y, rows, stream);
        if (took < quickest) {
            quickest = took;
            best = &algorithm;
        }
    }
    all.algorithms[{device, key}] = plans_->algorithms[key] = *best;
}

void Linear::multiply(const Product& product, Factor x, Factor weight, void* y, int rows, cudaStream_t stream) {
    const std::pair<Product, int> key{product, rounded_rows(rows)};
    auto known = plans_->algorithms.find(key);
    if (known == plans_->algorithms.end())
        known = plans_->algorithms.emplace(key, plans_->propose(product, x, weight, rows, 1)[0]).first;
    Status status = plans_->run(product, known->second, x, weight, y, rows, stream);
    if (status != 0) // what was right for nearly as many rows need not be for these
        status = plans_->run(product, plans_->propose(product, x, weight, rows, 1)[0], x, weight, y, rows, stream);
    check_blas(status, "multiply");
}

} // namespace longread::gpu
