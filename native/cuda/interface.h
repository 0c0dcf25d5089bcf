// The C interface of longread-cuda.so, and the arrays that pass through it. Whoever calls lays out batches
// (episodes.h); the library only computes. Nothing is thrown across: a call that fails gives null or nonzero, and
// longread_cuda_error() says why in one line. Pointers are to the caller's memory and read before the call returns,
// unless said otherwise. Half-precision numbers are IEEE binary16 in uint16_t.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Raised whenever anything below changes its meaning; a library of another version is not used.
#define LONGREAD_CUDA_VERSION 10

// Queries that one block of the attention kernel computes; a divisor of the engine's batch_tokens, so that no tile
// crosses a place where the window slides.
#define LONGREAD_TILE_ROWS 128
// More sinks than this are left to the engine.
#define LONGREAD_MOST_SINKS 64
// Tokens of a group of stored keys (memory/keys.h).
#define LONGREAD_GROUP_TOKENS 16

// Formats of stored keys, as KeyFormat in memory/keys.h.
#define LONGREAD_KEYS_F16 1
#define LONGREAD_KEYS_Q8 2

// Neighbouring tokens of one episode whose attention one block computes.
typedef struct {
    int32_t first_row; // of the batch: the first query
    int32_t rows;      // queries, 1 … LONGREAD_TILE_ROWS
    int32_t episode;   // row of the batch where the episode begins
    int32_t shifted;   // which of the batch's shifts the sinks it sees have; -1: they stand where they were read
} LongreadTile;

// A window that has slid: the sinks' keys of an episode are rotated on by `shift` positions.
typedef struct {
    int32_t episode; // row of the batch where the episode begins
    int32_t shift;   // positions, above 0
} LongreadShift;

// Sixteen remembered tokens of an episode whose keys are packed together (memory/keys.h).
typedef struct {
    uint64_t keys;   // byte in the batch's keys where the episode's first key head begins
    uint64_t stride; // bytes from one key head to the next
    uint32_t padded; // the episode's remembered tokens, rounded up to whole groups
    uint32_t group;  // which of the episode's
    uint32_t first;  // its first token's place in kept_rows
    uint32_t count;  // 1 … LONGREAD_GROUP_TOKENS
} LongreadGroup;

// A unit's tokens among the stored keys of its episode.
typedef struct {
    uint64_t keys;   // byte where the episode's first key head begins: of the batch's keys, or a GPU's address
    uint64_t stride; // bytes from one key head to the next
    uint32_t padded; // the episode's remembered tokens, rounded up to whole groups
    uint32_t begin, end;
    uint32_t unused; // the size is the same everywhere
} LongreadUnit;

// Episodes that are read together, their tokens one after the other: [row].
typedef struct {
    int32_t rows;
    const int32_t* tokens;    // [row]
    const int32_t* positions; // [row], in the row's episode
    const LongreadTile* tiles;
    int32_t tile_count;
    int32_t shift_count;
    const LongreadShift* shifts;
    const int32_t* kept_rows; // rows of remembered tokens, ascending
    const LongreadGroup* groups;
    int32_t kept_count, group_count;
    const LongreadUnit* units;
    int32_t unit_count;
    int32_t unused;
    uint64_t key_bytes; // of the batch's keys
} LongreadBatch;

typedef struct {
    int32_t layers; // that are read
    int32_t embedding, feed_forward, vocabulary;
    int32_t heads, key_heads, head_size; // head_size 64 or 128
    int32_t neox;                        // pairs half a head apart are rotated instead of neighbours
    float norm_epsilon, attention_scale;
    float shift_length; // what `turns` lengthen is taken back from sinks that are rotated on: 1 / that length
    int32_t rows;       // of a batch; of a longer one the feed-forward parts are computed so many rows at a time
    int32_t positions;  // in `turns`, and rows of the largest batch; at least `rows`
    int32_t window, sinks;
    int32_t eight; // products of the layers in 8 bit, a scale a row: twice as quick on GPUs that can, some percent off
} LongreadShape;

// Matrices are [out][in] in half precision, vectors F32; null where the architecture has none.
typedef struct {
    const uint16_t* qkv; // queries of all heads, then keys, then values: [(heads + 2 key_heads) head_size][embedding]
    const uint16_t* output;                  // [embedding][heads head_size]
    const uint16_t* gate_up;                 // gates, then what they are multiplied with: [2 feed_forward][embedding]
    const uint16_t* down;                    // [embedding][feed_forward]
    const float *attention_norm, *feed_norm; // [embedding]
    const float* qkv_bias;                   // [(heads + 2 key_heads) head_size], or null
    const float *query_norm, *key_norm;      // [head_size], or null
} LongreadLayer;

// What comes after the last layer. Null where the architecture has none; without `matrix` it is the embedding's.
typedef struct {
    const float* norm;      // [embedding]
    const uint16_t* matrix; // [vocabulary][embedding]
    const float* bias;      // [vocabulary]
} LongreadOutput;

