#include "cuda/embed.cuh"
#include "cuda/gate.cuh"
#include "cuda/matvec.cuh"
#include "cuda/norm.cuh"
#include "cuda/reader.cuh"
#include "cuda/stream.cuh"
#include <algorithm>
#include <cstring>

namespace longread::gpu {
namespace {

// Blocks of threads that keep an H100 busy: two for each of its multiprocessors.
constexpr int busy_blocks = 264;
constexpr int tile_rows = 128; // of attention's kernels
// Rows whose logits are computed at once.
constexpr int logit_rows = 64;

// Parts that keys are split into where `tiles` alone would leave the GPU idle.
int splits_for(int rows, const StreamLayout& l, int most) {
    const int tiles = blocks_for(rows * l.group(), tile_rows) * l.key_heads;
    return std::max(1, std::min(most, busy_blocks / tiles));
}
constexpr int most_window_splits = 32, most_far_splits = 16;

} // namespace

UnitStream::UnitStream(const char* bus_id, const char* cublas, const LongreadStreamShape& shape, const float* turns,
                       const uint16_t* embedding, const uint16_t* output, const float* output_norm)
    : shape_((check_shape(shape), shape)), model_(shape.model), device_(use_device(bus_id)), linear_(cublas),
      layers_(static_cast<size_t>(model_.layers)),
      pages_(device_, token_bytes(), static_cast<size_t>(shape.block_size), shape.host_bytes),
      rows_(model_.eight != 0) {
    const size_t width = static_cast<size_t>(model_.embedding), vocabulary = static_cast<size_t>(model_.vocabulary);
    turns_.upload(turns, static_cast<size_t>(model_.positions) * model_.head_size);
    embedding_.upload(embedding, vocabulary, width, false, computing_);
    if (output)
        output_.upload(output, vocabulary, width, false, computing_);
    output_norm_.upload(output_norm, width);
    const size_t lists = layers_.size() * most_chosen;
    const size_t blocks = static_cast<size_t>(blocks_for(model_.rows, shape.exc_block_size));
    chosen_.reserve(blocks * lists);
    chosen_count_.reserve(blocks * layers_.size());
    forced_.reserve(lists);
    const std::vector<int32_t> none(layers_.size(), -1);
    forced_count_.upload(none.data(), none.size());
    const unsigned long long counts[2] = {};
    counts_.upload(counts, 2);
    far_part_.reserve(1);
    copies_.reserve(most_chosen);
}

UnitStream::~UnitStream() {
    if (filing_.valid())
        filing_.wait();
    // Nothing may be freed that is on its way.
    for (cudaStream_t stream : {cudaStream_t(computing_), cudaStream_t(seeing_), cudaStream_t(keeping_)})
        cudaStreamSynchronize(stream);
}

void UnitStream::set_layer(int number, const LongreadLayer& w) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (number < 0 || number >= model_.layers)
        throw std::runtime_error("there is no such layer");
    layers_[static_cast<size_t>(number)].upload(w, model_, computing_);
}

void UnitStream::reserve(int count) {
    const size_t rows = static_cast<size_t>(count), width = static_cast<size_t>(model_.embedding);
    const size_t mixed = rows * mixed_width(), heads = rows * static_cast<size_t>(model_.heads);
    x_.reserve(rows * width);
    normed_.reserve(rows * width);
    wide_.reserve(wide_halves(model_, count));
    rows_.reserve(model_, count);
    near_.reserve(mixed);
    far_.reserve(mixed);
    const int block = std::min(count, shape_.exc_block_size);
    const size_t window = static_cast<size_t>(splits_for(block, layout_, most_window_splits));
    window_partial_.reserve(window * mixed);
    window_logs_.reserve(window * heads);
    const size_t block_rows = static_cast<size_t>(block), block_heads = block_rows * static_cast<size_t>(model_.heads);
    // The last block may be shorter and so split more often.
    const size_t far = static_cast<size_t>(busy_blocks * tile_rows / layout_.group() / model_.key_heads) + block_rows;
    const size_t far_rows = std::min(block_rows * most_far_splits, far);
    far_partial_.reserve(far_rows * mixed_width());
    far_logs_.reserve(far_rows * static_cast<size_t>(model_.heads));
    log_sums_.reserve(block_heads);
    while (seen_.size() < blocks_.size())
        seen_.emplace_back();
    mean_.reserve(blocks_.size() * mixed_width());
    blocks_there_.reserve(blocks_.size());
    tokens_.reserve(rows);
    table_.reserve(static_cast<size_t>(shape_.n_init) + static_cast<size_t>(shape_.topk) * shape_.block_size +
                   static_cast<size_t>(shape_.block_size + shape_.exc_block_size));
    reserve_units();
}

