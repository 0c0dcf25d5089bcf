// A whole stream through the C interface: what must not depend on where units rest, how many tokens a read has, or how
// often the window has moved.
#include "cuda/interface.h"
#include "tests/kernel-checks.h"
#include <algorithm>
#include <memory>
#include <utility>

namespace longread::gpu {
namespace {

constexpr int layers = 2, embedding = 64, feed_forward = 96, vocabulary = 72, heads = 2, key_heads = 1, head_size = 64;

using Held = std::unique_ptr<LongreadStream, void (*)(LongreadStream*)>;

LongreadStreamShape small_shape() {
    LongreadStreamShape s{};
    s.model.layers = layers;
    s.model.embedding = embedding;
    s.model.feed_forward = feed_forward;
    s.model.vocabulary = vocabulary;
    s.model.heads = heads;
    s.model.key_heads = key_heads;
    s.model.head_size = head_size;
    s.model.norm_epsilon = 1e-5f;
    s.model.attention_scale = 0.125f;
    s.model.shift_length = 1;
    s.model.rows = 64;
    s.n_init = 5;
    s.n_local = s.distance = 40;
    s.block_size = 8;
    s.topk = 3;
    s.repr_topk = 8; // all of a unit: nothing to be nearly alike
    s.max_cached_block = 4;
    s.exc_block_size = 16;
    s.host_bytes = uint64_t{1} << 28;
    s.repr_bytes = UINT64_MAX;
    s.model.positions = longread_cuda_stream_positions(&s);
    return s;
}

class Model {
  public:
    Model(const char* bus_id, const char* cublas) : bus_id_(bus_id), cublas_(cublas) {
        Random random(12);
        const auto halves = [&](size_t count, float size) {
            std::vector<uint16_t> to;
            for (float x : random.halves(count, size))
                to.push_back(to_half(x));
            return to;
        };
        const size_t mixed = heads * head_size, all = mixed + 2 * key_heads * head_size;
        table_ = halves(static_cast<size_t>(vocabulary) * embedding, 1);
        qkv_ = halves(all * embedding, 0.2f);
        output_ = halves(embedding * mixed, 0.1f);
        gate_up_ = halves(2 * feed_forward * embedding, 0.1f);
        down_ = halves(embedding * feed_forward, 0.1f);
        ones_.assign(embedding, 1.0f);
    }

    Held begin(const LongreadStreamShape& s) const {
        std::vector<float> turns;
        for (int p = 0; p < s.model.positions; ++p)
            for (int pair = 0; pair < head_size / 2; ++pair) {
                const float angle = static_cast<float>(p) * std::pow(10000.0f, -2.0f * pair / head_size);
                turns.push_back(std::cos(angle));
                turns.push_back(std::sin(angle));
            }
        Held stream(longread_cuda_stream_new(bus_id_, cublas_, &s, turns.data(), table_.data(), nullptr, ones_.data()),
                    longread_cuda_stream_free);
        const LongreadLayer layer{qkv_.data(),  output_.data(), gate_up_.data(), down_.data(), ones_.data(),
                                  ones_.data(), nullptr,        nullptr,         nullptr};
        for (int l = 0; stream && l < layers; ++l)
            longread_cuda_stream_layer(stream.get(), l, &layer);
        return stream;
    }