// What is kept of every batch: keys of key heads, and what the reference questions say of each unit.
typedef struct {
    int32_t format;
    int32_t key_slots;            // key heads that are kept, ordered by layer
    const int32_t* key_layer;     // [key slot]
    const int32_t* key_head;      // [key slot]
    int32_t heads;                // query heads
    int32_t questions;            // reference questions; 0: no statistics
    const int32_t* head_slot;     // [head]: its key slot
    const float* queries;         // [head][row of all questions][head_size], scaled
    const int32_t* question_rows; // [question]
} LongreadRecall;

// What was read of a batch; the arrays belong to the reader and are good until a batch is begun.
typedef struct {
    const uint8_t* keys;     // LongreadBatch::key_bytes; padding between heads is undefined
    const float* means;      // [head][unit of the batch]; null without reference questions
    const float* deviations; // [head][unit of the batch]
} LongreadRead;

typedef struct LongreadReader LongreadReader;
typedef struct LongreadStore LongreadStore;

int32_t longread_cuda_version(void);
// Of this thread's last call that failed.
const char* longread_cuda_error(void);
// Free bytes of the device with this PCI bus id ("0000:01:00.0"); 0 and an error where there is none.
uint64_t longread_cuda_free_bytes(const char* bus_id);

// Bytes of GPU memory that a reader of this shape takes once it has read a largest batch, its weights included, without
// what a batch's own lists need.
uint64_t longread_cuda_reader_bytes(const LongreadShape* shape);
// `cublas` is the file of libcublasLt. turns: [position][head_size / 2] cosine and sine, lengthened; embedding:
// [vocabulary][embedding]. Every layer is then given once.
LongreadReader* longread_cuda_reader_new(const char* bus_id, const char* cublas, const LongreadShape* shape,
                                         const float* turns, const uint16_t* embedding);
int32_t longread_cuda_reader_layer(LongreadReader* reader, int32_t layer, const LongreadLayer* weights);
// To be told before the first batch and whenever it changes, while no batch is being read.
int32_t longread_cuda_reader_recall(LongreadReader* reader, const LongreadRecall* recall);
// Sends a batch to the GPU and returns while it is read; at most two may be on their way.
int32_t longread_cuda_reader_begin(LongreadReader* reader, const LongreadBatch* batch);
// Waits for the batch that was begun first.
int32_t longread_cuda_reader_finish(LongreadReader* reader, LongreadRead* read);
// Reads a batch no deeper than the last of `layers` (rising), and returns when it is read; nothing of it is kept, and
// no other batch may be on its way. qkv: [layer][row of the batch from `first` on][(heads + 2 key_heads) head_size],
// half precision: what the layers multiply to, before biases, norms and rotation. Lists of what is kept are not looked
// at.
int32_t longread_cuda_reader_heads(LongreadReader* reader, const LongreadBatch* batch, const int32_t* layers,
                                   int32_t layer_count, int32_t first, uint16_t* qkv);
// For likelihoods: to be told once.
int32_t longread_cuda_reader_output(LongreadReader* reader, const LongreadOutput* output);
// Reads a batch through all layers, each of which has been given, and returns when it is read; nothing of it is kept,
// and no other batch may be on its way. likelihoods: [count], the log-probability (nats) of the token wanted [count]
// after the batch's rows [count]. Lists of what is kept are not looked at.
int32_t longread_cuda_reader_likelihoods(LongreadReader* reader, const LongreadBatch* batch, const int32_t* rows,
                                         const int32_t* wanted, int32_t count, float* likelihoods);
void longread_cuda_reader_free(LongreadReader* reader);

// For benches: seconds that the products of the shape's layers take by themselves for so many rows of random numbers,
// in 8 bit where it says so, each done so many times. Reading with the same products cannot be quicker.
int32_t longread_cuda_floor(const char* bus_id, const char* cublas, const LongreadShape* shape, int32_t rows,
                            int32_t times, double* seconds);

// Keys of many episodes, kept on the GPU. head_slot: [head], its key slot.
LongreadStore* longread_cuda_store_new(const char* bus_id, int32_t format, int32_t head_size, int32_t heads,
                                       const int32_t* head_slot);
// Copies the keys of an episode there and gives where they lie.
int32_t longread_cuda_store_put(LongreadStore* store, const uint8_t* keys, uint64_t bytes, uint64_t* address);
// Forgets all keys.
int32_t longread_cuda_store_clear(LongreadStore* store);
// masses: [head][row][unit], log-sum-exp over the unit's keys of query·key; minus infinity for a unit without tokens.
// queries: [head][row][head_size], scaled. Unit::keys are addresses that put() gave.
int32_t longread_cuda_store_score(LongreadStore* store, const LongreadUnit* units, int32_t unit_count,
                                  const float* queries, int32_t rows, float* masses);
void longread_cuda_store_free(LongreadStore* store);

#ifdef __cplusplus
}
#endif

#include "cuda/interface-stream.h"
