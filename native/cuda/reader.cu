#include "cuda/attention.cuh"
#include "cuda/eights.cuh"
#include "cuda/embed.cuh"
#include "cuda/gate.cuh"
#include "cuda/likelihood.cuh"
#include "cuda/masses.cuh"
#include "cuda/norm.cuh"
#include "cuda/pack.cuh"
#include "cuda/reader.cuh"
#include "cuda/rope.cuh"
#include "cuda/statistics.cuh"
#include <algorithm>
#include <cstring>

namespace longread::gpu {
namespace {

// Floats: 32 MB.
constexpr size_t masses_at_once = size_t{8} << 20;
// Logits that are there at once: 32 MB, which the cache of a large GPU holds.
constexpr int logit_rows = 1024, logit_columns = 8192;

const __half* halves(const uint16_t* from) { return reinterpret_cast<const __half*>(from); }

// Of the last layer, of which nothing else is wanted.
Product key_product(const LongreadShape& s) {
    const int width = s.key_heads * s.head_size;
    return {s.embedding, width, s.heads * s.head_size + 2 * width, false, s.eight != 0};
}

} // namespace

int use_device(const char* bus_id) {
    int device = 0;
    check(cudaDeviceGetByPCIBusId(&device, bus_id), "there is no such GPU");
    check(cudaSetDevice(device), "the GPU cannot be used");
    return device;
}

void Reader::check_shape(const LongreadShape& s) {
    const bool sizes = (s.head_size == 64 || s.head_size == 128) && s.embedding % 8 == 0 && s.feed_forward % 8 == 0;
    const bool eight = !s.eight || (s.embedding % 16 == 0 && s.feed_forward % 16 == 0);
    const bool heads = s.heads > 0 && s.key_heads > 0 && s.heads % s.key_heads == 0;
    if (!sizes || !eight || !heads || s.layers < 1 || s.embedding < 8 || s.feed_forward < 8 || s.vocabulary < 1 ||
        s.rows < 1 || s.positions < s.rows || s.window < 1 || s.sinks < 0 || s.sinks > LONGREAD_MOST_SINKS)
        throw std::runtime_error("no kernel reads a model of this shape");
}

uint64_t Reader::bytes(const LongreadShape& s) {
    check_shape(s);
    // 64 MB: cuBLASLt's own memory, and what rounding up to whole pages takes.
    return weight_bytes(s) + row_bytes(s, s.positions) +
           static_cast<uint64_t>(s.positions) * static_cast<uint64_t>(s.head_size) * sizeof(float) +
           (uint64_t{64} << 20);
}

Reader::Reader(const char* bus_id, const char* cublas, const LongreadShape& shape, const float* turns,
               const uint16_t* embedding)
    : shape_((check_shape(shape), shape)), device_(use_device(bus_id)), linear_(cublas),
      layers_(static_cast<size_t>(shape.layers)), rows_(shape.eight != 0) {
    const size_t width = static_cast<size_t>(shape.embedding);
    turns_.upload(turns, static_cast<size_t>(shape.positions) * shape.head_size);
    embedding_.upload(halves(embedding), static_cast<size_t>(shape.vocabulary) * width);
    reserve(shape.rows);
}

// For a batch of so many rows. What is too small goes back first, when the GPU has done all that needs it.
void Reader::reserve(int rows) {
    const size_t numbers = static_cast<size_t>(rows) * static_cast<size_t>(shape_.embedding);
    x_.reserve(numbers);
    normed_.reserve(numbers);
    wide_.reserve(wide_halves(shape_, rows));
    rows_.reserve(shape_, rows);
}

void Reader::set_layer(int number, const LongreadLayer& w) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (number < 0 || number >= shape_.layers)
        throw std::runtime_error("there is no such layer");
    layers_[static_cast<size_t>(number)].upload(w, shape_, computing_);
}