  private:
    const char *bus_id_, *cublas_;
    std::vector<uint16_t> table_, qkv_, output_, gate_up_, down_;
    std::vector<float> ones_;
};

// Tokens [first, end) of the text that all streams read, so many at a time; logits of all. Empty where it fails.
std::vector<float> read(LongreadStream* stream, int first, int end, int at_once) {
    std::vector<float> all, logits;
    for (; first < end; first += at_once) {
        const int count = std::min(at_once, end - first);
        std::vector<int32_t> tokens, rows;
        for (int i = 0; i < count; ++i) {
            tokens.push_back(((first + i) * 31 + (first + i) * (first + i) / 7) % vocabulary);
            rows.push_back(i);
        }
        logits.resize(static_cast<size_t>(count) * vocabulary);
        if (longread_cuda_stream_read(stream, tokens.data(), count, rows.data(), count, logits.data()) != 0)
            return {};
        all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
}

int32_t put_bytes(void* to, const void* bytes, uint64_t count) {
    auto& all = *static_cast<std::vector<uint8_t>*>(to);
    all.insert(all.end(), static_cast<const uint8_t*>(bytes), static_cast<const uint8_t*>(bytes) + count);
    return 0;
}

struct Source {
    const std::vector<uint8_t>* bytes;
    size_t at;
};

int32_t get_bytes(void* from, void* bytes, uint64_t count) {
    Source& source = *static_cast<Source*>(from);
    if (count > source.bytes->size() - source.at)
        return 1;
    std::copy_n(source.bytes->begin() + static_cast<std::ptrdiff_t>(source.at), count, static_cast<uint8_t*>(bytes));
    source.at += count;
    return 0;
}

float largest_of(const std::vector<float>& values) {
    float largest = 0;
    for (float x : values)
        largest = std::max(largest, std::fabs(x));
    return largest;
}

// A stream that goes back to a mark behind which it took further pieces for representative keys, and is kept.
struct Told {
    std::vector<float> logits;               // of all that it reads
    std::vector<std::vector<int32_t>> units; // [block of the last read][...]: of all layers
    std::vector<uint8_t> rewound, kept;      // as bytes, where it has gone back, and at the end but for some tokens
    LongreadStreamState early{}, late{};
};
constexpr int told_first = 64, told_mark = 256, told_kept = 320, told_end = 384;

// What it reads last.
void tell_end(LongreadStream* stream, Told& told) {
    const std::vector<float> logits = read(stream, told_kept, told_end, 64);
    told.logits.insert(told.logits.end(), logits.begin(), logits.end());
    for (int block = 0; block < 4; ++block) {
        std::vector<int32_t> counts(layers), units(layers * LONGREAD_MOST_CHOSEN), used;
        longread_cuda_stream_used(stream, block, counts.data(), units.data());
        for (int l = 0; l < layers; ++l) {
            const auto first = units.begin() + l * LONGREAD_MOST_CHOSEN;
            used.insert(used.end(), first, first + counts[static_cast<size_t>(l)]);
        }
        told.units.push_back(used);
    }
    longread_cuda_stream_state(stream, &told.late);
}

template <typename Then> Told tell(LongreadStream* stream, const Then& then) {
    Told told;
    const auto go = [&](int first, int end) {
        const std::vector<float> logits = read(stream, first, end, 64);
        told.logits.insert(told.logits.end(), logits.begin(), logits.end());
    };
    go(0, told_first);
    then();
    go(told_first, told_mark);
    longread_cuda_stream_state(stream, &told.early);
    longread_cuda_stream_mark(stream);
    go(900, 964); // other tokens
    longread_cuda_stream_rewind(stream);
    longread_cuda_stream_save(stream, put_bytes, &told.rewound);
    go(told_mark, told_kept);
    longread_cuda_stream_save(stream, put_bytes, &told.kept);
    tell_end(stream, told);
    return told;
}

bool same(const Told& one, const Told& other) {
    return !one.logits.empty() && one.logits == other.logits && one.units == other.units;
}

// Wherever representative keys lie, all is the same to the last bit.
void check_places_of_keys(Checks& checks, const Model& model) {
    LongreadStreamShape shape = small_shape();
    shape.block_size = shape.repr_topk = 1; // so that units are more than a piece has
    shape.topk = 24;
    shape.max_cached_block = 32;
    constexpr uint64_t piece = uint64_t{256} * layers * heads * head_size * 2;
    const auto nothing = [] {};
    const Held all = model.begin(shape);
    const Told should = tell(all.get(), nothing);
    int early = 0, late = 0;
    for (const std::vector<int32_t>& units : should.units)
        for (int unit : units)
            ++(unit < 256 ? early : late);
    checks.expect("units of both pieces are chosen", early > 0 && late > 0);
    checks.expect("all representative keys are on the GPU",
                  should.early.units < 256 && should.late.units > 256 && should.late.key_bytes == 0 &&
                      should.late.gpu_bytes == should.early.gpu_bytes + piece);
    for (const uint64_t limit : {uint64_t{0}, 2 * piece - 1}) {
        LongreadStreamShape limited = shape;
        limited.repr_bytes = limit;
        const Held stream = model.begin(limited);
        const Told told = tell(stream.get(), nothing);
        checks.expect("representative keys in the processor's memory change nothing", same(told, should));
        checks.expect("the GPU's memory has its limit",
                      told.late.gpu_bytes == told.early.gpu_bytes &&
                          told.late.gpu_bytes == should.late.gpu_bytes - (limit == 0 ? 2 : 1) * piece &&
                          told.late.key_bytes == (limit == 0 ? 2 : 1) * piece);
        // As bytes from one to the other.
        for (const auto& [from, to] : {std::pair{&should, &limited}, std::pair{&told, &shape}}) {
            const Held taken = model.begin(*to), rewound = model.begin(*to);
            Source kept{&from->kept, 0}, before{&from->rewound, 0};
            Told again;
            const bool whole = longread_cuda_stream_restore(taken.get(), get_bytes, &kept) == 0;
            tell_end(taken.get(), again);
            const auto end = should.logits.end() - (told_end - told_kept) * vocabulary;
            checks.expect("a stream goes on wherever its representative keys were",
                          whole && kept.at == from->kept.size() && again.units == should.units &&
                              again.logits == std::vector<float>(end, should.logits.end()) &&
                              again.late.key_bytes == (to == &limited ? told : should).late.key_bytes);
            checks.expect("pieces for what was forgotten are not kept",
                          longread_cuda_stream_restore(rewound.get(), get_bytes, &before) == 0 &&
                              before.at == from->rewound.size());
        }
    }
#ifndef LONGREAD_EMULATED // where memory is never short
    const Held full = model.begin(shape);
    Buffer<char> filling;
    const Told told = tell(full.get(), [&] {
        size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total), "the GPU failed");
        filling.reserve(free - std::min(free, size_t{256} << 20));
    });
    checks.expect("where the GPU is full, representative keys are in the processor's memory",
                  same(told, should) && told.late.key_bytes == piece && told.late.gpu_bytes == told.early.gpu_bytes);
#endif
}

} // namespace

