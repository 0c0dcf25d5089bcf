#include "cuda/embed.cuh"
#include "cuda/gate.cuh"
#include "cuda/matvec.cuh"
#include "cuda/norm.cuh"
#include "cuda/reader.cuh"
#include "cuda/stages.cuh"
#include "cuda/stream.cuh"
#include <algorithm>
#include <cstring>

namespace longread::gpu {
namespace {

// Blocks of threads of attention's kernels that an H100 has at once: two for each of its multiprocessors.
constexpr int busy_blocks = 264;
constexpr int tile_rows = 128; // of attention's kernels
// Rows whose logits are computed at once.
constexpr int logit_rows = 64;

int tiles_of(int rows, const StreamLayout& l) { return blocks_for(rows * l.group(), tile_rows) * l.key_heads; }

// Parts that keys are split into where `tiles` alone would leave the GPU idle.
int splits_for(int rows, const StreamLayout& l, int most) {
    return std::max(1, std::min(most, busy_blocks / tiles_of(rows, l)));
}
constexpr int most_window_splits = 32, most_far_splits = 16;

// The next power of two.
int in_steps(int count) {
    int step = count > 0 ? 1 : 0;
    while (step < count)
        step *= 2;
    return step;
}

} // namespace

// The fewest parts by which the last tiles leave little of the GPU idle; parts have a price, what they write and read.
int UnitStream::window_splits(int rows, const StreamLayout& l) {
    const int tiles = tiles_of(rows, l);
    if (tiles < busy_blocks)
        return splits_for(rows, l, most_window_splits);
    constexpr double price = 0.1; // in times that a whole tile takes
    int best = 1;
    double least = 1e9;
    for (int splits = 1; splits <= 4; ++splits) {
        const double takes = static_cast<double>(blocks_for(tiles * splits, busy_blocks)) / splits + price * splits;
        if (takes < least) {
            least = takes;
            best = splits;
        }
    }
    return best;
}

UnitStream::UnitStream(const char* bus_id, const char* cublas, const LongreadStreamShape& shape, const float* turns,
                       const uint16_t* embedding, const uint16_t* output, const float* output_norm)
    : shape_((check_shape(shape), shape)), model_(shape.model), device_(use_device(bus_id)), linear_(cublas),
      layers_(static_cast<size_t>(model_.layers)),
      pages_(device_, token_bytes(), static_cast<size_t>(shape.block_size), shape.host_bytes),
      chunks_(layers_.size() * mixed_width(), shape.repr_bytes), rows_(model_.eight != 0) {
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
    far_part_ahead_.reserve(1);
    copies_ahead_.reserve(most_chosen);
    best_ahead_.reserve(most_listed);
    listed_ahead_.reserve(1);
}

UnitStream::~UnitStream() {
    if (filing_.valid())
        filing_.wait();
    // Nothing may be freed that is on its way.
    for (cudaStream_t stream : {cudaStream_t(computing_), cudaStream_t(aside_), cudaStream_t(keeping_)})
        cudaStreamSynchronize(stream);
}

void UnitStream::set_layer(int number, const LongreadLayer& w) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    if (number < 0 || number >= model_.layers)
        throw std::runtime_error("there is no such layer");
    token_.forget();
    token_state_.clear();
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
    const size_t window = static_cast<size_t>(window_splits(count, layout_));
    window_partial_.reserve(window * mixed);
    window_logs_.reserve(window * heads);
    const size_t block_rows = static_cast<size_t>(block), block_heads = block_rows * static_cast<size_t>(model_.heads);
    // The last block may be shorter and so split more often.
    const size_t far = static_cast<size_t>(busy_blocks * tile_rows / layout_.group() / model_.key_heads) + block_rows;
    const size_t far_rows = std::min(block_rows * most_far_splits, far);
    far_partial_.reserve(far_rows * mixed_width());
    far_logs_.reserve(far_rows * static_cast<size_t>(model_.heads));
    log_sums_.reserve(block_heads);
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
    const int there = place_.used; // slots that are read already
    plan(count);
    reserve(count);
    send(tokens, count, old_units);
    // What leaves the window with all its tokens read before is copied beside this read, the rest after it.
    size_t kept_units = old_units;
    while (kept_units < units_.size() && units_[kept_units].first + units_[kept_units].tokens - place_.base <= there)
        ++kept_units;
    computed_.record(computing_);
    keep_units(old_units, kept_units);
    if (Stages* stages = Stages::current())
        stages->begin(computing_);
    const bool token = count == 1 && row_count <= 1;
    if (token)
        compute_token(row_count > 0);
    else
        compute(count, row_count > 0);
    if (blocks_.size() == 1) // all layers at once
        leave(leaving_[0], 0, model_.layers);
    lap(Stage::leave, computing_);
    computed_.record(computing_);
    keep_units(kept_units, units_.size());
    if (row_count > 0 && !token)
        give_logits(rows, row_count, logits);
    computing_.wait();
    if (row_count > 0 && token)
        std::copy_n(logits_here_.data(), static_cast<size_t>(model_.vocabulary), logits);
}