void Reader::set_recall(const LongreadRecall& r) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (begun_ != finished_)
        throw std::runtime_error("a batch is being read");
    Recall told;
    told.format = r.format;
    told.heads = r.heads;
    told.questions = r.questions;
    told.slots_of.resize(layers_.size());
    if (r.key_slots < 1 || (r.format != LONGREAD_KEYS_F16 && r.format != LONGREAD_KEYS_Q8))
        throw std::runtime_error("nothing is to be kept");
    for (int slot = 0; slot < r.key_slots; ++slot) {
        const int layer = r.key_layer[slot];
        if (layer < 0 || layer >= shape_.layers || r.key_head[slot] < 0 || r.key_head[slot] >= shape_.key_heads ||
            (slot > 0 && layer < r.key_layer[slot - 1]))
            throw std::runtime_error("there is no such key head");
        auto& [first, count] = told.slots_of[static_cast<size_t>(layer)];
        first = count == 0 ? slot : first;
        ++count;
        told.deepest = layer;
    }
    told.key_head.upload(r.key_head, static_cast<size_t>(r.key_slots));
    for (int head = 0; head < r.heads; ++head)
        if (r.head_slot[head] < 0 || r.head_slot[head] >= r.key_slots)
            throw std::runtime_error("a head has no keys");
    told.head_slot.upload(r.head_slot, static_cast<size_t>(r.heads));
    for (int q = 0; q < r.questions; ++q) {
        if (r.question_rows[q] < 1)
            throw std::runtime_error("a reference question has no tokens");
        told.rows += r.question_rows[q];
    }
    if (r.questions > 0) {
        told.question_rows.upload(r.question_rows, static_cast<size_t>(r.questions));
        Buffer<float> queries;
        queries.upload(r.queries, static_cast<size_t>(r.heads) * told.rows * shape_.head_size);
        const size_t padded = static_cast<size_t>(r.heads) * padded_rows(told.rows) * shape_.head_size;
        told.high.reserve(padded);
        told.low.reserve(padded);
        split_queries(queries.data(), told.high.data(), told.low.data(), r.heads, told.rows, shape_.head_size,
                      computing_);
        computing_.wait();
    }
    told.told = true;
    recall_ = std::move(told);
}

void Reader::Lists::send(const LongreadBatch& b, cudaStream_t stream) {
    size_t bytes = 0;
    // Each list at a multiple of 256 bytes.
    const auto placed = [&](size_t size, size_t count) {
        const size_t at = bytes;
        bytes += (size * count + 255) / 256 * 256;
        return at;
    };
    const auto number = [](int32_t count) { return static_cast<size_t>(count); };
    const struct {
        size_t at;
        const void* from;
        size_t bytes;
    } lists[] = {
        {placed(sizeof *b.tokens, number(b.rows)), b.tokens, sizeof *b.tokens * number(b.rows)},
        {placed(sizeof *b.positions, number(b.rows)), b.positions, sizeof *b.positions * number(b.rows)},
        {placed(sizeof *b.kept_rows, number(b.kept_count)), b.kept_rows, sizeof *b.kept_rows * number(b.kept_count)},
        {placed(sizeof *b.tiles, number(b.tile_count)), b.tiles, sizeof *b.tiles * number(b.tile_count)},
        {placed(sizeof *b.shifts, number(b.shift_count)), b.shifts, sizeof *b.shifts * number(b.shift_count)},
        {placed(sizeof *b.groups, number(b.group_count)), b.groups, sizeof *b.groups * number(b.group_count)},
        {placed(sizeof *b.units, number(b.unit_count)), b.units, sizeof *b.units * number(b.unit_count)},
    };
    here.reserve(bytes);
    there.reserve(bytes);
    for (const auto& list : lists)
        if (list.bytes > 0)
            std::memcpy(here.data() + list.at, list.from, list.bytes);
    check(cudaMemcpyAsync(there.data(), here.data(), bytes, cudaMemcpyHostToDevice, stream),
          "a copy to the GPU failed");
    tokens = reinterpret_cast<const int32_t*>(there.data() + lists[0].at);
    positions = reinterpret_cast<const int32_t*>(there.data() + lists[1].at);
    kept_rows = reinterpret_cast<const int32_t*>(there.data() + lists[2].at);
    tiles = reinterpret_cast<const LongreadTile*>(there.data() + lists[3].at);
    shifts = reinterpret_cast<const LongreadShift*>(there.data() + lists[4].at);
    groups = reinterpret_cast<const LongreadGroup*>(there.data() + lists[5].at);
    units = reinterpret_cast<const LongreadUnit*>(there.data() + lists[6].at);
}

void Reader::tune() {
    tune_products(linear_, shape_, layers_[0], rows_, normed_.data(), wide_.data(), x_.data(), computing_);
    tuned_ = true;
}