void check_stream(Checks& checks, const char* bus_id, const char* cublas) {
    const Model model(bus_id, cublas);
    const LongreadStreamShape shape = small_shape();
    const Held whole = model.begin(shape);
    checks.expect("a stream can be begun", whole != nullptr);
    if (!whole)
        return;
    constexpr int first = 448, end = 560;
    const std::vector<float> before = read(whole.get(), 0, first, 64), should = read(whole.get(), first, end, 64);
    const float largest = largest_of(should);

    // Blocks alone have other rows of products, so other roundings; units nearly alike are rare enough here.
    const Held blocks = model.begin(shape);
    read(blocks.get(), 0, first, 16);
    checks.compare("logits of blocks read one by one", read(blocks.get(), first, end, 16), should, 5e-3 * largest, 0);

    // In a file: the same to the last bit.
    LongreadStreamShape filed = shape;
    filed.host_bytes = 0;
    const Held none = model.begin(filed);
    checks.expect("without memory and a folder a stream ends", read(none.get(), 0, first, 64).empty());
    filed.folder = "/nowhere/at/all";
    const Held nowhere = model.begin(filed);
    checks.expect("a folder that is not there is told",
                  read(nowhere.get(), 0, first, 64).empty() &&
                      std::string(longread_cuda_error()).find("/nowhere/at/all") != std::string::npos);
    filed.folder = "/tmp";
    const Held on_disk = model.begin(filed);
    checks.expect("units in a file change nothing",
                  read(on_disk.get(), 0, first, 64) == before && read(on_disk.get(), first, end, 64) == should);
    LongreadStreamState state{}, in_memory{};
    checks.expect("units are in the file",
                  longread_cuda_stream_state(on_disk.get(), &state) == 0 &&
                      longread_cuda_stream_state(whole.get(), &in_memory) == 0 && state.units == in_memory.units &&
                      state.units > 50 && state.disk_bytes == static_cast<uint64_t>(state.units) * 8 * layers * 256 &&
                      in_memory.disk_bytes == 0 && state.unit_bytes == 0 && state.fetched > 0 && in_memory.fetched > 0);
    // Only from memory units are fetched ahead, some of which are not chosen then.
    checks.expect("as many units are chosen from a file",
                  in_memory.found + in_memory.fetched >= state.found + state.fetched);

    // With products of 8-bit numbers: the same, read many blocks at once or one by one; single tokens are multiplied
    // otherwise, by weights that are the same.
    if (has_eight()) {
        LongreadStreamShape small = shape;
        small.model.eight = 1;
        const Held eight = model.begin(small), eight_blocks = model.begin(small);
        read(eight.get(), 0, first, 64);
        read(eight_blocks.get(), 0, first, 16);
        checks.compare("logits of blocks read one by one, in 8 bit", read(eight_blocks.get(), first, end, 16),
                       read(eight.get(), first, end, 64), 5e-2 * largest, 0);
        // With the same units, which may be others otherwise.
        const Held half = model.begin(shape), again = model.begin(small);
        std::vector<float> logits[2];
        const std::vector<int32_t> most(2, 2), forced{1, 4, 1, 4}; // of both layers
        for (LongreadStream* stream : {half.get(), again.get()}) {
            read(stream, 0, first, 64);
            longread_cuda_stream_use(stream, most.data(), forced.data());
            logits[stream == again.get()] = read(stream, first, end, 64);
        }
        double apart = 0, length = 0;
        for (size_t i = 0; i < logits[0].size() && i < logits[1].size(); ++i) {
            apart += std::pow(static_cast<double>(logits[1][i]) - logits[0][i], 2);
            length += std::pow(static_cast<double>(logits[0][i]), 2);
        }
        std::printf("8-bit products change logits by %.3f of their length\n", std::sqrt(apart / length));
        checks.expect("8-bit products change logits by less than 0.15", length > 0 && apart < 0.0225 * length);
    }

    // The window goes to its front by a few tokens, less than it has, when it is marked.
    const Held often = model.begin(shape);
    read(often.get(), 0, first, 64);
    for (int at = first; at < first + 48; at += 16) {
        checks.expect("a mark is set", longread_cuda_stream_mark(often.get()) == 0);
        read(often.get(), at, at + 16, 16);
    }
    checks.compare("logits after marks", read(often.get(), first + 48, end, 64),
                   {should.begin() + 48 * vocabulary, should.end()}, 5e-3 * largest, 0);

    // As bytes and back, wherever units rest: the same to the last bit.
    LongreadStreamState state_here{};
    for (const LongreadStreamShape& one : {shape, filed}) {
        const Held saved = model.begin(one);
        read(saved.get(), 0, first, 64);
        std::vector<uint8_t> bytes;
        checks.expect("a stream is put as bytes", longread_cuda_stream_save(saved.get(), put_bytes, &bytes) == 0);
        const std::vector<float> after = read(saved.get(), first, end, 64);
        for (const LongreadStreamShape& other : {shape, filed}) {
            const Held taken = model.begin(other);
            Source from{&bytes, 0};
            const bool whole_again = longread_cuda_stream_restore(taken.get(), get_bytes, &from) == 0;
            checks.expect("a stream that was put as bytes goes on",
                          whole_again && from.at == bytes.size() && read(taken.get(), first, end, 64) == after &&
                              longread_cuda_stream_state(taken.get(), &state_here) == 0 &&
                              (state_here.disk_bytes > 0) == (other.host_bytes == 0));
        }
        bytes.resize(bytes.size() - 1);
        const Held cut_short = model.begin(one), nonsense = model.begin(one);
        Source from{&bytes, 0};
        checks.expect("bytes that end too soon are an error",
                      longread_cuda_stream_restore(cut_short.get(), get_bytes, &from) == 1);
        std::fill_n(bytes.begin(), 32, uint8_t{0x55});
        Source wrong{&bytes, 0};
        checks.expect("bytes of something else are told",
                      longread_cuda_stream_restore(nonsense.get(), get_bytes, &wrong) == LONGREAD_NOT_KEPT);
    }

    // What is read after a mark, more than the window's memory holds, is as if it had never been.
    for (const LongreadStreamShape& one : {shape, filed}) {
        const Held marked = model.begin(one);
        read(marked.get(), 0, first, 64);
        bool held = longread_cuda_stream_mark(marked.get()) == 0;
        std::vector<int32_t> units(2), most(2, 2);
        for (int times = 0; times < 2; ++times) {
            const std::vector<int32_t> forced{1, 4, 1, 4}; // of both layers
            held = held && longread_cuda_stream_use(marked.get(), most.data(), forced.data()) == 0;
            held = held && !read(marked.get(), 900, 900 + 40 + 600 * times, 64).empty();
            held = held && longread_cuda_stream_rewind(marked.get()) == 0;
        }
        held = held && longread_cuda_stream_state(marked.get(), &state) == 0 && state.position == first;
        checks.expect("a mark is gone back to, twice", held);
        // Keys are rotated to other slots.
        checks.compare("logits after what was forgotten", read(marked.get(), first, end, 64), should, 5e-3 * largest,
                       0);
    }
    check_places_of_keys(checks, model);
}

} // namespace longread::gpu
