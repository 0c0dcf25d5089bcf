#include "engine/arena.h"

namespace longread {

Arena::Arena(const Backend& backend, size_t most) {
    places_[0].backend = backend.cpu();
    places_[1].backend = backend.gpu();
    for (Place& place : places_)
        if (place.backend)
            place.tensors = ggml_init({ggml_tensor_overhead() * most, nullptr, true});
}

Arena::~Arena() {
    for (Place& place : places_) {
        ggml_backend_buffer_free(place.buffer);
        ggml_free(place.tensors);
    }
}

bool Arena::allocate(ggml_backend_buffer_usage usage) {
    for (Place& place : places_) {
        if (!place.tensors || !ggml_get_first_tensor(place.tensors))
            continue;
        place.buffer = ggml_backend_alloc_ctx_tensors(place.tensors, place.backend);
        if (!place.buffer)
            return false;
        ggml_backend_buffer_set_usage(place.buffer, usage);
    }
    return true;
}

void Arena::clear() {
    for (Place& place : places_)
        if (place.buffer)
            ggml_backend_buffer_clear(place.buffer, 0);
}

size_t Arena::bytes() const {
    size_t sum = 0;
    for (const Place& place : places_)
        if (place.buffer)
            sum += ggml_backend_buffer_get_size(place.buffer);
    return sum;
}

} // namespace longread
