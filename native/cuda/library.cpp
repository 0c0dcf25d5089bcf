#include "cuda/library.h"
#include <dlfcn.h>

namespace longread::gpu {

std::shared_ptr<const Library> Library::load(const std::string& file, std::string& why) {
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        why = dlerror();
        return nullptr;
    }
    auto library = std::make_shared<Library>();
    const char* missing = nullptr;
    const auto find = [&](const char* name, auto& function) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
        if (!function && !missing)
            missing = name;
    };
    find("longread_cuda_version", library->version);
    find("longread_cuda_error", library->error);
    find("longread_cuda_free_bytes", library->free_bytes);
    find("longread_cuda_reader_bytes", library->reader_bytes);
    find("longread_cuda_reader_new", library->reader_new);
    find("longread_cuda_reader_layer", library->reader_layer);
    find("longread_cuda_reader_recall", library->reader_recall);
    find("longread_cuda_reader_begin", library->reader_begin);
    find("longread_cuda_reader_finish", library->reader_finish);
    find("longread_cuda_reader_heads", library->reader_heads);
    find("longread_cuda_reader_output", library->reader_output);
    find("longread_cuda_reader_likelihoods", library->reader_likelihoods);
    find("longread_cuda_reader_free", library->reader_free);
    find("longread_cuda_store_new", library->store_new);
    find("longread_cuda_store_put", library->store_put);
    find("longread_cuda_store_clear", library->store_clear);
    find("longread_cuda_store_score", library->store_score);
    find("longread_cuda_store_free", library->store_free);
    find("longread_cuda_stream_positions", library->stream_positions);
    find("longread_cuda_stream_bytes", library->stream_bytes);
    find("longread_cuda_stream_new", library->stream_new);
    find("longread_cuda_stream_layer", library->stream_layer);
    find("longread_cuda_stream_cut", library->stream_cut);
    find("longread_cuda_stream_read", library->stream_read);
    find("longread_cuda_stream_mark", library->stream_mark);
    find("longread_cuda_stream_rewind", library->stream_rewind);
    find("longread_cuda_stream_use", library->stream_use);
    find("longread_cuda_stream_among", library->stream_among);
    find("longread_cuda_stream_used", library->stream_used);
    find("longread_cuda_stream_state", library->stream_state);
    find("longread_cuda_stream_starts", library->stream_starts);
    find("longread_cuda_stream_save", library->stream_save);
    find("longread_cuda_stream_restore", library->stream_restore);
    find("longread_cuda_stream_free", library->stream_free);
    if (missing)
        why = file + " lacks " + missing;
    else if (library->version() != LONGREAD_CUDA_VERSION)
        why = file + " is of another version; run .ci/cuda again";
    else
        return library;
    return nullptr;
}

} // namespace longread::gpu
