// One stream read by InfLLM's method on a GPU: weights, the window of every layer, units at their places and where they
// rest, and the kernels of a read. A read has several blocks of tokens that look up together; since a layer's state
// depends on nothing but the layer's own inputs, each layer goes over all of a read's blocks before the next begins, so
// that products have many rows however small the blocks are.
#pragma once
#include "cuda/check.cuh"
#include "cuda/infllm.cuh"
#include "cuda/interface.h"
#include "cuda/key-chunks.cuh"
#include "cuda/layer-weights.cuh"
#include "cuda/recording.cuh"
#include "cuda/unit-file.cuh"
#include "cuda/unit-pages.cuh"
#include <climits>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace longread::gpu {

class UnitStream {
  public:
    UnitStream(const char* bus_id, const char* cublas, const LongreadStreamShape& shape, const float* turns,
               const uint16_t* embedding, const uint16_t* output, const float* output_norm);
    ~UnitStream();

    void set_layer(int layer, const LongreadLayer& weights);
    void cut(const int32_t* lengths, int count);
    void read(const int32_t* tokens, int count, const int32_t* rows, int row_count, float* logits);
    void mark();
    void rewind();
    void use(const int32_t* counts, const int32_t* units);
    void look_among(int before, const int32_t* first, int count);
    void used(int block, int32_t* counts, int32_t* units);
    LongreadStreamState state();
    void starts(int32_t* to) const;
    // All that was read, as bytes, and where it stands is marked; what is read afterwards goes on like what goes on
    // after a restore(). That gives false where the bytes are not such a stream's; then, and after an error, this one
    // is good for nothing.
    using Put = std::function<void(const void*, size_t)>;
    using Get = std::function<void(void*, size_t)>;
    void save(const Put& put);
    bool restore(const Get& get);

    // Throws std::runtime_error for a shape that the kernels do not know.
    static void check_shape(const LongreadStreamShape& shape);
    static int positions(const LongreadStreamShape& shape);
    static uint64_t bytes(const LongreadStreamShape& shape);

  private:
    // What leaves the window after a block.
    struct Leaving {
        int sinks = 0, sink_slot = 0, sink_count = 0; // before; where the next ones stand, how many
        int first_unit = 0, end_unit = 0;
        int base = 0;
    };
    // Where the stream stands.
    struct Place {
        int base = 0, start = 0, used = 0, position = 0, sinks = 0;
        bool cut = false;
        std::deque<int> lengths; // of the units to come, from `start` on
    };
    // Where a unit rests: in memory, or in the file.
    struct Home {
        UnitPages::Place memory;
        int64_t offset = -1; // in the file; -1: in memory
    };
    struct Mark {
        Place place;
        size_t units = 0;
        Buffer<float> received;
        std::vector<char> rows; // of keys and values, where the window has moved since
        bool moved = false;
    };

