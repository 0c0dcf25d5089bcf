#include "cuda/episodes.h"
#include "tests/episode-lists.h"
#include "tests/kernel-checks.h"
#include "tests/reference-reading.h"
#include <algorithm>
#include <cstring>

namespace longread::gpu {
namespace {

std::vector<uint16_t> to_halves(const std::vector<float>& values) {
    std::vector<uint16_t> halves;
    for (float x : values)
        halves.push_back(to_half(x));
    return halves;
}

ReferenceWeights random_weights(const LongreadShape& shape, bool extras, Random& random) {
    ReferenceWeights w;
    w.shape = shape;
    const size_t width = static_cast<size_t>(shape.embedding), feed = static_cast<size_t>(shape.feed_forward);
    const size_t size = static_cast<size_t>(shape.head_size), mixed = static_cast<size_t>(shape.heads) * size;
    const size_t all = mixed + 2 * static_cast<size_t>(shape.key_heads) * size;
    const auto matrix = [&](size_t out, size_t in) {
        return random.halves(out * in, 1.0f / std::sqrt(static_cast<float>(in)));
    };
    const auto norm = [&](size_t count) {
        std::vector<float> values = random.halves(count, 0.3f);
        for (float& x : values)
            x += 1.0f;
        return values;
    };
    TestHeads turns(shape.heads, shape.key_heads, shape.head_size, shape.neox, false, shape.positions, random);
    w.turns = turns.turns;
    w.embedding = random.halves(static_cast<size_t>(shape.vocabulary) * width, 1);
    for (int l = 0; l < shape.layers; ++l) {
        ReferenceLayer layer;
        layer.attention_norm = norm(width);
        layer.qkv = matrix(all, width);
        layer.output = matrix(width, mixed);
        layer.feed_norm = norm(width);
        layer.gate_up = matrix(2 * feed, width);
        layer.down = matrix(width, feed);
        if (extras) {
            layer.bias = random.halves(all, 0.5f);
            layer.query_norm = norm(size);
            layer.key_norm = norm(size);
        }
        w.layers.push_back(layer);
    }
    w.output_norm = norm(width);
    if (extras) { // an output of its own, and biases
        w.output = matrix(static_cast<size_t>(shape.vocabulary), width);
        w.output_bias = random.halves(static_cast<size_t>(shape.vocabulary), 0.5f);
    }
    return w;
}

LongreadReader* reader_of(const ReferenceWeights& w, const char* bus_id, const char* cublas) {
    LongreadReader* reader =
        longread_cuda_reader_new(bus_id, cublas, &w.shape, w.turns.data(), to_halves(w.embedding).data());
    for (size_t l = 0; reader && l < w.layers.size(); ++l) {
        const ReferenceLayer& from = w.layers[l];
        const std::vector<uint16_t> qkv = to_halves(from.qkv), output = to_halves(from.output);
        const std::vector<uint16_t> gate_up = to_halves(from.gate_up), down = to_halves(from.down);
        const auto data = [](const std::vector<float>& values) { return values.empty() ? nullptr : values.data(); };
        const LongreadLayer layer{qkv.data(),
                                  output.data(),
                                  gate_up.data(),
                                  down.data(),
                                  from.attention_norm.data(),
                                  from.feed_norm.data(),
                                  data(from.bias),
                                  data(from.query_norm),
                                  data(from.key_norm)};
        if (longread_cuda_reader_layer(reader, static_cast<int32_t>(l), &layer) != 0) {
            longread_cuda_reader_free(reader);
            return nullptr;
        }
    }
    return reader;
}

struct Episodes : EpisodeLists {
    Episodes(const std::vector<int>& lengths, int vocabulary, Random& random) {
        for (int length : lengths) {
            begin();
            for (int t = 0; t < length; ++t) {
                add(random.below(vocabulary), t % 50 >= 3); // those before are a header or breadcrumbs
                if (t % 50 == 49)
                    end_unit();
            }
            end_unit();
        }
        show();
    }
};

// The length of the difference as a share of the length of what it should be.
double share(const std::vector<float>& is, const std::vector<float>& should) {
    double difference = 0, length = 0;
    for (size_t i = 0; i < should.size(); ++i) {
        difference += std::pow(static_cast<double>(is[i]) - should[i], 2);
        length += std::pow(static_cast<double>(should[i]), 2);
    }
    return std::sqrt(difference / length);
}

void compare(Checks& checks, const std::string& what, const std::vector<float>& is, const std::vector<float>& should,
             double bound) {
    const double differs = share(is, should);
    char line[200];
    std::snprintf(line, sizeof line, "%s: differs by %.5f, allowed %.5f, of %zu numbers", what.c_str(), differs, bound,
                  should.size());
    checks.expect(line, is.size() == should.size() && !should.empty() && differs <= bound);
}

// F16 keys of the remembered tokens.
std::vector<float> keys_of(const uint8_t* keys, const LongreadBatch& batch, int slots, int head_size) {
    std::vector<float> all;
    for (int g = 0; g < batch.group_count; ++g)
        for (int slot = 0; slot < slots; ++slot)
            for (uint32_t t = 0; t < batch.groups[g].count; ++t)
                for (int d = 0; d < head_size; ++d) {
                    const LongreadGroup& group = batch.groups[g];
                    const size_t at = (static_cast<size_t>(group.group) * head_size + d) * 16 + t;
                    all.push_back(from_half(reinterpret_cast<const uint16_t*>(
                        keys + group.keys + group.stride * static_cast<size_t>(slot))[at]));
                }
    return all;
}

void check_store(Checks& checks, const char* bus_id, const LongreadRecall& recall, int head_size,
                 const ReferenceRead& read, const LongreadBatch& batch, const EpisodeBatch& layout, size_t episodes,
                 int asked) {
    LongreadStore* store = longread_cuda_store_new(bus_id, recall.format, head_size, recall.heads, recall.head_slot);
    std::vector<LongreadUnit> units(batch.units, batch.units + batch.unit_count);
    bool put = store != nullptr;
    for (size_t e = 0; put && e < episodes; ++e) {
        const size_t end = e + 1 < episodes ? layout.keys_of(e + 1) : batch.key_bytes;
        uint64_t address = 0;
        put = longread_cuda_store_put(store, read.keys.data() + layout.keys_of(e), end - layout.keys_of(e), &address) ==
              0;
        for (size_t u = layout.first_unit_of(e); u < units.size(); ++u)
            if (batch.units[u].keys == layout.keys_of(e))
                units[u].keys = address;
    }
    checks.expect("keys are put into a store", put);
    if (!put)
        return;
    const size_t each = static_cast<size_t>(asked) * units.size();
    std::vector<float> is(recall.heads * each), should(is.size());
    const int32_t scored =
        longread_cuda_store_score(store, units.data(), batch.unit_count, recall.queries, asked, is.data());
    for (size_t head = 0; head < static_cast<size_t>(recall.heads); ++head)
        reference::masses(read.keys.data(), batch.units, batch.unit_count, recall.format, recall.head_slot[head],
                          head_size, recall.queries + head * asked * head_size, asked, should.data() + head * each);
    checks.expect("a store scores", scored == 0);
    checks.compare("masses of a store", is, should, 1e-4, 1e-5);
    longread_cuda_store_free(store);
}

// Products of two layers, or of the first alone, from a row on.
void check_heads(Checks& checks, const std::string& of, LongreadReader* reader, const ReferenceWeights& w,
                 const LongreadBatch& batch) {
    const size_t width = static_cast<size_t>((w.shape.heads + 2 * w.shape.key_heads) * w.shape.head_size);
    for (const std::vector<int32_t>& layers : {std::vector<int32_t>{0, w.shape.layers - 1}, std::vector<int32_t>{0}}) {
        const int32_t first = layers.size() > 1 ? batch.rows - 9 : 0;
        std::vector<uint16_t> is(layers.size() * static_cast<size_t>(batch.rows - first) * width);
        const bool read = longread_cuda_reader_heads(reader, &batch, layers.data(), static_cast<int32_t>(layers.size()),
                                                     first, is.data()) == 0;
        checks.expect("products are read" + (read ? "" : std::string(": ") + longread_cuda_error()), read);
        std::vector<float> values;
        for (uint16_t x : is)
            values.push_back(from_half(x));
        compare(checks, "products" + of, values, heads_by_references(w, batch, layers, first),
                w.shape.eight ? 0.1 : 0.005);
    }
    const int32_t twice[] = {1, 1};
    checks.expect("layers that do not rise are refused",
                  longread_cuda_reader_heads(reader, &batch, twice, 2, 0, nullptr) != 0);
}

// Every third row of a batch, and its last one.
void check_deep(Checks& checks, const std::string& of, LongreadReader* reader, const ReferenceWeights& w,
                const LongreadBatch& batch, Random& random) {
    std::vector<int32_t> rows, wanted;
    for (int32_t row = 0; row < batch.rows; row += 3)
        rows.push_back(row);
    rows.push_back(batch.rows - 1);
    for (size_t i = 0; i < rows.size(); ++i)
        wanted.push_back(random.below(w.shape.vocabulary));
    const int32_t count = static_cast<int32_t>(rows.size());
    std::vector<float> is(rows.size());
    const auto read = [&] {
        return longread_cuda_reader_likelihoods(reader, &batch, rows.data(), wanted.data(), count, is.data()) == 0;
    };
    checks.expect("likelihoods without an output are refused", !read());
    const std::vector<uint16_t> matrix = to_halves(w.output);
    const LongreadOutput output{w.output_norm.data(), w.output.empty() ? nullptr : matrix.data(),
                                w.output_bias.empty() ? nullptr : w.output_bias.data()};
    checks.expect("is told what comes after the last layer", longread_cuda_reader_output(reader, &output) == 0);
    const bool done = read();
    checks.expect("reads all layers" + (done ? "" : std::string(": ") + longread_cuda_error()), done);
    // F16 activations against F32 ones: nats, of likelihoods about log(vocabulary) below 0.
    checks.compare("likelihoods" + of, is, likelihoods_by_references(w, batch, rows, wanted),
                   w.shape.eight ? 1.5 : 0.03, w.shape.eight ? 0.15 : 0.005);
    wanted.back() = w.shape.vocabulary;
    checks.expect("a token that is not there is refused", !read());
}

void check_shape(Checks& checks, const char* bus_id, const char* cublas, const LongreadShape& shape, bool extras,
                 const std::vector<std::vector<int>>& batches) {
    Random random(6);
    const ReferenceWeights weights = random_weights(shape, extras, random);
    char of[100];
    std::snprintf(of, sizeof of, " of a model of %d heads of %d over %d%s%s", shape.heads, shape.head_size,
                  shape.key_heads, extras ? ", biases and norms" : "", shape.eight ? ", in 8 bit" : "");
    LongreadReader* reader = reader_of(weights, bus_id, cublas);
    checks.expect(std::string("a reader") + of + (reader ? "" : std::string(": ") + longread_cuda_error()),
                  reader != nullptr);
    if (!reader)
        return;
    const int deepest = shape.layers - 1;
    const std::vector<int32_t> key_layer = {0, deepest, deepest},
                               key_head = {shape.key_heads - 1, 0, shape.key_heads - 1};
    const std::vector<int32_t> head_slot = {2, 0, 1, 1}, question_rows = {3, 1, 12};
    const std::vector<float> queries = random.halves(4 * 16 * static_cast<size_t>(shape.head_size), 0.2f);
    const LongreadRecall recall{
        LONGREAD_KEYS_F16,   3, key_layer.data(), key_head.data(), 4, 3, head_slot.data(), queries.data(),
        question_rows.data()};
    checks.expect("is told what is kept", longread_cuda_reader_recall(reader, &recall) == 0);

    std::vector<Episodes> episodes;
    std::vector<EpisodeBatch> layouts;
    for (const auto& lengths : batches) {
        episodes.emplace_back(lengths, shape.vocabulary, random);
        layouts.emplace_back(episodes.back().views.data(), lengths.size(),
                             EpisodeRule{shape.window, shape.sinks, LONGREAD_KEYS_F16, shape.head_size, 3});
    }
    // The next batch is begun before the one before is asked for.
    size_t begun = 0;
    const auto begin = [&] {
        const LongreadBatch batch = layouts[begun++].view();
        return longread_cuda_reader_begin(reader, &batch) == 0;
    };
    checks.expect("a batch is begun", begin());
    for (size_t i = 0; i < batches.size(); ++i) {
        if (begun < batches.size())
            checks.expect("a second batch is begun", begin());
        const LongreadBatch batch = layouts[i].view();
        LongreadRead read{};
        const bool finished = longread_cuda_reader_finish(reader, &read) == 0;
        checks.expect("it is finished" + (finished ? "" : std::string(": ") + longread_cuda_error()), finished);
        if (!finished)
            break;
        const ReferenceRead should = read_by_references(weights, recall, batch);
        const size_t numbers = 4 * static_cast<size_t>(batch.unit_count);
        // F16 activations against F32 ones.
        compare(checks, std::string("keys") + of, keys_of(read.keys, batch, 3, shape.head_size),
                keys_of(should.keys.data(), batch, 3, shape.head_size), shape.eight ? 0.1 : 0.005);
        compare(checks, std::string("means") + of, {read.means, read.means + numbers}, should.means,
                shape.eight ? 0.05 : 0.002);
        compare(checks, std::string("deviations") + of, {read.deviations, read.deviations + numbers}, should.deviations,
                shape.eight ? 0.2 : 0.01);
        if (i == 0)
            check_store(checks, bus_id, recall, shape.head_size, should, batch, layouts[i], batches[i].size(), 16);
    }
    check_heads(checks, of, reader, weights, layouts.back().view());
    check_deep(checks, of, reader, weights, layouts.back().view(), random);
    longread_cuda_reader_free(reader);
}

} // namespace

void check_reader(Checks& checks, const char* bus_id, const char* cublas, bool large) {
    const bool can_eight = has_eight();
    checks.expect("the library has this version", longread_cuda_version() == LONGREAD_CUDA_VERSION);
    checks.expect("the GPU has memory", longread_cuda_free_bytes(bus_id) > 0);
    LongreadShape shape{};
    shape.layers = 3;
    shape.embedding = 128;
    shape.feed_forward = 192;
    shape.vocabulary = 50;
    shape.heads = 4;
    shape.key_heads = 2;
    shape.head_size = 64;
    shape.norm_epsilon = 1e-5f;
    shape.attention_scale = 0.125f;
    shape.shift_length = 1.0f;
    // Some batches are longer than what the feed-forward part takes at once.
    shape.rows = large ? 1024 : 500;
    shape.positions = large ? 4096 : 1300;
    shape.window = 100;
    shape.sinks = 4;
    check_shape(checks, bus_id, cublas, shape, false, {{1000, 3, 129}, {1, 60}, {60, 700, 16}});
    shape.eight = can_eight;
    if (can_eight)
        check_shape(checks, bus_id, cublas, shape, false, {{600, 3}, {1, 60}});
    shape.eight = 0;
    shape.neox = 1;
    shape.head_size = 128;
    shape.attention_scale = 0.088388f;
    check_shape(checks, bus_id, cublas, shape, true, {{900, 64}, {130, 31}});

    LongreadShape wrong = shape;
    wrong.head_size = 96;
    const std::vector<float> turns(static_cast<size_t>(wrong.positions) * 96);
    const std::vector<uint16_t> embedding(50 * 128);
    checks.expect("a shape without kernels is refused",
                  !longread_cuda_reader_new(bus_id, cublas, &wrong, turns.data(), embedding.data()) &&
                      std::strcmp(longread_cuda_error(), "no kernel reads a model of this shape") == 0);
}

} // namespace longread::gpu