void UnitStream::multiply(const Product& p, const __half* x, const Weights& weight, void* y, int rows) {
    if (rows == 1)
        matvec(weight.from(0, 0), x, p.adds ? nullptr : static_cast<__half*>(y),
               p.adds ? static_cast<float*>(y) : nullptr, p.in, p.out, computing_);
    else
        linear_.multiply(p, p.eight ? rows_.of(x, rows, p.in, computing_) : Factor(x), weight.from(0, 0), y, rows,
                         computing_);
}

// Before the first long read, while nothing that is overwritten matters.
void UnitStream::tune() {
    reserve(model_.rows);
    tune_products(linear_, model_, layers_[0], rows_, normed_.data(), wide_.data(), x_.data(), computing_);
    tuned_ = true;
}

void UnitStream::read(const int32_t* tokens, int count, const int32_t* rows, int row_count, float* logits) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (count < 1 || count > model_.rows)
        throw std::runtime_error("a read has too many tokens, or none");
    for (int i = 0; i < count; ++i)
        if (tokens[i] < 0 || tokens[i] >= model_.vocabulary)
            throw std::runtime_error("a token is not in the model's vocabulary");
    for (int i = 0; i < row_count; ++i)
        if (rows[i] < 0 || rows[i] >= count)
            throw std::runtime_error("logits are wanted of a token that is not read");
    for (const LayerWeights& layer : layers_)
        if (!layer.there())
            throw std::runtime_error("a layer has no weights");
    reserve_window();
    const size_t old_units = units_.size();
    if (!tuned_ && count > 1)
        tune();
    if (place_.used + count > layout_.capacity)
        slide();
    plan(count);
    reserve(count);
    send(tokens, count, old_units);
    compute(count, row_count > 0);
    computed_.record(computing_);
    keep_units(old_units);
    if (row_count > 0)
        give_logits(rows, row_count, logits);
    computing_.wait();
}

// What the kernels of a read need, from one piece of memory.
void UnitStream::send(const int32_t* tokens, int count, size_t old_units) {
    const size_t token_bytes = static_cast<size_t>(count) * sizeof(int32_t);
    const size_t block_bytes = blocks_.size() * sizeof(StreamBlock);
    const size_t unit_bytes = (units_.size() - old_units) * sizeof(StreamUnit);
    lists_.reserve(token_bytes + block_bytes + unit_bytes);
    uint8_t* at = lists_.data();
    const auto copy = [&](void* to, const void* from, size_t bytes) {
        if (bytes == 0)
            return;
        std::memcpy(at, from, bytes);
        check(cudaMemcpyAsync(to, at, bytes, cudaMemcpyHostToDevice, computing_), "a copy to the GPU failed");
        at += bytes;
    };
    copy(tokens_.data(), tokens, token_bytes);
    copy(blocks_there_.data(), blocks_.data(), block_bytes);
    copy(units_there_.data() + old_units, units_.data() + old_units, unit_bytes);
    check(cudaMemsetAsync(chosen_count_.data(), 0, chosen_count_.size() * sizeof(int32_t), computing_),
          "the GPU failed");
}

// wanted: of the last layer more than its window.
void UnitStream::compute(int count, bool wanted) {
    const LayerProducts products(model_);
    __half *qkv = wide_.data(), *mixed = qkv + static_cast<size_t>(count) * (mixed_width() + 2 * key_width());
    __half *gate_up = wide_.data(),
           *fed = gate_up + static_cast<size_t>(count) * 2 * static_cast<size_t>(model_.feed_forward);
    embed(embedding_.halves.data(), tokens_.data(), x_.data(), count, model_.embedding, computing_);
    for (int l = 0; l < model_.layers; ++l) {
        const LayerWeights& w = layers_[static_cast<size_t>(l)];
        norm(x_.data(), w.attention_norm.data(), normed_.data(), count, model_.embedding, model_.norm_epsilon,
             computing_);
        multiply(products.qkv, normed_.data(), w.qkv, qkv, count);
        attend(l, w, count);
        if (l + 1 == model_.layers && !wanted)
            break;
        multiply(products.output, mixed, w.output, x_.data(), count);
        norm(x_.data(), w.feed_norm.data(), normed_.data(), count, model_.embedding, model_.norm_epsilon, computing_);
        multiply(products.gate_up, normed_.data(), w.gate_up, gate_up, count);
        gate(gate_up, fed, count, model_.feed_forward, computing_);
        multiply(products.down, fed, w.down, x_.data(), count);
    }
    if (blocks_.size() == 1) // all layers at once
        leave(leaving_[0], 0, model_.layers);
}