// One token, and its logits where they are wanted: the same kernels again and again, which differ in what is in the
// GPU's memory alone. They are recorded when they are sent for the second time.
void UnitStream::compute_token(bool wanted) {
    const size_t vocabulary = static_cast<size_t>(model_.vocabulary);
    if (wanted) {
        logits_.reserve(vocabulary);
        logits_here_.reserve(vocabulary);
    }
    const auto work = [&] {
        compute(1, wanted);
        if (!wanted)
            return;
        logits_of(0, 1);
        check(cudaMemcpyAsync(logits_here_.data(), logits_.data(), vocabulary * sizeof(float), cudaMemcpyDeviceToHost,
                              computing_),
              "a copy from the GPU failed");
        lap(Stage::logits, computing_);
    };
    std::vector<uint64_t> state = token_state(wanted);
    if (state != token_state_ || file_end_ > 0 || Stages::current()) {
        token_.forget();
        token_state_ = std::move(state);
        return work();
    }
    if (!token_.there())
        token_.record(computing_, work);
    if (!token_.there()) // where nothing can be recorded
        return work();
    token_.play(computing_);
}

// All that kernels of a token are told when they are sent, but for weights.
std::vector<uint64_t> UnitStream::token_state(bool wanted) const {
    const StreamBlock& block = blocks_[0];
    std::vector<uint64_t> state{wanted,
                                forces_,
                                block.sinks > 0 || block.units > 0 || block.rest > 0,
                                block.tokens > 0,
                                static_cast<uint64_t>(score_grid(0)),
                                static_cast<uint64_t>(most_fetched(0)),
                                score_stride(),
                                static_cast<uint64_t>(first_count_),
                                static_cast<uint64_t>(layout_.rows)};
    const auto add = [&](const auto&... buffers) {
        (state.push_back(reinterpret_cast<uint64_t>(buffers.data())), ...);
    };
    add(keys_, values_, rotated_, received_, place_unit_, place_used_, units_there_, tokens_, blocks_there_, x_,
        logits_, logits_here_, mean_, window_partial_, window_logs_, far_partial_, far_logs_, log_sums_, first_,
        normed_, wide_, near_, far_, scores_, table_, chosen_, chosen_count_);
    return state;
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
        lap(Stage::rows, computing_);
        multiply(products.qkv, normed_.data(), w.qkv, qkv, count);
        lap(Stage::products, computing_);
        attend(l, w, count);
        if (l + 1 == model_.layers && !wanted)
            break;
        multiply(products.output, mixed, w.output, x_.data(), count);
        lap(Stage::products, computing_);
        norm(x_.data(), w.feed_norm.data(), normed_.data(), count, model_.embedding, model_.norm_epsilon, computing_);
        lap(Stage::rows, computing_);
        multiply(products.gate_up, normed_.data(), w.gate_up, gate_up, count);
        lap(Stage::products, computing_);
        gate(gate_up, fed, count, model_.feed_forward, computing_);
        lap(Stage::rows, computing_);
        multiply(products.down, fed, w.down, x_.data(), count);
        lap(Stage::products, computing_);
    }
    if (blocks_.size() == 1)
        computing_.wait_for(summed_);
}

