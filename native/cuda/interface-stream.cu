#include "cuda/guarded.cuh"
#include "cuda/stream.cuh"

struct LongreadStream {
    longread::gpu::UnitStream stream;
};

namespace {

using longread::gpu::done;
using longread::gpu::guarded;

static_assert(LONGREAD_MOST_CHOSEN == longread::gpu::most_chosen);
static_assert(LONGREAD_MOST_UNIT_TOKENS == longread::gpu::most_unit_tokens);

} // namespace

LONGREAD_EXPORT int32_t longread_cuda_stream_positions(const LongreadStreamShape* shape) {
    return guarded<int32_t>(0, [&] { return longread::gpu::UnitStream::positions(*shape); });
}

LONGREAD_EXPORT uint64_t longread_cuda_stream_bytes(const LongreadStreamShape* shape) {
    return guarded<uint64_t>(0, [&] { return longread::gpu::UnitStream::bytes(*shape); });
}

LONGREAD_EXPORT LongreadStream* longread_cuda_stream_new(const char* bus_id, const char* cublas,
                                                         const LongreadStreamShape* shape, const float* turns,
                                                         const uint16_t* embedding, const uint16_t* output,
                                                         const float* output_norm) {
    return guarded<LongreadStream*>(
        nullptr, [&] { return new LongreadStream{{bus_id, cublas, *shape, turns, embedding, output, output_norm}}; });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_layer(LongreadStream* stream, int32_t layer,
                                                   const LongreadLayer* weights) {
    return done([&] { stream->stream.set_layer(layer, *weights); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_cut(LongreadStream* stream, const int32_t* lengths, int32_t count) {
    return done([&] { stream->stream.cut(lengths, count); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_read(LongreadStream* stream, const int32_t* tokens, int32_t count,
                                                  const int32_t* rows, int32_t row_count, float* logits) {
    return done([&] { stream->stream.read(tokens, count, rows, row_count, logits); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_mark(LongreadStream* stream) {
    return done([&] { stream->stream.mark(); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_rewind(LongreadStream* stream) {
    return done([&] { stream->stream.rewind(); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_use(LongreadStream* stream, const int32_t* counts, const int32_t* units) {
    return done([&] { stream->stream.use(counts, units); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_among(LongreadStream* stream, int32_t before, const int32_t* first,
                                                   int32_t count) {
    return done([&] { stream->stream.look_among(before, first, count); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_used(LongreadStream* stream, int32_t block, int32_t* counts,
                                                  int32_t* units) {
    return done([&] { stream->stream.used(block, counts, units); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_state(LongreadStream* stream, LongreadStreamState* state) {
    return done([&] { *state = stream->stream.state(); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_starts(LongreadStream* stream, int32_t* starts) {
    return done([&] { stream->stream.starts(starts); });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_save(LongreadStream* stream, LongreadPut put, void* to) {
    return done([&] {
        stream->stream.save([&](const void* bytes, size_t count) {
            if (put(to, bytes, count) != 0)
                throw std::runtime_error("what was read could not be kept");
        });
    });
}

LONGREAD_EXPORT int32_t longread_cuda_stream_restore(LongreadStream* stream, LongreadGet get, void* from) {
    return guarded<int32_t>(1, [&] {
        const bool whole = stream->stream.restore([&](void* bytes, size_t count) {
            if (get(from, bytes, count) != 0)
                throw std::runtime_error("what was kept ends too soon");
        });
        return whole ? 0 : LONGREAD_NOT_KEPT;
    });
}

LONGREAD_EXPORT void longread_cuda_stream_free(LongreadStream* stream) { delete stream; }