void UnitStream::attend(int l, const LayerWeights& w, int count) {
    const StreamLayer layer = layer_arrays(l);
    const __half* qkv = wide_.data();
    __half* mixed = wide_.data() + static_cast<size_t>(count) * (mixed_width() + 2 * key_width());
    place_tokens(qkv, blocks_there_.data(), count, shape_.distance, layout_, w.heads(model_, turns_.data()),
                 near_.data(), far_.data(), layer, computing_);
    placed_.record(computing_);
    seeing_.wait_for(placed_);
    const int window_splits = splits_for(blocks_[0].rows, layout_, most_window_splits);
    const auto window = [&](const StreamBlock& block) {
        const size_t rows = static_cast<size_t>(window_splits) * static_cast<size_t>(block.first_row);
        return std::pair(window_partial_.data() + rows * mixed_width(),
                         window_logs_.data() + rows * static_cast<size_t>(model_.heads));
    };
    for (size_t i = 0; i < blocks_.size(); ++i) {
        const auto [partial, logs] = window(blocks_[i]);
        attend_window(near_.data() + static_cast<size_t>(blocks_[i].first_row) * mixed_width(),
                      blocks_there_.data() + i, blocks_[i].rows, window_splits, layout_, layer, partial, logs, seeing_);
        seen_[i].record(seeing_);
    }
    mean_queries(far_.data(), blocks_there_.data(), static_cast<int>(blocks_.size()), layout_, mean_.data(),
                 computing_);
    for (size_t i = 0; i < blocks_.size(); ++i) {
        const StreamBlock& block = blocks_[i];
        const StreamBlock* there = blocks_there_.data() + i;
        const size_t from = static_cast<size_t>(block.first_row) * mixed_width();
        const int splits = splits_for(block.rows, layout_, most_far_splits);
        const bool any = block.sinks > 0 || block.units > 0 || block.rest > 0;
        if (any) {
            look_up(l, i);
            attend_far(far_.data() + from, there, block.rows, splits,
                       {nullptr, nullptr, table_.data(), far_part_.data(), nullptr, nullptr}, layout_, layer,
                       far_partial_.data(), far_logs_.data(), computing_);
        }
        computing_.wait_for(seen_[i]);
        const auto [partial, logs] = window(block);
        merge_parts({partial, logs, window_splits}, {far_partial_.data(), far_logs_.data(), any ? splits : 0},
                    block.rows, layout_, mixed + from, log_sums_.data(), computing_);
        if (shape_.topk > 0)
            receive(near_.data() + from, log_sums_.data(), there, block.rows, layout_, layer, computing_);
        if (blocks_.size() > 1)
            leave(leaving_[i], l, 1);
    }
}

void UnitStream::look_up(int l, size_t i) {
    const StreamBlock& block = blocks_[i];
    const StreamBlock* there = blocks_there_.data() + i;
    const size_t places = static_cast<size_t>(layout_.cached), lists = static_cast<size_t>(l) * most_chosen;
    const size_t used = i * layers_.size() + static_cast<size_t>(l);
    const LookUpArrays arrays{mean_.data() + i * mixed_width(),
                              scores_.data(),
                              table_.data(),
                              far_part_.data(),
                              copies_.data(),
                              counts_.data()};
    if (block.units > 0 && block.tokens > 0 && !forces_)
        score_units(arrays.mean, chunks_there_.data(), l, there, block.units, layout_, arrays.scores, computing_);
    choose_units(
        there, units_there_.data(), forced_.data() + lists, forced_count_.data() + l,
        {place_unit_.data() + static_cast<size_t>(l) * places, place_used_.data() + static_cast<size_t>(l) * places},
        arrays, layout_, chosen_.data() + used * most_chosen, chosen_count_.data() + used, computing_);
    const int most =
        std::min(block.units, forces_ ? std::min(most_chosen, block.tokens) : std::min(block.most, block.tokens));
    fetch_units(units_there_.data(), arrays, most, l, layout_, layer_arrays(l), computing_);
    fetch_filed(l, most);
}