void UnitStream::attend(int l, const LayerWeights& w, int count) {
    const StreamLayer layer = layer_arrays(l);
    const __half* qkv = wide_.data();
    __half* mixed = wide_.data() + static_cast<size_t>(count) * (mixed_width() + 2 * key_width());
    const size_t mixed_row = mixed_width(), heads = static_cast<size_t>(model_.heads);
    const bool alone = blocks_.size() == 1;
    if (alone && l > 0)
        computing_.wait_for(summed_);
    place_tokens(qkv, blocks_there_.data(), count, shape_.distance, layout_, w.heads(model_, turns_.data()),
                 near_.data(), far_.data(), layer, computing_);
    lap(Stage::place, computing_);
    mean_queries(far_.data(), blocks_there_.data(), static_cast<int>(blocks_.size()), layout_, mean_.data(),
                 computing_);
    lap(Stage::mean, computing_);
    // What a block looks up is brought while the one before it is computed, the first one's beside the window; one
    // block alone has its window computed beside its look-up.
    const bool ahead = looks_ahead();
    const Stream& aside = Stages::current() ? computing_ : aside_;
    score(l, 0, computing_);
    placed_.record(computing_);
    aside.wait_for(placed_);
    if (ahead)
        look_ahead(l, 0, aside);
    const int splits = window_splits(count, layout_);
    attend_window(near_.data(), blocks_there_.data(), count, splits, layout_, layer, window_partial_.data(),
                  window_logs_.data(), alone ? aside : computing_);
    if (count == 1 && !Stages::current())
        warm_weights(w, aside);
    seen_.record(alone ? aside : computing_);
    lap(Stage::window, computing_);
    for (size_t i = 0; i < blocks_.size(); ++i) {
        const StreamBlock& block = blocks_[i];
        const StreamBlock* there = blocks_there_.data() + i;
        const size_t row = static_cast<size_t>(block.first_row), from = row * mixed_row;
        const int far_splits = splits_for(block.rows, layout_, most_far_splits);
        const bool any = block.sinks > 0 || block.units > 0 || block.rest > 0;
        if (any) {
            if (ahead)
                computing_.wait_for(brought_);
            else if (i > 0 && i % blocks_at_once == 0)
                score(l, i, computing_);
            look_up(l, i, ahead);
            if (ahead && i + 1 < blocks_.size()) {
                chosen_there_.record(computing_);
                aside.wait_for(chosen_there_);
                if ((i + 1) % blocks_at_once == 0)
                    score(l, i + 1, aside);
                look_ahead(l, i + 1, aside);
            }
            attend_far(far_.data() + from, there, block.rows, far_splits,
                       {nullptr, nullptr, table_.data(), far_part_.data(), nullptr, nullptr, {}}, layout_, layer,
                       far_partial_.data(), far_logs_.data(), computing_);
            lap(Stage::far, computing_);
        }
        if (alone)
            computing_.wait_for(seen_);
        merge_parts({window_partial_.data() + from, window_logs_.data() + row * heads, splits, count},
                    {far_partial_.data(), far_logs_.data(), any ? far_splits : 0, block.rows}, block.rows, layout_,
                    mixed + from, log_sums_.data(), computing_);
        lap(Stage::merge, computing_);
        if (alone) { // beside what follows, until near_ is overwritten
            merged_.record(computing_);
            aside.wait_for(merged_);
        }
        if (shape_.topk > 0)
            receive(near_.data() + from, log_sums_.data(), there, block.rows, layout_, layer,
                    alone ? aside : computing_);
        if (alone)
            summed_.record(aside);
        lap(Stage::receive, computing_);
        if (!alone) {
            leave(leaving_[i], l, 1);
            lap(Stage::leave, computing_);
        }
    }
}

// What follows attention, as far as the cache of a large GPU holds it beside other things.
void UnitStream::warm_weights(const LayerWeights& w, cudaStream_t stream) {
    size_t left = size_t{20} << 20;
    for (const Weights* weight : {&w.output, &w.gate_up, &w.down}) {
        const size_t bytes = std::min(left, weight->halves.size() * sizeof(__half) + weight->eights.size());
        warm(weight->from(0, 0).numbers, bytes, stream);
        left -= bytes;
    }
}

// Whether there is a block before which something can be brought, from where the GPU can fetch it.
bool UnitStream::looks_ahead() const {
    return blocks_.size() > 1 && blocks_[0].old > 0 && blocks_[0].tokens > 0 && file_end_ == 0;
}

// Scores of old units, of the block and those that follow it.
void UnitStream::score(int l, size_t first, const Stream& stream) {
    if (blocks_[first].old == 0 || blocks_[first].tokens == 0)
        return;
    const size_t count = std::min<size_t>(blocks_at_once, blocks_.size() - first);
    score_units(mean_.data() + first * mixed_width(), unit_keys(l), blocks_there_.data() + first,
                static_cast<int>(count), score_grid(first), layout_, static_cast<int>(score_stride()), scores_.data(),
                stream);
    lap(Stage::score, stream);
}

LookUpArrays UnitStream::look_up_arrays(size_t i) const {
    return {mean_.data() + i * mixed_width(),
            scores_.data() + i % blocks_at_once * score_stride(),
            table_.data(),
            far_part_.data(),
            copies_.data(),
            counts_.data(),
            {}};
}

void UnitStream::choose(int l, size_t i, const LookUpArrays& arrays, cudaStream_t stream) {
    const size_t places = static_cast<size_t>(layout_.cached), lists = static_cast<size_t>(l) * most_chosen;
    const size_t used = i * layers_.size() + static_cast<size_t>(l);
    choose_units(
        blocks_there_.data() + i, units_there_.data(), forced_.data() + lists, forced_count_.data() + l,
        {place_unit_.data() + static_cast<size_t>(l) * places, place_used_.data() + static_cast<size_t>(l) * places},
        arrays, unit_keys(l), layout_, chosen_.data() + used * most_chosen, chosen_count_.data() + used, stream);
}

