// longread-cuda.so, loaded when a GPU reads. It is built apart (.ci/cuda), and the engine works without it.
#pragma once
#include "cuda/interface.h"
#include <memory>
#include <stdexcept>
#include <string>

namespace longread::gpu {

struct Library {
    decltype(&longread_cuda_version) version;
    decltype(&longread_cuda_error) error;
    decltype(&longread_cuda_free_bytes) free_bytes;
    decltype(&longread_cuda_reader_bytes) reader_bytes;
    decltype(&longread_cuda_reader_new) reader_new;
    decltype(&longread_cuda_reader_layer) reader_layer;
    decltype(&longread_cuda_reader_recall) reader_recall;
    decltype(&longread_cuda_reader_begin) reader_begin;
    decltype(&longread_cuda_reader_finish) reader_finish;
    decltype(&longread_cuda_reader_heads) reader_heads;
    decltype(&longread_cuda_reader_output) reader_output;
    decltype(&longread_cuda_reader_likelihoods) reader_likelihoods;
    decltype(&longread_cuda_reader_free) reader_free;
    decltype(&longread_cuda_store_new) store_new;
    decltype(&longread_cuda_store_put) store_put;
    decltype(&longread_cuda_store_clear) store_clear;
    decltype(&longread_cuda_store_score) store_score;
    decltype(&longread_cuda_store_free) store_free;
    decltype(&longread_cuda_stream_positions) stream_positions;
    decltype(&longread_cuda_stream_bytes) stream_bytes;
    decltype(&longread_cuda_stream_new) stream_new;
    decltype(&longread_cuda_stream_layer) stream_layer;
    decltype(&longread_cuda_stream_cut) stream_cut;
    decltype(&longread_cuda_stream_read) stream_read;
    decltype(&longread_cuda_stream_mark) stream_mark;
    decltype(&longread_cuda_stream_rewind) stream_rewind;
    decltype(&longread_cuda_stream_use) stream_use;
    decltype(&longread_cuda_stream_among) stream_among;
    decltype(&longread_cuda_stream_used) stream_used;
    decltype(&longread_cuda_stream_state) stream_state;
    decltype(&longread_cuda_stream_starts) stream_starts;
    decltype(&longread_cuda_stream_save) stream_save;
    decltype(&longread_cuda_stream_restore) stream_restore;
    decltype(&longread_cuda_stream_free) stream_free;

    // Null where the file cannot be loaded, lacks a function or is of another version; `why` then says it in a line.
    // It stays loaded.
    static std::shared_ptr<const Library> load(const std::string& file, std::string& why);
};

// Where the kernels compute.
struct Place {
    std::shared_ptr<const Library> library;
    std::string bus_id; // of the GPU, as ggml names it
    std::string cublas; // file of libcublasLt
};

// What the kernels could not do; whoever asked goes on without them.
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

} // namespace longread::gpu