void UnitStream::leave(const Leaving& leaving, int first, int layers) {
    if (leaving.sink_count > 0)
        make_sinks(range(first, layers), leaving.sinks, leaving.sink_slot, leaving.sink_count, layout_, computing_);
    if (leaving.end_unit > leaving.first_unit)
        represent_units(range(first, layers), units_there_.data(), leaving.first_unit, leaving.end_unit, leaving.base,
                        chunks_there_.data(), layout_, computing_);
}

void UnitStream::give_logits(const int32_t* rows, int row_count, float* logits) {
    const Product product{model_.embedding, model_.vocabulary, model_.vocabulary, true};
    const size_t width = static_cast<size_t>(model_.embedding), vocabulary = static_cast<size_t>(model_.vocabulary);
    for (int done = 0; done < row_count;) {
        // Neighbouring rows together.
        int count = 1;
        while (count < logit_rows && done + count < row_count && rows[done + count] == rows[done] + count)
            ++count;
        const size_t numbers = static_cast<size_t>(count) * vocabulary;
        logits_.reserve(numbers);
        norm(x_.data() + static_cast<size_t>(rows[done]) * width, output_norm_.data(), normed_.data(), count,
             model_.embedding, model_.norm_epsilon, computing_);
        check(cudaMemsetAsync(logits_.data(), 0, numbers * sizeof(float), computing_), "the GPU failed");
        multiply(product, normed_.data(), output_.there() ? output_ : embedding_, logits_.data(), count);
        check(cudaMemcpyAsync(logits + static_cast<size_t>(done) * vocabulary, logits_.data(), numbers * sizeof(float),
                              cudaMemcpyDeviceToHost, computing_),
              "a copy from the GPU failed");
        done += count;
    }
}

void UnitStream::use(const int32_t* counts, const int32_t* units) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    std::vector<int32_t> lists(layers_.size() * most_chosen);
    forces_ = false;
    for (size_t l = 0; l < layers_.size(); ++l) {
        int tokens = 0, before = -1;
        for (int i = 0; i < counts[l]; ++i) {
            const int32_t unit = *units++;
            if (unit <= before || unit >= static_cast<int32_t>(units_.size()) || i == most_chosen)
                throw std::runtime_error("there is no such unit, or it is out of order");
            tokens += units_[static_cast<size_t>(unit)].tokens;
            lists[l * most_chosen + static_cast<size_t>(i)] = before = unit;
        }
        if (tokens > shape_.topk * shape_.block_size)
            throw std::runtime_error("units have too many tokens");
        forces_ = forces_ || counts[l] >= 0;
    }
    forced_.upload(lists.data(), lists.size());
    forced_count_.upload(counts, layers_.size());
}

void UnitStream::used(int block, int32_t* counts, int32_t* units) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (block < 0 || block >= static_cast<int>(blocks_.size()))
        throw std::runtime_error("no such block was read");
    const size_t layers = layers_.size(), first = static_cast<size_t>(block) * layers;
    copy_from_gpu(counts, chosen_count_.data() + first, layers * sizeof(int32_t));
    copy_from_gpu(units, chosen_.data() + first * most_chosen, layers * most_chosen * sizeof(int32_t));
}

LongreadStreamState UnitStream::state() {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    LongreadStreamState s{};
    s.position = place_.position;
    s.units = static_cast<int32_t>(units_.size());
    s.gpu_bytes = 2 * (keys_.size() + values_.size() + rotated_.size()) + 4 * received_.size();
    for (const Buffer<__half>& chunk : chunks_)
        s.gpu_bytes += 2 * chunk.size();
    s.unit_bytes = pages_.bytes();
    s.disk_bytes = file_end_;
    unsigned long long counts[2];
    counts_.download(counts, 2);
    s.found = counts[0];
    s.fetched = counts[1];
    return s;
}

void UnitStream::starts(int32_t* to) const {
    int32_t at = shape_.n_init;
    for (const StreamUnit& unit : units_) {
        *to++ = unit.first;
        at = unit.first + unit.tokens;
    }
    *to = at;
}

} // namespace longread::gpu