// Units that may have to be fetched for a block; and that there may be to be scored. In steps, so that they seldom
// change what is recorded.
int UnitStream::most_fetched(size_t i) const {
    const StreamBlock& block = blocks_[i];
    return std::min(in_steps(block.units),
                    forces_ ? std::min(most_chosen, block.tokens) : std::min(block.most, block.tokens));
}
int UnitStream::score_grid(size_t i) const { return in_steps(blocks_[i].old); }

void UnitStream::look_ahead(int l, size_t i, const Stream& stream) {
    LookUpArrays arrays = look_up_arrays(i);
    arrays.far = far_part_ahead_.data();
    arrays.copies = copies_ahead_.data();
    arrays.ahead = {nullptr, nullptr, best_ahead_.data(), listed_ahead_.data(), true};
    choose(l, i, arrays, stream);
    lap(Stage::expect, stream);
    fetch_units(units_there_.data(), arrays, std::min(most_fetched(i), layout_.cached), l, layout_, layer_arrays(l),
                stream);
    brought_.record(stream);
    lap(Stage::bring, stream);
}

void UnitStream::look_up(int l, size_t i, bool ahead) {
    LookUpArrays arrays = look_up_arrays(i);
    if (ahead)
        arrays.ahead = {far_part_ahead_.data(), copies_ahead_.data(), best_ahead_.data(), listed_ahead_.data(), false};
    choose(l, i, arrays, computing_);
    lap(Stage::choose, computing_);
    // With places for two blocks all that is chosen was found ahead, or is in the window still.
    if (ahead && !place_.cut && layout_.cached >= 2 * shape_.topk)
        return;
    const int most = most_fetched(i);
    fetch_units(units_there_.data(), arrays, most, l, layout_, layer_arrays(l), computing_);
    fetch_filed(l, most);
    lap(Stage::fetch, computing_);
}

void UnitStream::leave(const Leaving& leaving, int first, int layers) {
    if (leaving.sink_count > 0)
        make_sinks(range(first, layers), leaving.sinks, leaving.sink_slot, leaving.sink_count, layout_, computing_);
    if (leaving.end_unit > leaving.first_unit)
        represent_units(range(first, layers), units_there_.data(), leaving.first_unit, leaving.end_unit, leaving.base,
                        chunks_.there(), layout_, computing_);
}

// Of so many rows, to logits_.
void UnitStream::logits_of(int first, int count) {
    const Product product{model_.embedding, model_.vocabulary, model_.vocabulary, true};
    const size_t numbers = static_cast<size_t>(count) * static_cast<size_t>(model_.vocabulary);
    norm(x_.data() + static_cast<size_t>(first) * static_cast<size_t>(model_.embedding), output_norm_.data(),
         normed_.data(), count, model_.embedding, model_.norm_epsilon, computing_);
    check(cudaMemsetAsync(logits_.data(), 0, numbers * sizeof(float), computing_), "the GPU failed");
    multiply(product, normed_.data(), output_.there() ? output_ : embedding_, logits_.data(), count);
}

void UnitStream::give_logits(const int32_t* rows, int row_count, float* logits) {
    const size_t vocabulary = static_cast<size_t>(model_.vocabulary);
    for (int done = 0; done < row_count;) {
        // Neighbouring rows together.
        int count = 1;
        while (count < logit_rows && done + count < row_count && rows[done + count] == rows[done] + count)
            ++count;
        const size_t numbers = static_cast<size_t>(count) * vocabulary;
        logits_.reserve(numbers);
        logits_of(rows[done], count);
        check(cudaMemcpyAsync(logits + static_cast<size_t>(done) * vocabulary, logits_.data(), numbers * sizeof(float),
                              cudaMemcpyDeviceToHost, computing_),
              "a copy from the GPU failed");
        lap(Stage::logits, computing_);
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

void UnitStream::look_among(int before, const int32_t* first, int count) {
    check(cudaSetDevice(device_), "the GPU cannot be used");
    for (int i = 0, end = 0; i < count; end = first[2 * i + 1], ++i)
        if (first[2 * i] < end || first[2 * i + 1] <= first[2 * i])
            throw std::runtime_error("what is looked up first is out of order");
    before_ = before;
    first_count_ = count;
    if (count > 0)
        first_.upload(first, 2 * static_cast<size_t>(count));
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
    s.gpu_bytes += chunks_.gpu_bytes();
    s.key_bytes = chunks_.pinned_bytes();
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