    // stream.cu
    void reserve(int rows);
    void multiply(const Product& product, const __half* x, const Weights& weight, void* y, int rows);
    Heads plain_heads() const { return LayerWeights{}.heads(model_, turns_.data()); }
    void tune();
    void send(const int32_t* tokens, int count, size_t old_units);
    void compute(int count, bool wanted);
    void compute_token(bool wanted);
    std::vector<uint64_t> token_state(bool wanted) const;
    void attend(int layer, const LayerWeights& weights, int count);
    void warm_weights(const LayerWeights& weights, cudaStream_t stream);
    bool looks_ahead() const;
    void score(int layer, size_t first_block, const Stream& stream);
    LookUpArrays look_up_arrays(size_t block) const;
    void choose(int layer, size_t block, const LookUpArrays& arrays, cudaStream_t stream);
    int most_fetched(size_t block) const;
    int score_grid(size_t block) const;
    void look_ahead(int layer, size_t block, const Stream& stream);
    void look_up(int layer, size_t block, bool ahead);
    // Parts that the keys of the window are split into.
    static int window_splits(int rows, const StreamLayout& layout);
    UnitKeys unit_keys(int layer) const {
        return {chunks_.there(), layer, {units_there_.data(), first_.data(), first_count_}};
    }
    size_t score_stride() const { return scores_.size() / blocks_at_once; }
    void leave(const Leaving& leaving, int first, int layers);
    void logits_of(int first, int count);
    void give_logits(const int32_t* rows, int row_count, float* logits);
    size_t mixed_width() const { return static_cast<size_t>(model_.heads) * static_cast<size_t>(model_.head_size); }
    size_t key_width() const { return static_cast<size_t>(model_.key_heads) * static_cast<size_t>(model_.head_size); }
    // stream-window.cu
    void reserve_window();
    void plan(int count);
    void leave_window();
    void slide();
    void copy_marked(bool back);
    LayerRange range(int first, int count) const;
    StreamLayer layer_arrays(int layer) const;
    // stream-units.cu
    void make_unit(int tokens);
    void add_unit(int first, int tokens);
    void reserve_units();
    void keep_units(size_t first, size_t end);
    void settle_file();
    void fetch_filed(int layer, int most);
    void forget(size_t count);
    // stream-keeping.cu
    template <typename Each> void each_array(const Place& place, const Each& each) const;
    template <typename Here, typename Filed> void each_unit(const Here& here, const Filed& filed) const;
    bool take_standing(const Get& get);
    size_t token_bytes() const { return 4 * key_width() * layers_.size(); }

    LongreadStreamShape shape_;
    LongreadShape model_;
    int device_;
    Linear linear_;
    Stream computing_{-1}, aside_{-1}, keeping_;
    Event computed_, kept_, placed_, seen_, chosen_there_, brought_, merged_, summed_;
    Buffer<float> turns_, output_norm_;
    Weights embedding_, output_; // halves; no output: the embedding
    std::vector<LayerWeights> layers_;
    bool tuned_ = false;

    // The window and the places, [layer][row][width] and [layer][slot][width]; [layer][head][slot].
    StreamLayout layout_{};
    Buffer<__half> keys_, values_, rotated_;
    Buffer<float> received_;
    Buffer<int32_t> place_unit_, place_used_; // [layer][place]

    Place place_;
    int clock_ = 0;
    UnitPages pages_;
    std::vector<StreamUnit> units_;
    std::vector<Home> homes_;
    std::unique_ptr<UnitFile> file_;
    uint64_t file_end_ = 0;
    Pinned<char> to_file_, from_file_, found_;
    std::future<void> filing_;
    Buffer<StreamUnit> units_there_;
    KeyChunks chunks_;
    std::unique_ptr<Mark> mark_;

    // Of a read.
    std::vector<StreamBlock> blocks_;
    std::vector<Leaving> leaving_;
    Pinned<uint8_t> lists_;
    Pinned<float> logits_here_;
    Recording token_;
    std::vector<uint64_t> token_state_;
    Buffer<int32_t> tokens_;
    Buffer<StreamBlock> blocks_there_;
    Buffer<float> x_, logits_, mean_, window_partial_, window_logs_, far_partial_, far_logs_, log_sums_;
    Buffer<__half> normed_, wide_, near_, far_;
    Rows rows_;
    Buffer<uint32_t> scores_;
    Buffer<int32_t> table_;
    Buffer<FarPart> far_part_;
    Buffer<UnitCopy> copies_;
    // What is looked up ahead.
    Buffer<FarPart> far_part_ahead_;
    Buffer<UnitCopy> copies_ahead_;
    Buffer<unsigned long long> best_ahead_;
    Buffer<int32_t> listed_ahead_;
    Buffer<unsigned long long> counts_;
    Buffer<int32_t> chosen_, chosen_count_; // [block of the read][layer][most_chosen], [block][layer]
    Buffer<int32_t> forced_, forced_count_; // [layer][most_chosen], [layer]
    bool forces_ = false;
    int before_ = INT_MAX;  // units that begin before this position are looked up
    Buffer<int32_t> first_; // [range][from, end]
    int first_count_ = 0;
};

} // namespace longread::gpu
