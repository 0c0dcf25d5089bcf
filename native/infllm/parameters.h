// InfLLM (arXiv 2402.04617): a model with a short window reads a stream of any length. What leaves the window is kept,
// every layer's keys (not rotated) and values, as memory units; each layer looks up a few of them for every execution
// block of tokens and attends to them beside its window. The equations, with the names of the paper's code:
//
//   A layer's queries q_i, keys k_i and values v_i are those before rotation; R(x, p) rotates x to position p.
//   Tokens are read in execution blocks X of at most exc_block_size ≤ n_local. Token i attends to
//     the window   L_i = { j : i − n_local < j ≤ i }                       s_ij = R(q_i, i) · R(k_j, j)
//     the sinks    I   = { j : j < n_init, j ∉ L_i }                       s_ij = R(q_i, distance) · R(k_j, 0)
//     the units    U_X, all their tokens                                   s_ij = R(q_i, distance) · R(k_j, 0)
//     the rest     { j : j ∉ L_i, in no unit yet }                         s_ij = R(q_i, distance) · R(k_j, 0)
//   by one softmax of s_ij / sqrt(head size) over all of them, so what is far has one distance, that of the window's
//   end. Sums over parts are merged as exp(s − m) with one maximum m for all parts, which is what merging partial
//   results by their log-sum-exp gives; no token is ever counted twice.
//
//   Representative keys. While token j is in the window, each head h adds up what it receives: r_j^h = Σ_i a_ij^h (a:
//   the softmax; paper, eq. 2, averages s_ij instead, its code the softmax). When block_size tokens have left the
//   window they become unit B; its representative b^h is the mean of k_j^h over the repr_topk tokens of B with the
//   largest r_j^h. Lookup (paper, eq. 3). For X, unit B scores Σ_h mean_{i∈X} R(q_i^h, distance) · b^h, where a query
//   head takes the key head it shares; U_X are the topk best, in the stream's order. With perhead every head chooses
//   its own. While there are at most topk units, all are used. A unit's keys and values rest on disk, or in memory
//   where there is no folder for them; with a GPU in pinned memory, and beyond that on disk. max_cached_block of each
//   layer stay where they are used, in memory or on the GPU; those used longest ago leave first (cache_strategy "lru"
//   of the code). A caller may say that only some units are looked up, or some ahead of all others whatever these score
//   (UnitMemory::look_among).
//
// Two things differ from the paper's code. There `distance` is n_local − 1, as far as the window's oldest token; here
// it is n_local, as in the paper's text. There a token between window and units is seen at both distances by the
// earlier tokens of an execution block; here exactly once. Of the code's further parameters, fattn (which kernel),
// score_decay (only with cache_strategy "lru-s"), chunk_topk_calc, async_global_stream, pin_memory and faiss change
// speed and not results; here they have no counterpart.
#pragma once
#include "engine/error.h"
#include "engine/hyper.h"
#include <string>

namespace longread {

// Where looked-up units stand.
enum class Places {
    one,     // all at `distance`, as in the paper
    ordered, // one after the other, sinks first, right before what is not in a unit yet; distances are true there
};

// How keys and values are kept in units: as they are computed (for tests), in halves, or in 8 bit with a scale for
// every 32 numbers.
enum class UnitFormat { f32, f16, q8_0 };

struct InfLlmParameters {
    static constexpr int most_megabytes = 1 << 20;

    int n_init = 128;     // first tokens of the stream that are always seen
    int n_local = 4096;   // tokens a token sees exactly, itself among them
    int block_size = 128; // tokens of a unit; where the caller cuts the stream, the longest unit
    int topk = 16;        // units looked up; where the caller cuts the stream, as many as have topk * block_size tokens
    int repr_topk = 4;    // tokens that represent a unit, for each head
    int max_cached_block = 32; // units of each layer that stay in memory
    int exc_block_size = 512;  // tokens that look up together
    bool perhead = false;      // every head chooses its own units
    int distance = 0;          // position to which queries of what is far are rotated; 0: n_local
    Places places = Places::one;
    UnitFormat format = UnitFormat::f16;
    // Of a GPU's memory that representative keys may take, as far as it has room; the others are in pinned memory of
    // the processor. It does not change what is read.
    int max_repr_megabytes = most_megabytes;
    std::string folder; // where units rest; empty: all stay in memory

    int far() const { return distance > 0 ? distance : n_local; }
    // Throws Error("usage") for what does not fit together or goes beyond what the model was trained for.
    void check(const Hyper& hyper) const;
};

} // namespace longread
