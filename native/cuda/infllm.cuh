// The kernels of a stream that is read by InfLLM's method (arXiv 2402.04617; the equations: infllm/parameters.h). Every
// layer keeps its keys, not rotated, and values in rows of key_heads * head_size halves: first the sinks, then the
// places of units that were looked up, then the window; and for the window's rows the rotated keys and what each token
// received. What a block of tokens sees of the window is computed apart from what it sees of all else; merge_parts()
// makes one softmax of both. What changes from block to block is in the GPU's memory (StreamBlock), so that a token's
// kernels can be recorded once.
#pragma once
#include "cuda/heads.cuh"

namespace longread::gpu {

// Representative keys lie in pieces of so many units.
constexpr int units_of_chunk = 256;
constexpr size_t most_units = size_t{1} << 22; // of a stream
// More than so many units are never chosen.
constexpr int most_chosen = 2048;
// Blocks of a read whose scores are computed together.
constexpr int blocks_at_once = 8;
// The best units that are remembered when they are looked for ahead.
constexpr int most_listed = 1024;
// The largest unit.
constexpr int most_unit_tokens = 1024;

struct StreamLayout {
    int heads, key_heads, head_size;
    int n_local, block_size, topk, repr_topk;
    int cached;   // places of units that were looked up, of block_size tokens each
    int capacity; // of the window, in tokens
    // The first row of each part, and how many there are in all. Units that find no place are put where `spare_row` is,
    // for the block alone.
    int cache_row, spare_row, window_row, rows;
    float scale;   // of products of queries and keys
    float stretch; // of what is not rotated: how much longer rotating makes a vector