void Reader::begin(const LongreadBatch& batch) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (!recall_.told)
        throw std::runtime_error("nobody has said what is to be kept");
    if (begun_ - finished_ == 2)
        throw std::runtime_error("two batches are being read already");
    if (batch.rows < 1 || batch.rows > shape_.positions)
        throw std::runtime_error("a batch has too many rows, or none");
    for (int l = 0; l <= recall_.deepest; ++l)
        if (!layers_[static_cast<size_t>(l)].there())
            throw std::runtime_error("a layer has no weights");
    if (!tuned_)
        tune();
    Slot& slot = slots_[begun_ % 2];
    reserve(batch.rows);
    slot.units = static_cast<size_t>(batch.unit_count);
    slot.lists.send(batch, computing_);
    slot.keys.reserve(batch.key_bytes);
    slot.keys_here.reserve(batch.key_bytes);
    read(batch, slot);
    if (recall_.questions > 0)
        take_statistics(batch, slot);
    slot.computed.record(computing_);
    check(cudaStreamWaitEvent(copying_, slot.computed, 0), "the GPU failed");
    if (batch.key_bytes > 0)
        check(
            cudaMemcpyAsync(slot.keys_here.data(), slot.keys.data(), batch.key_bytes, cudaMemcpyDeviceToHost, copying_),
            "a copy from the GPU failed");
    const size_t numbers = recall_.questions > 0 ? 2 * slot.units * static_cast<size_t>(recall_.heads) : 0;
    if (numbers > 0)
        check(cudaMemcpyAsync(slot.statistics_here.data(), slot.statistics.data(), numbers * sizeof(float),
                              cudaMemcpyDeviceToHost, copying_),
              "a copy from the GPU failed");
    slot.copied.record(copying_);
    ++begun_;
}

void Reader::read(const LongreadBatch& batch, Slot& slot) {
    const LongreadShape& s = shape_;
    const LayerProducts products(s);
    const Lists& lists = slot.lists;
    const size_t mixed_width = head_width(s.heads);
    __half* qkv = wide_.data();

    embed(embedding_.data(), lists.tokens, x_.data(), batch.rows, s.embedding, computing_);
    for (int l = 0; l <= recall_.deepest; ++l) {
        const LayerWeights& w = layers_[static_cast<size_t>(l)];
        const bool last = l == recall_.deepest;
        norm(x_.data(), w.attention_norm.data(), normed_.data(), batch.rows, s.embedding, s.norm_epsilon, computing_);
        const size_t first = last ? mixed_width : 0; // row of the weights, and number of a row
        linear_.multiply(last ? key_product(s) : products.qkv,
                         rows_.of(normed_.data(), batch.rows, s.embedding, computing_),
                         w.qkv.from(first, static_cast<size_t>(s.embedding)), qkv + first, batch.rows, computing_);
        const auto [first_slot, slots] = recall_.slots_of[static_cast<size_t>(l)];
        if (slots > 0)
            pack(qkv, lists.kept_rows, lists.groups, batch.group_count, recall_.format, first_slot, slots,
                 recall_.key_head.data(), s.head_size, w.heads(shape_, turns_.data()), slot.keys.data(), computing_);
        if (last)
            break;
        attend(w, batch, lists, qkv);
        feed(w, batch);
    }
}

void Reader::attend(const LayerWeights& w, const LongreadBatch& batch, const Lists& lists, __half* qkv) {
    const LongreadShape& s = shape_;
    const Heads heads = w.heads(shape_, turns_.data());
    const AttentionWindow window{s.window, s.sinks, s.attention_scale};
    __half* mixed = qkv + static_cast<size_t>(batch.rows) * (head_width(s.heads) + 2 * head_width(s.key_heads));
    shifted_.reserve(static_cast<size_t>(batch.shift_count) * s.sinks * head_width(s.key_heads));
    rotate(qkv, lists.positions, batch.rows, s.head_size, heads, computing_);
    if (batch.shift_count > 0 && s.sinks > 0)
        shift_sinks(qkv, lists.shifts, batch.shift_count, s.sinks, s.shift_length, s.head_size, heads, shifted_.data(),
                    computing_);
    attention(qkv, shifted_.data(), lists.tiles, batch.tile_count, window, s.head_size, heads, mixed, computing_);
    linear_.multiply(LayerProducts(s).output, rows_.of(mixed, batch.rows, s.heads * s.head_size, computing_),
                     w.output.from(0, 0), x_.data(), batch.rows, computing_);
}

