#include "cuda/episodes.h"
#include "cuda/masses.cuh"
#include "cuda/pack.cuh"
#include "cuda/statistics.cuh"
#include "tests/kernel-checks.h"
#include <algorithm>

namespace longread::gpu {
namespace {

constexpr int slots = 3;

// Two episodes with units among their tokens; their keys as the reference packs them.
struct Packed {
    std::vector<std::vector<int32_t>> tokens{std::vector<int32_t>(70), std::vector<int32_t>(33)};
    std::vector<uint32_t> kept[2], starts[2];
    EpisodeBatch layout;
    LongreadBatch batch;

    Packed(int format, int head_size) : layout(make(format, head_size)), batch(layout.view()) {}

    EpisodeBatch make(int format, int head_size) {
        for (uint32_t t = 3; t < 70; ++t)
            if (t != 20)
                kept[0].push_back(t);
        for (uint32_t t = 0; t < 33; t += 2)
            kept[1].push_back(t);
        starts[0] = {0, 1, 1, 16, 47, 66}; // one is empty
        starts[1] = {0, 17};
        std::vector<EpisodeView> views;
        for (size_t e = 0; e < 2; ++e)
            views.push_back({tokens[e].data(), static_cast<int32_t>(tokens[e].size()), kept[e].data(),
                             static_cast<uint32_t>(kept[e].size()), starts[e].data(),
                             static_cast<uint32_t>(starts[e].size() - 1)});
        return EpisodeBatch(views.data(), views.size(), {2048, 4, format, head_size, slots});
    }
};

// Keys as numbers: dequantised, so that a byte that was rounded the other way is off by one step.
std::vector<float> numbers_of(const std::vector<uint8_t>& keys, const Packed& packed, int format, int head_size) {
    std::vector<float> all;
    for (int g = 0; g < packed.batch.group_count; ++g)
        for (int slot = 0; slot < slots; ++slot) {
            const LongreadGroup& group = packed.batch.groups[g];
            const uint8_t* base = keys.data() + group.keys + group.stride * static_cast<size_t>(slot);
            const size_t place = static_cast<size_t>(group.group) * head_size * 16;
            for (size_t i = 0; i < static_cast<size_t>(head_size) * 16; ++i)
                all.push_back(format == LONGREAD_KEYS_F16
                                  ? from_half(reinterpret_cast<const uint16_t*>(base)[place + i])
                                  : reinterpret_cast<const float*>(base)[group.group * 16 + i % 16] *
                                        reinterpret_cast<const int8_t*>(base + group.padded * 4)[place + i]);
        }
    return all;
}

void check_format(Checks& checks, int format, int head_size, bool extras, Random& random) {
    const std::string of = std::string(format == LONGREAD_KEYS_Q8 ? " of 8-bit" : " of F16") + " keys of " +
                           std::to_string(head_size) + (extras ? ", biases and norms" : "");
    const Packed packed(format, head_size);
    const LongreadBatch& batch = packed.batch;
    TestHeads heads(4, 3, head_size, extras, extras, 1, random);
    const std::vector<float> qkv = random.halves(static_cast<size_t>(batch.rows) * 10 * head_size, 2);
    const std::vector<int32_t> key_heads = {2, 0, 1};
    std::vector<uint8_t> should(batch.key_bytes, 0);
    float largest = 0;
    for (int slot = 0; slot < slots; ++slot)
        reference::pack(qkv.data(), batch.kept_rows, batch.groups, batch.group_count, format, slot,
                        key_heads[static_cast<size_t>(slot)], heads.here(), should.data());
    for (float x : numbers_of(should, packed, format, head_size))
        largest = std::max(largest, std::fabs(x));

    Stream stream;
    const Buffer<__half> qkv_there = halves_there(qkv);
    Buffer<uint8_t> keys = there(std::vector<uint8_t>(batch.key_bytes, 0));
    Buffer<int32_t> rows;
    Buffer<LongreadGroup> groups;
    Buffer<LongreadUnit> units;
    rows.upload(batch.kept_rows, static_cast<size_t>(batch.kept_count));
    groups.upload(batch.groups, static_cast<size_t>(batch.group_count));
    units.upload(batch.units, static_cast<size_t>(batch.unit_count));
    const Buffer<int32_t> key_heads_there = there(key_heads);
    const Heads own{4,
                    3,
                    heads.neox,
                    1e-5f,
                    heads.bias_there.data(),
                    heads.query_norm_there.data(),
                    heads.key_norm_there.data(),
                    nullptr};
    // As of two layers.
    for (int first : {0, 1})
        pack(qkv_there.data(), rows.data(), groups.data(), batch.group_count, format, first, first == 0 ? 1 : 2,
             key_heads_there.data(), head_size, own, keys.data(), stream);
    stream.wait();
    const std::vector<uint8_t> is = here(keys, batch.key_bytes);
    checks.compare("pack" + of, numbers_of(is, packed, format, head_size),
                   numbers_of(should, packed, format, head_size),
                   format == LONGREAD_KEYS_Q8 ? 1.01 * largest / 127 : 1e-7, extras ? 1.0 / 1024 : 1e-5);
    // Few are rounded the other way.
    size_t other = 0;
    for (size_t i = 0; i < is.size(); ++i)
        other += is[i] != should[i];
    checks.expect("bytes that differ" + of + ": " + std::to_string(other) + " of " + std::to_string(is.size()),
                  other <= is.size() / 50);

    const std::vector<int32_t> head_slot = {1, 2, 0, 1};
    const Buffer<int32_t> head_slot_there = there(head_slot);
    const size_t unit_count = static_cast<size_t>(batch.unit_count);
    for (int query_rows : {1, 16, 37}) {
        const size_t per_head = static_cast<size_t>(query_rows) * head_size;
        std::vector<float> queries = random.halves(4 * per_head, 0.3f);
        for (float& x : queries)
            x *= 1.0001f; // no halves
        std::vector<float> masses_should(4 * static_cast<size_t>(query_rows) * unit_count);
        for (size_t head = 0; head < 4; ++head)
            reference::masses(is.data(), batch.units, batch.unit_count, format, head_slot[head], head_size,
                              queries.data() + head * per_head, query_rows,
                              masses_should.data() + head * query_rows * unit_count);
        const size_t padded = 4 * static_cast<size_t>(padded_rows(query_rows)) * head_size;
        Buffer<__half> high(padded), low(padded);
        Buffer<float> out(masses_should.size());
        const Buffer<float> queries_there = there(queries);
        split_queries(queries_there.data(), high.data(), low.data(), 4, query_rows, head_size, stream);
        masses(keys.data(), units.data(), batch.unit_count, format, head_slot_there.data(), 4, high.data(), low.data(),
               query_rows, head_size, out.data(), stream);
        stream.wait();
        const std::vector<float> masses_is = here(out, masses_should.size());
        checks.compare("masses" + of + " for " + std::to_string(query_rows) + " queries", masses_is, masses_should,
                       1e-4, 1e-5);

        const std::vector<int32_t> questions =
            query_rows == 37 ? std::vector<int32_t>{5, 1, 20, 11} : std::vector<int32_t>{query_rows};
        std::vector<float> should_be(2 * 4 * unit_count);
        for (size_t head = 0; head < 4; ++head)
            reference::statistics(masses_is.data() + head * query_rows * unit_count, questions.data(),
                                  static_cast<int>(questions.size()), batch.unit_count,
                                  should_be.data() + head * unit_count, should_be.data() + (4 + head) * unit_count);
        const Buffer<int32_t> questions_there = there(questions);
        Buffer<float> told(should_be.size());
        statistics(out.data(), questions_there.data(), static_cast<int>(questions.size()), query_rows, 4,
                   batch.unit_count, told.data(), told.data() + 4 * unit_count, stream);
        stream.wait();
        checks.compare("statistics" + of + " of " + std::to_string(questions.size()) + " questions",
                       here(told, should_be.size()), should_be, 1e-6, 1e-6);
    }
}

} // namespace

void check_keys(Checks& checks) {
    Random random(5);
    for (int format : {LONGREAD_KEYS_F16, LONGREAD_KEYS_Q8})
        for (int head_size : {64, 128})
            for (bool extras : {false, true})
                check_format(checks, format, head_size, extras, random);
}

} // namespace longread::gpu