    __host__ __device__ int width() const { return key_heads * head_size; }
    __host__ __device__ int group() const { return heads / key_heads; }
};

// Tokens that look units up together. Slots count the window's rows; a token is rotated to its slot.
struct StreamBlock {
    int first_row, rows; // of the read
    int slot;            // of the first token
    int start;           // of the oldest token that is in no unit yet
    int sinks, units;    // that there are; of units, that may be looked up
    int rest;            // tokens from `start` on that are out of the last token's window
    int base;            // position in the stream of slot 0
    int tokens;          // that may be chosen; 0: none is looked up
    int most;            // units that may be chosen
    int clock;           // blocks that were read before, above 0
    int old;             // of the units those that there were before the read
};

// Parts that keys are split into at most.
constexpr int most_splits = 32;

// A unit: where it rests in the processor's memory as the GPU addresses it ([layer][keys, values][token][width]; 0: in
// a file), its first token's position in the stream, its tokens.
struct StreamUnit {
    uint64_t address;
    int32_t first, tokens;
};

// A layer's arrays. keys, values: [row][width]; rotated: [slot][width]; received: [head][slot] F32.
struct StreamLayer {
    __half *keys, *values, *rotated;
    float* received;
};

// What choose_units() finds for the far part: the first `fixed` rows of the table are seen by all tokens, the others by
// those whose window does not reach them any more. `copies`: units to be fetched.
struct FarPart {
    int fixed, total, copies, chosen;
};
struct UnitCopy {
    int unit, row;
};

// Of a layer: which unit is at which place, or -1; and the clock when it was last used.
struct UnitPlaces {
    int32_t *unit, *used;
};

// What was looked up of a block ahead; all null where nothing was.
struct LookAhead {
    FarPart* far;
    UnitCopy* copies;         // [copy]
    unsigned long long* list; // [most_listed]: the best of the old units, best first
    int32_t* listed;          // how many
    bool now;                 // this is what is done now
};

struct LookUpArrays {
    float* mean;                // [head][head size], of the block
    uint32_t* scores;           // [unit], of the block: larger for larger scores
    int32_t* table;             // [far row]: the row of keys and values
    FarPart* far;               //
    UnitCopy* copies;           // [copy]
    unsigned long long* counts; // units found at a place or in the window, units fetched, so far
    LookAhead ahead;
};

// Units that come before all others whatever these score: those that begin in one of the ranges, pairs of positions in
// the stream, rising. None where there are no ranges.
struct FirstUnits {
    const StreamUnit* units;
    const int32_t* ranges;
    int count; // of ranges
};

// The representative keys of a layer's units, and which of these come first. chunks: [chunk], each
// [layer][unit][head][head_size] F16.
struct UnitKeys {
    __half* const* chunks;
    int layer;
    FirstUnits first;
};

// Queries, keys and values of a read as the projection gives them, qkv [row][head][head_size], are made ready: biases
// and norms of heads; queries rotated to their slots (near) and to `distance` (far), both [row][head][head_size]; keys,
// raw and rotated, and values to their slots, which have received nothing yet. Off as rotate() is.
void place_tokens(const __half* qkv, const StreamBlock* first, int rows, int distance, const StreamLayout& layout,
                  const Heads& heads, __half* near, __half* far, const StreamLayer& layer, cudaStream_t stream);

// The window attention of rows that follow each other, of whose blocks `block` is the first: partial
// [split][row][head][head_size] F32 and its logarithm (of base 2) of the sum of shares, logs [split][row][head]; minus
// infinity where nothing is seen. The keys are split into as many parts. near, and far below: of the block's first row.
void attend_window(const __half* near, const StreamBlock* block, int rows, int splits, const StreamLayout& layout,
                   const StreamLayer& layer, float* partial, float* logs, cudaStream_t stream);
// The same of a block's far part, of that block's rows alone.
void attend_far(const __half* far, const StreamBlock* block, int rows, int splits, const LookUpArrays& found,
                const StreamLayout& layout, const StreamLayer& layer, float* partial, float* logs, cudaStream_t stream);
// Both to one softmax: to [row][head][head_size] F16, log_sums [row][head]. Shares are rounded to F16, and so is the
// result: off the reference by at most 1e-3 of the largest value.
struct Parts {
    const float *partial, *logs; // from the block's first row on
    int splits, rows;            // rows of a split
};
void merge_parts(const Parts& window, const Parts& far, int rows, const StreamLayout& layout, __half* to,
                 float* log_sums, cudaStream_t stream);
// Adds to layer.received what a block's tokens give each token of the window. near: of the block's first row. Off the
// reference by at most 2e-3 of each sum, and 1e-5.
void receive(const __half* near, const float* log_sums, const StreamBlock* block, int rows, const StreamLayout& layout,
             const StreamLayer& layer, cudaStream_t stream);

// Means of the far queries of each of `count` blocks, F32: mean [block][head][head_size].
void mean_queries(const __half* far, const StreamBlock* blocks, int count, const StreamLayout& layout, float* mean,
                  cudaStream_t stream);
// scores [block][unit], of `stride` numbers a block: of the means of `count` blocks of a read, at most blocks_at_once,
// with a layer's representative keys of the old units, of which there may be `most`. Off the reference by at most 1e-4
// of each score, and 1e-4.
void score_units(const float* mean, const UnitKeys& keys, const StreamBlock* blocks, int count, int most,
                 const StreamLayout& layout, int stride, uint32_t* scores, cudaStream_t stream);
// The best units within the block's budget, best first by score (the older one where scores are equal; one that does
// not fit is left out), or those of `forced` where forced_count is not negative; which of them must be fetched and
// whose places those take that were used longest ago; and the table of far rows. chosen: rising, and how many. Scores
// of units that are not old are computed here.
//
// Ahead (arrays.ahead.now): the same of the old units alone, while the block before this one may be computed, whose
// places are left alone; what finds no place is not fetched, and there is neither a table nor anything chosen.
void choose_units(const StreamBlock* block, const StreamUnit* units, const int32_t* forced, const int32_t* forced_count,
                  const UnitPlaces& places, const LookUpArrays& arrays, const UnitKeys& keys,
                  const StreamLayout& layout, int32_t* chosen, int32_t* chosen_count, cudaStream_t stream);
// Copies what choose_units() wants from the memory where it rests. At most `most` units.
void fetch_units(const StreamUnit* units, const LookUpArrays& arrays, int most, int layer, const StreamLayout& layout,
                 const StreamLayer& to, cudaStream_t stream);
// Frees the places of units from `units` on. unit: [layer][cached]
void forget_units(int32_t* unit, int places, int units, cudaStream_t stream);

// What leaves the window, of `layers` layers from `first` on. strides: from one layer's arrays to the next.
struct LayerStrides {
    size_t rows, rotated, received;
};
struct LayerRange {
    StreamLayer layer; // the first's
    LayerStrides strides;
    int first, count;
};
// Rows of keys and values from slot `from` on become sinks.
void make_sinks(const LayerRange& layers, int sinks, int from, int count, const StreamLayout& layout,
                cudaStream_t stream);
// Representative keys of units [first, end): means of the repr_topk tokens that received most, of each head.
void represent_units(const LayerRange& layers, const StreamUnit* units, int first, int end, int base,
                     __half* const* chunks, const StreamLayout& layout, cudaStream_t stream);
// Moves `count` slots from to + by on to `to`, where none of them may lie but itself, and rotates their keys anew.
void slide_window(const LayerRange& layers, int to, int by, int count, const StreamLayout& layout, const Heads& heads,
                  cudaStream_t stream);

} // namespace longread::gpu