void Reader::feed(const LayerWeights& w, const LongreadBatch& batch) {
    const LongreadShape& s = shape_;
    const LayerProducts products(s);
    __half *gate_up = wide_.data(),
           *fed = gate_up + static_cast<size_t>(std::min(batch.rows, s.rows)) * 2 * static_cast<size_t>(s.feed_forward);
    norm(x_.data(), w.feed_norm.data(), normed_.data(), batch.rows, s.embedding, s.norm_epsilon, computing_);
    for (int first = 0; first < batch.rows; first += s.rows) {
        const int count = std::min(s.rows, batch.rows - first);
        const size_t from = static_cast<size_t>(first) * static_cast<size_t>(s.embedding);
        linear_.multiply(products.gate_up, rows_.of(normed_.data() + from, count, s.embedding, computing_),
                         w.gate_up.from(0, 0), gate_up, count, computing_);
        gate(gate_up, fed, count, s.feed_forward, computing_);
        linear_.multiply(products.down, rows_.of(fed, count, s.feed_forward, computing_), w.down.from(0, 0),
                         x_.data() + from, count, computing_);
    }
}

void Reader::begin_at_once(const LongreadBatch& batch, int layers) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (begun_ != finished_)
        throw std::runtime_error("a batch is being read");
    if (batch.rows < 1 || batch.rows > shape_.positions)
        throw std::runtime_error("a batch has too many rows, or none");
    for (int l = 0; l < layers; ++l)
        if (!layers_[static_cast<size_t>(l)].there())
            throw std::runtime_error("a layer has no weights");
    if (!tuned_)
        tune();
    reserve(batch.rows);
    LongreadBatch lists = batch;
    lists.kept_count = lists.group_count = lists.unit_count = 0;
    deep_lists_.send(lists, computing_);
    embed(embedding_.data(), deep_lists_.tokens, x_.data(), batch.rows, shape_.embedding, computing_);
}

void Reader::heads(const LongreadBatch& batch, const int32_t* layers, int layer_count, int first, uint16_t* to) {
    const LongreadShape& s = shape_;
    if (layer_count < 1 || first < 0 || first >= batch.rows)
        throw std::runtime_error("nothing is wanted of a batch");
    for (int i = 0; i < layer_count; ++i)
        if (layers[i] < (i > 0 ? layers[i - 1] + 1 : 0) || layers[i] >= s.layers)
            throw std::runtime_error("there is no such layer");
    const int deepest = layers[layer_count - 1];
    begin_at_once(batch, deepest + 1);
    const size_t width = head_width(s.heads) + 2 * head_width(s.key_heads);
    const size_t numbers = static_cast<size_t>(batch.rows - first) * width;
    heads_here_.reserve(numbers * static_cast<size_t>(layer_count));
    for (int l = 0, next = 0; l <= deepest; ++l) {
        const LayerWeights& w = layers_[static_cast<size_t>(l)];
        norm(x_.data(), w.attention_norm.data(), normed_.data(), batch.rows, s.embedding, s.norm_epsilon, computing_);
        linear_.multiply(LayerProducts(s).qkv, rows_.of(normed_.data(), batch.rows, s.embedding, computing_),
                         w.qkv.from(0, 0), wide_.data(), batch.rows, computing_);
        if (layers[next] == l)
            check(cudaMemcpyAsync(heads_here_.data() + numbers * static_cast<size_t>(next++),
                                  wide_.data() + static_cast<size_t>(first) * width, numbers * sizeof(__half),
                                  cudaMemcpyDeviceToHost, computing_),
                  "a copy from the GPU failed");
        if (l == deepest)
            break;
        attend(w, batch, deep_lists_, wide_.data());
        feed(w, batch);
    }
    computing_.wait();
    std::memcpy(to, heads_here_.data(), numbers * static_cast<size_t>(layer_count) * sizeof(__half));
}

void Reader::set_output(const LongreadOutput& output) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    const size_t width = static_cast<size_t>(shape_.embedding), vocabulary = static_cast<size_t>(shape_.vocabulary);
    if (output.matrix)
        output_.upload(halves(output.matrix), vocabulary * width);
    if (output.bias)
        output_bias_.upload(output.bias, vocabulary);
    output_norm_.upload(output.norm, width);
}

