#include "engine/gpu-stream.h"
#include "cuda/free-memory.h"
#include "engine/gpu-reader.h"
#include "engine/half-weights.h"
#include <algorithm>

namespace longread {
namespace {

// Blocks of a read: products of 4,096 rows are nearly as quick as longer ones.
constexpr int most_blocks = 8;

LongreadStreamShape shape_of(const Model& model, const InfLlmParameters& p) {
    LongreadStreamShape s{};
    s.model =
        GpuReader::shape_of(model.hyper, model.hyper.layers, 1, 0, {p.exc_block_size * most_blocks, 0}, model.eight);
    s.n_init = p.n_init;
    s.n_local = p.n_local;
    s.block_size = p.block_size;
    s.topk = p.topk;
    s.repr_topk = p.repr_topk;
    s.max_cached_block = p.max_cached_block;
    s.exc_block_size = p.exc_block_size;
    s.distance = p.far();
    s.host_bytes = free_memory() / 10 * 7; // the rest is for everything else that runs
    s.folder = p.folder.c_str();
    s.repr_bytes = static_cast<uint64_t>(p.max_repr_megabytes) << 20;
    return s;
}

} // namespace

std::string GpuStream::refusal(const Model& model, const InfLlmParameters& p) {
    const std::string why = GpuReader::refusal(model);
    if (!why.empty())
        return why;
    if (model.output_bias || model.hyper.final_softcap != 0 || model.hyper.embedding_scale != 1.0f)
        return "there are none for this model's output";
    if (p.perhead)
        return "there are none for units that every head chooses by itself";
    if (p.places != Places::one)
        return "there are none for units at ordered places";
    if (p.format != UnitFormat::f16)
        return "they keep units as f16 only";
    if (p.block_size > LONGREAD_MOST_UNIT_TOKENS || p.topk > LONGREAD_MOST_CHOSEN)
        return "there are none for so many or so long units";
    return "";
}

GpuStream::GpuStream(const gpu::Place& place, Model& model, const InfLlmParameters& parameters)
    : UnitMemory(parameters), place_(place), model_(model) {
    p_.check(model.hyper);
    const std::string why = refusal(model, parameters);
    if (!why.empty())
        throw Error("gpu-unfit", "Our kernels cannot read this: " + why + ".");
    shape_ = shape_of(model, p_); // which keeps the folder's name
    const uint64_t free = place_.library->free_bytes(place_.bus_id.c_str());
    if (free == 0)
        throw Error("gpu-failed", std::string("The GPU failed: ") + place_.library->error() + ".");
    for (uint64_t needed = 0;; shape_.model.rows = std::max(p_.exc_block_size, shape_.model.rows / 2)) {
        shape_.model.positions = place_.library->stream_positions(&shape_);
        needed = shape_.model.positions > 0 ? place_.library->stream_bytes(&shape_) : 0;
        if (needed == 0)
            throw Error("gpu-unfit", std::string("Our kernels cannot read this: ") + place_.library->error() + ".");
        if (needed <= free)
            break;
        if (shape_.model.rows <= p_.exc_block_size)
            throw Error("gpu-unfit", "The GPU has " + std::to_string(free >> 20) + " MB of free memory; " +
                                         std::to_string(needed >> 20) + " are needed.");
    }
    // Blocks are whole but for the last.
    shape_.model.rows = shape_.model.rows / p_.exc_block_size * p_.exc_block_size;
    used_.resize(static_cast<size_t>(model.hyper.layers));
    used_known_ = true;
}

GpuStream::~GpuStream() {
    if (stream_)
        place_.library->stream_free(stream_);
}

// After a fault nothing can be done on the GPU any more, not even asking how much of its memory is free. What else
// fails, memory that runs out above all, leaves it whole.
void GpuStream::done(int32_t status) const {
    if (status == 0)
        return;
    const std::string why = place_.library->error();
    if (place_.library->free_bytes(place_.bus_id.c_str()) == 0)
        throw Error("gpu-failed", "The GPU failed: " + why + ".");
    throw Error("gpu-unfit", "The GPU could not go on: " + why + ".");
}

void GpuStream::begin() {
    if (stream_)
        return;
    const HalfStart start(model_, shape_.model.positions);
    const bool tied = model_.output == model_.token_embedding;
    const std::vector<uint16_t> output =
        tied ? std::vector<uint16_t>() : halves_of({model_.output}, model_.backend->threads());
    const std::vector<float> output_norm = floats_of({model_.output_norm});
    stream_ = place_.library->stream_new(place_.bus_id.c_str(), place_.cublas.c_str(), &shape_, start.turns.data(),
                                         start.embedding.data(), tied ? nullptr : output.data(), output_norm.data());
    done(stream_ ? 0 : 1);
    try {
        copy_weights();
        if (cut_)
            done(place_.library->stream_cut(stream_, lengths_.data(), static_cast<int32_t>(lengths_.size())));
    } catch (...) {
        place_.library->stream_free(stream_);
        stream_ = nullptr;
        throw;
    }
}

void GpuStream::copy_weights() {
    for (int l = 0; l < model_.hyper.layers; ++l) {
        const HalfLayer layer(model_.layers[static_cast<size_t>(l)], model_.backend->threads());
        const LongreadLayer view = layer.view();
        done(place_.library->stream_layer(stream_, l, &view));
    }
}

void GpuStream::cut(const std::vector<int>& lengths) {
    if (!cut_ && totals().tokens > 0)
        throw Error("usage", "A stream is cut into units from its first token on, or not at all.");
    const std::vector<int> pieces = pieces_of(lengths);
    cut_ = true;
    if (stream_)
        done(place_.library->stream_cut(stream_, pieces.data(), static_cast<int32_t>(pieces.size())));
    else
        lengths_.insert(lengths_.end(), pieces.begin(), pieces.end());
}

void GpuStream::read(const int32_t* tokens, int count, const std::vector<int32_t>& rows, const Cancel& cancel,
                     std::vector<float>& logits) {
    cancel.check();
    for (int i = 0; i < count; ++i)
        if (tokens[i] < 0 || tokens[i] >= model_.hyper.vocabulary)
            throw Error("internal", "Token " + std::to_string(tokens[i]) + " is not in the model's vocabulary.");
    begin();
    if (!rows.empty())
        logits.resize(rows.size() * static_cast<size_t>(model_.hyper.vocabulary));
    starts_known_ = used_known_ = false;
    blocks_ = (count + p_.exc_block_size - 1) / p_.exc_block_size;
    done(place_.library->stream_read(stream_, tokens, count, rows.data(), static_cast<int32_t>(rows.size()),
                                     logits.data()));
}

void GpuStream::mark() {
    begin();
    done(place_.library->stream_mark(stream_));
}

void GpuStream::rewind() {
    starts_known_ = false;
    done(place_.library->stream_rewind(stream_));
}

void GpuStream::use(const std::vector<UnitLists>& units) {
    const size_t layers = static_cast<size_t>(model_.hyper.layers);
    check_units(units, layers, 1);
    std::vector<int32_t> counts(layers, -1), all;
    for (size_t l = 0; l < layers && !units.empty(); ++l) {
        const UnitLists& lists = units.size() == 1 ? units[0] : units[l];
        counts[l] = lists.empty() ? 0 : static_cast<int32_t>(lists[0].size());
        if (!lists.empty())
            all.insert(all.end(), lists[0].begin(), lists[0].end());
    }
    begin();
    done(place_.library->stream_use(stream_, counts.data(), all.data()));
}

void GpuStream::look_among(const Candidates& candidates) {
    check_candidates(candidates);
    if (!stream_ && candidates.all())
        return;
    std::vector<int32_t> ranges;
    for (const auto& [from, to] : candidates.first)
        ranges.insert(ranges.end(), {from, to});
    begin();
    done(place_.library->stream_among(stream_, candidates.before, ranges.data(),
                                      static_cast<int32_t>(candidates.first.size())));
}

const std::vector<UnitLists>& GpuStream::used_units() const {
    if (!used_known_)
        used_ = used_in(blocks_ - 1);
    used_known_ = true;
    return used_;
}

std::vector<UnitLists> GpuStream::used_in(int block) const {
    const size_t layers = static_cast<size_t>(model_.hyper.layers);
    std::vector<int32_t> counts(layers), units(layers * LONGREAD_MOST_CHOSEN);
    done(place_.library->stream_used(stream_, block, counts.data(), units.data()));
    std::vector<UnitLists> used;
    for (size_t l = 0; l < layers; ++l) {
        const auto first = units.begin() + static_cast<std::ptrdiff_t>(l * LONGREAD_MOST_CHOSEN);
        used.push_back({std::vector<int>(first, first + counts[l])});
    }
    return used;
}

const std::vector<int32_t>& GpuStream::starts() const {
    if (!stream_)
        starts_.assign(1, p_.n_init);
    else if (!starts_known_) {
        LongreadStreamState state{};
        done(place_.library->stream_state(stream_, &state));
        starts_.resize(static_cast<size_t>(state.units) + 1);
        done(place_.library->stream_starts(stream_, starts_.data()));
        starts_known_ = true;
    }
    return starts_;
}

UnitMemory::Totals GpuStream::totals() const {
    LongreadStreamState s{};
    if (stream_)
        done(place_.library->stream_state(stream_, &s));
    return {s.position,   s.units,      s.gpu_bytes + s.key_bytes + s.unit_bytes,
            s.unit_bytes, s.disk_bytes, static_cast<long long>(s.fetched),
            true,         s.gpu_bytes};
}

} // namespace longread
