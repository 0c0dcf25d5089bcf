// The part of longread-cuda.so's C interface that reads one stream by InfLLM's method (infllm/parameters.h); errors and
// arrays as in interface.h, which includes this.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A layer never uses more units than these, nor larger ones.
#define LONGREAD_MOST_CHOSEN 2048
#define LONGREAD_MOST_UNIT_TOKENS 1024

typedef struct {
    // Of it: all that describes a model; shift_length; `rows`, tokens of a read at most; `positions` of the turns, as
    // many as longread_cuda_stream_positions() says. Not window and sinks.
    LongreadShape model;
    int32_t n_init, n_local, block_size, topk, repr_topk, max_cached_block, exc_block_size, distance;
    // Of the processor's memory that units may take; it is pinned.
    uint64_t host_bytes;
    // Where further units rest in a file; null or empty: there can be none.
    const char* folder;
    // Of the GPU's memory that representative keys may take, where there is room; others are in the processor's,
    // pinned.
    uint64_t repr_bytes;
} LongreadStreamShape;

typedef struct {
    int32_t position, units; // tokens that were read, units made of them
    uint64_t gpu_bytes;      // without weights: the window, places of units, representative keys
    uint64_t key_bytes;      // of the processor's memory: representative keys for which there is no room there
    uint64_t unit_bytes;     // of the processor's memory
    uint64_t disk_bytes;
    uint64_t found, fetched; // units that blocks used and found on the GPU, and that were brought there
} LongreadStreamState;

typedef struct LongreadStream LongreadStream;

// 0 and an error where the kernels do not read such a stream.
int32_t longread_cuda_stream_positions(const LongreadStreamShape* shape);
// Bytes of GPU memory, weights included, without representative keys: these take 2 * heads * head_size * layers for
// each unit, 256 units at once; and up to 72 bytes a unit are taken, wherever its keys are.
uint64_t longread_cuda_stream_bytes(const LongreadStreamShape* shape);
// Arguments as of longread_cuda_reader_new(). output: [vocabulary][embedding], or null: the embedding; output_norm:
// [embedding].
LongreadStream* longread_cuda_stream_new(const char* bus_id, const char* cublas, const LongreadStreamShape* shape,
                                         const float* turns, const uint16_t* embedding, const uint16_t* output,
                                         const float* output_norm);
int32_t longread_cuda_stream_layer(LongreadStream* stream, int32_t layer, const LongreadLayer* weights);
// Lengths of the units to come, each from 1 to block_size; from the first call on every token is in one of them.
// Without a call, which must come before the first token, units have block_size tokens.
int32_t longread_cuda_stream_cut(LongreadStream* stream, const int32_t* lengths, int32_t count);
// Reads tokens in blocks of exc_block_size, the last one perhaps shorter. logits: [row][vocabulary] of the tokens
// `rows`, rising. After an error the stream is whole only up to the last mark.
int32_t longread_cuda_stream_read(LongreadStream* stream, const int32_t* tokens, int32_t count, const int32_t* rows,
                                  int32_t row_count, float* logits);
// What is read after a mark is forgotten by a rewind, as often as wanted.
int32_t longread_cuda_stream_mark(LongreadStream* stream);
int32_t longread_cuda_stream_rewind(LongreadStream* stream);
// Units that layers use from now on. counts: [layer], negative where units are looked up; units: [layer][its count],
// rising, of at most topk * block_size tokens.
int32_t longread_cuda_stream_use(LongreadStream* stream, const int32_t* counts, const int32_t* units);
// Among which units those are looked up that are not given, from now on: those that begin before position `before`;
// ahead of all others those that begin in one of `count` ranges, first: pairs of positions, rising. At first among all.
int32_t longread_cuda_stream_among(LongreadStream* stream, int32_t before, const int32_t* first, int32_t count);
// What each layer used for block `block` of the last read; nothing before the first. counts: [layer]; units:
// [layer][LONGREAD_MOST_CHOSEN]
int32_t longread_cuda_stream_used(LongreadStream* stream, int32_t block, int32_t* counts, int32_t* units);
int32_t longread_cuda_stream_state(LongreadStream* stream, LongreadStreamState* state);
// starts: [unit], and where the last one ends: positions in the stream.
int32_t longread_cuda_stream_starts(LongreadStream* stream, int32_t* starts);
// All that was read, as bytes that `put` gets one piece after the other; and where it stands is marked. What `put` and
// `get` give is 0, or the call ends with an error.
typedef int32_t (*LongreadPut)(void* to, const void* bytes, uint64_t count);
typedef int32_t (*LongreadGet)(void* from, void* bytes, uint64_t count);
int32_t longread_cuda_stream_save(LongreadStream* stream, LongreadPut put, void* to);
// Of a stream of this shape, into one that has read nothing and was told of no units; LONGREAD_NOT_KEPT where the bytes
// are not such a stream's. Then, and after an error, the stream is only to be freed.
#define LONGREAD_NOT_KEPT 2
int32_t longread_cuda_stream_restore(LongreadStream* stream, LongreadGet get, void* from);
void longread_cuda_stream_free(LongreadStream* stream);

#ifdef __cplusplus
}
#endif
