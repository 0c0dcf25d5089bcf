#include "cuda/guarded.cuh"
#include "cuda/interface.h"
#include "cuda/reader.cuh"
#include "cuda/store.cuh"
#include <memory>

struct LongreadReader {
    longread::gpu::Reader reader;
};

struct LongreadStore {
    longread::gpu::Store store;
};

namespace {

using longread::gpu::done;
using longread::gpu::guarded;
using longread::gpu::last_error;

} // namespace

LONGREAD_EXPORT int32_t longread_cuda_version(void) { return LONGREAD_CUDA_VERSION; }

LONGREAD_EXPORT const char* longread_cuda_error(void) { return last_error.c_str(); }

LONGREAD_EXPORT uint64_t longread_cuda_free_bytes(const char* bus_id) {
    return guarded<uint64_t>(0, [&] {
        longread::gpu::use_device(bus_id);
        size_t free = 0, total = 0;
        longread::gpu::check(cudaMemGetInfo(&free, &total), "the GPU cannot be used");
        return static_cast<uint64_t>(free);
    });
}

LONGREAD_EXPORT uint64_t longread_cuda_reader_bytes(const LongreadShape* shape) {
    return guarded<uint64_t>(0, [&] { return longread::gpu::Reader::bytes(*shape); });
}

LONGREAD_EXPORT LongreadReader* longread_cuda_reader_new(const char* bus_id, const char* cublas,
                                                         const LongreadShape* shape, const float* turns,
                                                         const uint16_t* embedding) {
    return guarded<LongreadReader*>(nullptr,
                                    [&] { return new LongreadReader{{bus_id, cublas, *shape, turns, embedding}}; });
}

LONGREAD_EXPORT int32_t longread_cuda_reader_layer(LongreadReader* reader, int32_t layer,
                                                   const LongreadLayer* weights) {
    return done([&] { reader->reader.set_layer(layer, *weights); });
}

LONGREAD_EXPORT int32_t longread_cuda_reader_recall(LongreadReader* reader, const LongreadRecall* recall) {
    return done([&] { reader->reader.set_recall(*recall); });
}

LONGREAD_EXPORT int32_t longread_cuda_reader_begin(LongreadReader* reader, const LongreadBatch* batch) {
    return done([&] { reader->reader.begin(*batch); });
}

LONGREAD_EXPORT int32_t longread_cuda_reader_finish(LongreadReader* reader, LongreadRead* read) {
    return done([&] { *read = reader->reader.finish(); });
}

LONGREAD_EXPORT int32_t longread_cuda_reader_heads(LongreadReader* reader, const LongreadBatch* batch,
                                                   const int32_t* layers, int32_t layer_count, int32_t first,
                                                   uint16_t* qkv) {
    return done([&] { reader->reader.heads(*batch, layers, layer_count, first, qkv); });
}

LONGREAD_EXPORT int32_t longread_cuda_reader_output(LongreadReader* reader, const LongreadOutput* output) {
    return done([&] { reader->reader.set_output(*output); });
}

LONGREAD_EXPORT int32_t longread_cuda_reader_likelihoods(LongreadReader* reader, const LongreadBatch* batch,
                                                         const int32_t* rows, const int32_t* wanted, int32_t count,
                                                         float* likelihoods) {
    return done([&] { reader->reader.likelihoods(*batch, rows, wanted, count, likelihoods); });
}

LONGREAD_EXPORT void longread_cuda_reader_free(LongreadReader* reader) { delete reader; }

LONGREAD_EXPORT LongreadStore* longread_cuda_store_new(const char* bus_id, int32_t format, int32_t head_size,
                                                       int32_t heads, const int32_t* head_slot) {
    return guarded<LongreadStore*>(nullptr,
                                   [&] { return new LongreadStore{{bus_id, format, head_size, heads, head_slot}}; });
}

LONGREAD_EXPORT int32_t longread_cuda_store_put(LongreadStore* store, const uint8_t* keys, uint64_t bytes,
                                                uint64_t* address) {
    return done([&] { *address = store->store.put(keys, bytes); });
}

LONGREAD_EXPORT int32_t longread_cuda_store_clear(LongreadStore* store) {
    return done([&] { store->store.clear(); });
}

LONGREAD_EXPORT int32_t longread_cuda_store_score(LongreadStore* store, const LongreadUnit* units, int32_t unit_count,
                                                  const float* queries, int32_t rows, float* masses) {
    return done([&] { store->store.score(units, unit_count, queries, rows, masses); });
}

LONGREAD_EXPORT void longread_cuda_store_free(LongreadStore* store) { delete store; }