void Reader::likelihoods(const LongreadBatch& batch, const int32_t* rows, const int32_t* wanted, int count, float* to) {
    const LongreadShape& s = shape_;
    for (int i = 0; i < count; ++i)
        if (rows[i] < 0 || rows[i] >= batch.rows || wanted[i] < 0 || wanted[i] >= s.vocabulary)
            throw std::runtime_error("a likelihood is wanted of what is not there");
    if (count < 1 || !output_norm_.data())
        throw std::runtime_error("nothing is wanted, or the output has no weights");
    begin_at_once(batch, s.layers);
    wanted_rows_.upload(rows, static_cast<size_t>(count));
    wanted_.upload(wanted, static_cast<size_t>(count));

    for (const LayerWeights& w : layers_) {
        norm(x_.data(), w.attention_norm.data(), normed_.data(), batch.rows, s.embedding, s.norm_epsilon, computing_);
        linear_.multiply(LayerProducts(s).qkv, rows_.of(normed_.data(), batch.rows, s.embedding, computing_),
                         w.qkv.from(0, 0), wide_.data(), batch.rows, computing_);
        attend(w, batch, deep_lists_, wide_.data());
        feed(w, batch);
    }
    norm(x_.data(), output_norm_.data(), normed_.data(), batch.rows, s.embedding, s.norm_epsilon, computing_);
    const size_t width = static_cast<size_t>(s.embedding);
    const __half* matrix = output_.data() ? output_.data() : embedding_.data();
    const int rows_at_once = std::min(count, logit_rows),
              columns_at_once = std::min(blocks_for(s.vocabulary, 4) * 4, logit_columns);
    picked_.reserve(static_cast<size_t>(rows_at_once) * width);
    logits_.reserve(static_cast<size_t>(rows_at_once) * columns_at_once);
    sums_.reserve(static_cast<size_t>(rows_at_once) * likelihood_sums);
    likelihoods_.reserve(static_cast<size_t>(count));
    for (int first = 0; first < count; first += rows_at_once) {
        const int some = std::min(rows_at_once, count - first);
        pick_rows(normed_.data(), wanted_rows_.data() + first, picked_.data(), some, s.embedding, computing_);
        for (int token = 0; token < s.vocabulary; token += columns_at_once) {
            const int columns = std::min(columns_at_once, s.vocabulary - token), stride = blocks_for(columns, 4) * 4;
            check(cudaMemsetAsync(logits_.data(), 0, sizeof(float) * static_cast<size_t>(some) * stride, computing_),
                  "the GPU failed");
            linear_.multiply({s.embedding, columns, stride, true}, picked_.data(),
                             matrix + static_cast<size_t>(token) * width, logits_.data(), some, computing_);
            take_logits(logits_.data(), output_bias_.data(), wanted_.data() + first, some, columns, stride, token,
                        sums_.data(), likelihoods_.data() + first, computing_);
        }
    }
    computing_.wait();
    likelihoods_.download(to, static_cast<size_t>(count));
}

void Reader::take_statistics(const LongreadBatch& batch, Slot& slot) {
    const size_t all = slot.units * static_cast<size_t>(recall_.heads);
    slot.statistics.reserve(2 * all);
    slot.statistics_here.reserve(2 * all);
    if (all == 0)
        return;
    // So many heads at once that their masses stay in the GPU's cache.
    const size_t units = slot.units, rows = static_cast<size_t>(recall_.rows);
    const size_t at_once = std::max<size_t>(1, masses_at_once / (rows * units));
    masses_.reserve(std::min(at_once, static_cast<size_t>(recall_.heads)) * rows * units);
    const size_t queries = static_cast<size_t>(padded_rows(recall_.rows)) * shape_.head_size;
    for (size_t h = 0; h < static_cast<size_t>(recall_.heads); h += at_once) {
        const int heads = static_cast<int>(std::min(at_once, static_cast<size_t>(recall_.heads) - h));
        masses(slot.keys.data(), slot.lists.units, batch.unit_count, recall_.format, recall_.head_slot.data() + h,
               heads, recall_.high.data() + h * queries, recall_.low.data() + h * queries, recall_.rows,
               shape_.head_size, masses_.data(), computing_);
        statistics(masses_.data(), recall_.question_rows.data(), recall_.questions, recall_.rows, heads,
                   batch.unit_count, slot.statistics.data() + h * units, slot.statistics.data() + all + h * units,
                   computing_);
    }
}

LongreadRead Reader::finish() {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (begun_ == finished_)
        throw std::runtime_error("no batch is being read");
    Slot& slot = slots_[finished_++ % 2];
    slot.copied.wait();
    LongreadRead read{};
    read.keys = slot.keys_here.data();
    if (recall_.questions > 0) {
        read.means = slot.statistics_here.data();
        read.deviations = read.means + slot.units * static_cast<size_t>(recall_.heads);
    }
    return read;
}

} // namespace longread::gpu
