#include "cuda/eight.h"
#include "cuda/eights.cuh"
#include "cuda/group-mma.cuh"
#include "cuda/infllm.cuh"
#include "cuda/matvec.cuh"
#include "cuda/reference-infllm.h"
#include "tests/kernel-checks.h"
#include <algorithm>
#include <memory>

namespace longread::gpu {
namespace {

struct Case {
    int head_size, heads, key_heads;
    int n_local, rows, slot, start, sinks;
    std::vector<int> lengths; // of units; the last two still lie in the window's memory
    int tokens, most;         // that may be chosen
    int window_splits, far_splits;
    int cached;
};

// A layer's memory with random numbers, some units' records, and one block of tokens after another that looks units up.
class Layer {
  public:
    Layer(const Case& c, Random& random) : c_(c) {
        l_ = {};
        l_.heads = c.heads;
        l_.key_heads = c.key_heads;
        l_.head_size = c.head_size;
        l_.n_local = c.n_local;
        l_.block_size = *std::max_element(c.lengths.begin(), c.lengths.end());
        l_.repr_topk = 3;
        l_.cached = c.cached;
        l_.capacity = c.slot + c.rows + 7;
        l_.cache_row = c.sinks + 2;
        l_.spare_row = l_.cache_row + c.cached * l_.block_size;
        l_.window_row = l_.spare_row + c.tokens;
        l_.rows = l_.window_row + l_.capacity;
        l_.scale = 1.0f / std::sqrt(static_cast<float>(c.head_size));
        l_.stretch = 1;
        width_ = static_cast<size_t>(l_.width());
        keys_ = random.halves(static_cast<size_t>(l_.rows) * width_, 1.5f);
        values_ = random.halves(keys_.size(), 1.5f);
        rotated_ = random.halves(static_cast<size_t>(l_.capacity) * width_, 1.5f);
        place_units(random);
        keys_there_ = halves_there(keys_);
        values_there_ = halves_there(values_);
        rotated_there_ = halves_there(rotated_);
        received_ = random.halves(static_cast<size_t>(c.heads) * l_.capacity, 1);
        for (float& x : received_)
            x = std::fabs(x);
        received_there_ = there(received_);
        arrays_there();
    }

    void look_up(Checks& checks, const std::string& what, int clock, Random& random) {
        const int fixed_units = static_cast<int>(units_.size());
        StreamBlock b{};
        b.rows = c_.rows;
        b.slot = c_.slot;
        b.start = c_.start;
        b.sinks = c_.sinks;
        b.units = fixed_units;
        b.rest = std::max(0, c_.slot + c_.rows - c_.n_local - c_.start);
        b.base = base_;
        b.tokens = c_.tokens;
        b.most = c_.most;
        b.clock = clock;
        b.old = fixed_units;
        const std::vector<StreamBlock> blocks{b};
        const Buffer<StreamBlock> block = there(blocks);

        // Scores of far queries with representative keys.
        const size_t query_numbers = static_cast<size_t>(c_.rows) * c_.heads * c_.head_size;
        const std::vector<float> near = random.halves(query_numbers, 1.5f), far = random.halves(query_numbers, 1.5f);
        const Buffer<__half> near_there = halves_there(near), far_there = halves_there(far);
        const size_t row = static_cast<size_t>(c_.heads) * c_.head_size;
        mean_queries(far_there.data(), block.data(), 1, l_, mean_.data(), stream_);
        std::vector<float> mean(row);
        for (size_t d = 0; d < row; ++d) {
            double sum = 0;
            for (int i = 0; i < c_.rows; ++i)
                sum += far[static_cast<size_t>(i) * row + d];
            mean[d] = static_cast<float>(sum / c_.rows);
        }
        stream_.wait();
        const std::vector<float> mean_here = here(mean_, row);
        checks.compare(what + ", mean queries", mean_here, mean, 1e-5, 1e-5);
        score_units(mean_.data(), {chunk_pointers_.data(), 0, {}}, block.data(), 1, fixed_units, l_, fixed_units,
                    scores_.data(), stream_);
        stream_.wait();
        std::vector<float> scores, scores_here;
        for (size_t u = 0; u < units_.size(); ++u) {
            double sum = 0;
            for (size_t d = 0; d < row; ++d)
                sum += static_cast<double>(mean_here[d]) * representatives_[u * row + d];
            scores.push_back(static_cast<float>(sum));
        }
        for (const uint32_t rank : here(scores_, units_.size())) {
            const uint32_t bits = rank & 0x80000000u ? rank & 0x7fffffffu : ~rank;
            float x;
            std::memcpy(&x, &bits, sizeof x);
            scores_here.push_back(x);
        }
        if (c_.tokens > 0) // otherwise none are needed
            checks.compare(what + ", scores", scores_here, scores, 1e-4, 1e-4);

        // Chosen by the kernel's own scores, so that nearly equal ones do not matter.
        choose_units(block.data(), units_there_.data(), forced_.data(), forced_count_.data(),
                     {place_unit_.data(), place_used_.data()}, arrays(), {chunk_pointers_.data(), 0, {}}, l_,
                     chosen_.data(), chosen_count_.data(), stream_);
        fetch_units(units_there_.data(), arrays(), fixed_units, 0, l_, layer(), stream_);
        stream_.wait();
        const std::vector<int32_t> should = reference::choose(scores_here, c_.lengths, c_.tokens, c_.most);
        const int count = here(chosen_count_, 1)[0];
        std::vector<int32_t> is = here(chosen_, static_cast<size_t>(count));
        checks.expect(what + ", chosen units", is == should);
        check_places(checks, what, should, clock);
        attend(checks, what, b, block, near, far, near_there, far_there, should);
    }

    void represent(Checks& checks, const std::string& what) {
        const int last = static_cast<int>(units_.size()) - 2, end = last + 2; // in the window
        const LayerRange range{layer(), {0, 0, 0}, 0, 1};
        represent_units(range, units_there_.data(), last, end, base_, chunk_pointers_.data(), l_, stream_);
        stream_.wait();
        const std::vector<float> received = here(received_there_, received_.size());
        const std::vector<float> all =
            halves_here(chunk_, units_.size() * static_cast<size_t>(c_.heads) * c_.head_size);
        std::vector<float> should, is;
        for (int u = last; u < end; ++u)
            for (int h = 0; h < c_.heads; ++h) {
                const int slot = units_[static_cast<size_t>(u)].first - base_;
                std::vector<float> one(static_cast<size_t>(c_.head_size));
                reference::represent(keys_.data() + static_cast<size_t>(l_.window_row + slot) * width_ +
                                         static_cast<size_t>(h / l_.group()) * c_.head_size,
                                     received.data() + static_cast<size_t>(h) * l_.capacity + slot,
                                     units_[static_cast<size_t>(u)].tokens, l_.width(), c_.head_size, l_.repr_topk,
                                     one.data());
                should.insert(should.end(), one.begin(), one.end());
                const size_t from = (static_cast<size_t>(u) * c_.heads + h) * c_.head_size;
                is.insert(is.end(), all.begin() + static_cast<std::ptrdiff_t>(from),
                          all.begin() + static_cast<std::ptrdiff_t>(from) + c_.head_size);
            }
        checks.compare(what + ", representative keys", is, should, 1e-4, 1e-3);
    }

  private:
    // Records of units where they rest; of the last two the window has the same rows.
    void place_units(Random& random) {
        size_t numbers = 0;
        int position = 1000;
        for (const int length : c_.lengths) {
            numbers += 2 * static_cast<size_t>(length) * width_;
            position += length;
        }
        base_ = position - c_.lengths[c_.lengths.size() - 1] - c_.lengths[c_.lengths.size() - 2];
        records_ = random.halves(numbers, 1.5f);
        records_there_.reserve(numbers);
        for (size_t i = 0; i < numbers; ++i) {
            const uint16_t bits = to_half(records_[i]);
            std::memcpy(static_cast<void*>(records_there_.data() + i), &bits, sizeof bits);
        }
        size_t at = 0;
        position = 1000;
        for (const int length : c_.lengths) {
            units_.push_back({reinterpret_cast<uint64_t>(records_there_.data() + at), position, length});
            record_at_.push_back(at);
            const size_t part = static_cast<size_t>(length) * width_;
            if (position >= base_) {
                const size_t row = static_cast<size_t>(l_.window_row + position - base_) * width_;
                std::copy_n(records_.begin() + static_cast<std::ptrdiff_t>(at), part,
                            keys_.begin() + static_cast<std::ptrdiff_t>(row));
                std::copy_n(records_.begin() + static_cast<std::ptrdiff_t>(at + part), part,
                            values_.begin() + static_cast<std::ptrdiff_t>(row));
            }
            at += 2 * part;
            position += length;
        }
        representatives_ = random.halves(units_.size() * static_cast<size_t>(c_.heads) * c_.head_size, 1);
    }

    void arrays_there() {
        chunk_ = halves_there(representatives_);
        const std::vector<__half*> pointers{chunk_.data()};
        chunk_pointers_ = there(pointers);
        units_there_ = there(units_);
        const std::vector<int32_t> none(static_cast<size_t>(c_.cached), -1), never(static_cast<size_t>(c_.cached), 0);
        place_unit_ = there(none);
        place_used_ = there(never);
        places_ = std::make_unique<reference::PlaceList>(c_.cached);
        forced_.reserve(1);
        forced_count_ = there(std::vector<int32_t>{-1});
        mean_.reserve(static_cast<size_t>(c_.heads) * c_.head_size);
        scores_.reserve(units_.size());
        table_.reserve(static_cast<size_t>(c_.sinks + c_.tokens + c_.rows + l_.capacity));
        far_part_.reserve(1);
        copies_.reserve(most_chosen);
        counts_ = there(std::vector<unsigned long long>(2));
        chosen_.reserve(most_chosen);
        chosen_count_.reserve(1);
    }

    LookUpArrays arrays() const {
        return {mean_.data(), scores_.data(), table_.data(), far_part_.data(), copies_.data(), counts_.data(), {}};
    }
    StreamLayer layer() const {
        return {keys_there_.data(), values_there_.data(), rotated_there_.data(), received_there_.data()};
    }
    bool in_window(int32_t unit) const { return units_[static_cast<size_t>(unit)].first >= base_; }

    void check_places(Checks& checks, const std::string& what, const std::vector<int32_t>& chosen, int clock) {
        std::vector<int32_t> apart, fetched;
        std::copy_if(chosen.begin(), chosen.end(), std::back_inserter(apart), [&](int32_t u) { return !in_window(u); });
        const std::vector<int> places = places_->take(apart, clock, fetched);
        const std::vector<int32_t> units = here(place_unit_, static_cast<size_t>(c_.cached));
        bool right = true;
        for (size_t i = 0; i < apart.size(); ++i)
            right = right && (places[i] < 0 || units[static_cast<size_t>(places[i])] == apart[i]);
        const FarPart far = here(far_part_, 1)[0];
        std::vector<int32_t> copied;
        for (const UnitCopy& copy : here(copies_, static_cast<size_t>(far.copies)))
            copied.push_back(copy.unit);
        counted_[0] += chosen.size() - fetched.size();
        counted_[1] += fetched.size();
        const std::vector<unsigned long long> counts = here(counts_, 2);
        checks.expect(what + ", places, " + std::to_string(fetched.size()) + " fetched",
                      right && copied == fetched && counts[0] == counted_[0] && counts[1] == counted_[1]);
    }

    void attend(Checks& checks, const std::string& what, const StreamBlock& b, const Buffer<StreamBlock>& block,
                const std::vector<float>& near, const std::vector<float>& far, const Buffer<__half>& near_there,
                const Buffer<__half>& far_there, const std::vector<int32_t>& chosen) {
        // What is far, from the units' records.
        std::vector<float> far_keys(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(c_.sinks * width_));
        std::vector<float> far_values(values_.begin(),
                                      values_.begin() + static_cast<std::ptrdiff_t>(c_.sinks * width_));
        int fixed = c_.sinks;
        const auto add = [&](std::vector<float>& to, const std::vector<float>& from, size_t at, size_t count) {
            to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(at),
                      from.begin() + static_cast<std::ptrdiff_t>(at + count));
        };
        for (const int32_t unit : chosen) {
            const size_t part = static_cast<size_t>(c_.lengths[static_cast<size_t>(unit)]) * width_;
            add(far_keys, records_, record_at_[static_cast<size_t>(unit)], part);
            add(far_values, records_, record_at_[static_cast<size_t>(unit)] + part, part);
            fixed += c_.lengths[static_cast<size_t>(unit)];
        }
        add(far_keys, keys_, static_cast<size_t>(l_.window_row + b.start) * width_,
            static_cast<size_t>(b.rest) * width_);
        add(far_values, values_, static_cast<size_t>(l_.window_row + b.start) * width_,
            static_cast<size_t>(b.rest) * width_);
        std::vector<float> should(near.size()), received = here(received_there_, received_.size());
        const std::vector<float> before = received;
        reference::stream_attention({c_.heads, c_.key_heads, c_.head_size, c_.rows, c_.n_local, b.slot, b.start, fixed,
                                     fixed + b.rest, l_.scale, near.data(), far.data(), rotated_.data(),
                                     values_.data() + static_cast<size_t>(l_.window_row) * width_, far_keys.data(),
                                     far_values.data()},
                                    should.data(), received.data(), l_.capacity);

        const size_t heads = static_cast<size_t>(c_.rows) * c_.heads;
        const size_t most = static_cast<size_t>(std::max(c_.window_splits, c_.far_splits));
        Buffer<float> window_partial(most * near.size()), window_logs(most * heads), far_partial(most * near.size()),
            far_logs(most * heads), log_sums(heads);
        float largest = 0;
        for (float x : values_)
            largest = std::max(largest, std::fabs(x));
        for (size_t i = 0; i < received.size(); ++i)
            received[i] -= before[i];
        // By a warp's products, and by a warpgroup's where there are such.
        for (const bool alone : {true, false}) {
            warps_alone = alone;
            const std::string by = alone ? "" : ", warpgroups";
            received_there_.upload(before.data(), before.size());
            Buffer<__half> to = halves_there(std::vector<float>(near.size(), NAN)); // what is not written stays so
            attend_window(near_there.data(), block.data(), c_.rows, c_.window_splits, l_, layer(),
                          window_partial.data(), window_logs.data(), stream_);
            attend_far(far_there.data(), block.data(), c_.rows, c_.far_splits, arrays(), l_, layer(),
                       far_partial.data(), far_logs.data(), stream_);
            merge_parts({window_partial.data(), window_logs.data(), c_.window_splits, c_.rows},
                        {far_partial.data(), far_logs.data(), c_.far_splits, c_.rows}, c_.rows, l_, to.data(),
                        log_sums.data(), stream_);
            receive(near_there.data(), log_sums.data(), block.data(), c_.rows, l_, layer(), stream_);
            stream_.wait();
            checks.compare(what + ", attention" + by, halves_here(to, near.size()), should, 1e-3 * largest, 0);
            std::vector<float> is = here(received_there_, received_.size());
            for (size_t i = 0; i < is.size(); ++i)
                is[i] -= before[i];
            checks.compare(what + ", received shares" + by, is, received, 2e-5, 2e-3);
        }
    }

    Case c_;
    StreamLayout l_{};
    size_t width_ = 0;
    int base_ = 0;
    Stream stream_;
    std::vector<float> keys_, values_, rotated_, received_, records_, representatives_;
    std::vector<size_t> record_at_;
    std::vector<StreamUnit> units_;
    Pinned<__half> records_there_;
    Buffer<__half> keys_there_, values_there_, rotated_there_, chunk_;
    Buffer<__half*> chunk_pointers_;
    Buffer<float> received_there_, mean_;
    Buffer<StreamUnit> units_there_;
    Buffer<uint32_t> scores_;
    Buffer<int32_t> place_unit_, place_used_, table_, chosen_, chosen_count_, forced_, forced_count_;
    Buffer<FarPart> far_part_;
    Buffer<UnitCopy> copies_;
    Buffer<unsigned long long> counts_;
    std::unique_ptr<reference::PlaceList> places_;
    size_t counted_[2] = {};
};

// Scores of many units: those that all blocks of a read share are chosen from directly, and ahead together with what
// the blocks made.
struct Choice {
    int units, fresh, heads, head_size, blocks;
    int longest;      // of the units; all are as long where it is below 0
    int tokens, most; // that may be chosen
    int levels;       // of scores that are exactly alike; 0: all differ
    int ranges = 0;   // whose units come before all others
};

void check_choice(Checks& checks, Random& random, const Choice& c) {
    const int old = c.units - c.fresh, numbers = c.heads * c.head_size;
    const size_t row = static_cast<size_t>(numbers), count = static_cast<size_t>(c.units);
    StreamLayout l{};
    l.heads = l.key_heads = c.heads;
    l.head_size = c.head_size;
    l.block_size = std::abs(c.longest);
    l.cached = 40;
    l.cache_row = 3;
    l.spare_row = l.cache_row + l.cached * l.block_size;
    l.window_row = l.spare_row + c.tokens;
    std::vector<int> lengths(count);
    std::vector<StreamUnit> units;
    for (int& length : lengths) {
        length = c.longest < 0 ? -c.longest : 1 + random.below(c.longest);
        units.push_back({16, static_cast<int32_t>(units.size()), length});
    }
    std::vector<StreamBlock> blocks(static_cast<size_t>(c.blocks));
    for (size_t i = 0; i < blocks.size(); ++i) {
        blocks[i].sinks = 2;
        blocks[i].units = old + c.fresh * static_cast<int>(i) / std::max(1, c.blocks - 1);
        blocks[i].old = old;
        blocks[i].base = 1 << 20; // nothing is in the window
        blocks[i].tokens = c.tokens;
        blocks[i].most = c.most;
        blocks[i].clock = static_cast<int>(i) + 1;
    }
    const std::vector<float> mean = random.halves(row * blocks.size(), 1);
    std::vector<float> keys = random.halves(row * count, 1);
    if (c.levels > 0) // as many different keys
        for (size_t u = static_cast<size_t>(c.levels); u < count; ++u)
            std::copy_n(keys.begin() + static_cast<std::ptrdiff_t>(random.below(c.levels)) * numbers, numbers,
                        keys.begin() + static_cast<std::ptrdiff_t>(u * row));
    std::vector<Buffer<__half>> chunks;
    std::vector<__half*> addresses;
    for (size_t u = 0; u < count; u += units_of_chunk) {
        const size_t end = std::min(count, u + units_of_chunk);
        chunks.push_back(halves_there({keys.begin() + static_cast<std::ptrdiff_t>(u * row),
                                       keys.begin() + static_cast<std::ptrdiff_t>(end * row)}));
        addresses.push_back(chunks.back().data());
    }
    const Buffer<__half*> chunks_there = there(addresses);
    const Buffer<float> mean_there = there(mean);
    const Buffer<StreamBlock> blocks_there = there(blocks);
    const Buffer<StreamUnit> units_there = there(units);
    std::vector<int32_t> ranges;
    for (int i = 0; i < c.ranges; ++i)
        ranges.insert(ranges.end(), {c.units * i / c.ranges, c.units * i / c.ranges + c.units / c.ranges / 3 + 1});
    const Buffer<int32_t> ranges_there = there(ranges.empty() ? std::vector<int32_t>(2) : ranges);
    const auto is_first = [&](size_t unit) {
        bool first = false;
        for (size_t i = 0; i < ranges.size(); i += 2)
            first = first || (static_cast<int32_t>(unit) >= ranges[i] && static_cast<int32_t>(unit) < ranges[i + 1]);
        return first;
    };
    const UnitKeys unit_keys{chunks_there.data(), 0, {units_there.data(), ranges_there.data(), c.ranges}};
    const Buffer<uint32_t> scores(blocks.size() * count);
    Stream stream;
    score_units(mean_there.data(), unit_keys, blocks_there.data(), c.blocks, old, l, c.units, scores.data(), stream);
    const std::string what = std::to_string(c.units) + " units, " + std::to_string(c.fresh) + " of them new, " +
                             std::to_string(c.blocks) + " blocks of " + std::to_string(c.tokens) + " tokens" +
                             (c.ranges > 0 ? ", those of " + std::to_string(c.ranges) + " ranges first" : "");
    const Buffer<int32_t> forced(1), forced_count = there(std::vector<int32_t>{-1}), chosen(most_chosen),
                                     chosen_count(1), listed(1), place_unit = there(std::vector<int32_t>(40, -1)),
                                     place_used = there(std::vector<int32_t>(40, 0)),
                                     table(static_cast<size_t>(2 + c.tokens));
    const Buffer<FarPart> far(1), far_ahead(1);
    const Buffer<UnitCopy> copies(most_chosen), copies_ahead(most_chosen);
    const Buffer<unsigned long long> counts = there(std::vector<unsigned long long>(2)), best(most_listed);
    bool right = true, in_places = true;
    std::vector<float> is, should;
    uint64_t chosen_in_all = 0;
    for (size_t i = 0; i < blocks.size(); ++i) {
        LookUpArrays arrays{mean_there.data() + i * row,
                            scores.data() + i * count,
                            table.data(),
                            far_ahead.data(),
                            copies_ahead.data(),
                            counts.data(),
                            {}};
        const auto choose = [&] {
            choose_units(blocks_there.data() + i, units_there.data(), forced.data(), forced_count.data(),
                         {place_unit.data(), place_used.data()}, arrays, unit_keys, l, chosen.data(),
                         chosen_count.data(), stream);
        };
        if (c.blocks > 1) {
            arrays.ahead = {nullptr, nullptr, best.data(), listed.data(), true};
            choose();
            arrays.ahead = {far_ahead.data(), copies_ahead.data(), best.data(), listed.data(), false};
        }
        arrays.far = far.data();
        arrays.copies = copies.data();
        choose();
        stream.wait();
        std::vector<float> here_scores;
        std::vector<uint32_t> ranks = here(scores, blocks.size() * count);
        const size_t there_are = static_cast<size_t>(blocks[i].units);
        for (size_t u = 0; u < there_are; ++u) {
            // With ranges, the first bit says whether it is in one, and the score has one bit less.
            const uint32_t whole = ranks[i * count + u], rank = c.ranges > 0 ? whole << 1 : whole;
            const uint32_t bits = rank & 0x80000000u ? rank & 0x7fffffffu : ~rank;
            right = right && (c.ranges == 0 || (whole >> 31 == 1) == is_first(u));
            float x;
            std::memcpy(&x, &bits, sizeof x);
            double sum = 0;
            for (size_t d = 0; d < row; ++d)
                sum += static_cast<double>(mean[i * row + d]) * keys[u * row + d];
            is.push_back(x);
            should.push_back(static_cast<float>(sum));
        }
        // How many are better, as a score: as exact as what the kernel goes by.
        std::vector<uint32_t> sorted(ranks.begin() + static_cast<std::ptrdiff_t>(i * count),
                                     ranks.begin() + static_cast<std::ptrdiff_t>(i * count + there_are));
        std::sort(sorted.begin(), sorted.end());
        for (size_t u = 0; u < there_are; ++u)
            here_scores.push_back(static_cast<float>(
                std::lower_bound(sorted.begin(), sorted.end(), ranks[i * count + u]) - sorted.begin()));
        const std::vector<int32_t> best_units = reference::choose(
            here_scores, {lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(there_are)}, c.tokens, c.most);
        const size_t number = static_cast<size_t>(here(chosen_count, 1)[0]);
        right = right && number == best_units.size() && here(chosen, number) == best_units;
        chosen_in_all += number;
        // The table says of each token where its unit is, or will be: no row twice.
        const FarPart part = here(far, 1)[0];
        std::vector<int32_t> rows = here(table, static_cast<size_t>(part.fixed));
        std::sort(rows.begin(), rows.end());
        in_places = in_places && std::adjacent_find(rows.begin(), rows.end()) == rows.end() &&
                    (rows.empty() || rows.back() < l.window_row);
        const std::vector<int32_t> at = here(place_unit, 40), used = here(place_used, 40);
        size_t held = 0;
        for (size_t p = 0; p < at.size(); ++p)
            held += used[p] == blocks[i].clock && std::binary_search(best_units.begin(), best_units.end(), at[p]);
        for (const UnitCopy& copy : here(copies, static_cast<size_t>(part.copies)))
            held += copy.row >= l.spare_row;
        in_places = in_places && held == number;
    }
    checks.compare(what + ", scores", is, should, 1e-4, 1e-4);
    checks.expect(what + ", chosen", right);
    checks.expect(what + ", each at a place", in_places);
    const std::vector<unsigned long long> counted = here(counts, 2);
    checks.expect(what + ", counted", counted[0] + counted[1] >= chosen_in_all && counted[1] > 0);
}

void check_matvec(Checks& checks, Random& random, int in, int out) {
    const std::vector<float> weight = random.halves(static_cast<size_t>(in) * out, 0.3f);
    const std::vector<float> x = random.halves(static_cast<size_t>(in), 1);
    const std::vector<float> before = random.halves(static_cast<size_t>(out), 1);
    std::vector<float> should(static_cast<size_t>(out)), sum = before;
    reference::linear(x.data(), weight.data(), should.data(), 1, in, out, false);
    reference::linear(x.data(), weight.data(), sum.data(), 1, in, out, true);
    Stream stream;
    const Buffer<__half> weight_there = halves_there(weight), x_there = halves_there(x);
    Buffer<__half> to(static_cast<size_t>(out));
    const Buffer<float> added = there(before);
    matvec(weight_there.data(), x_there.data(), to.data(), nullptr, in, out, stream);
    matvec(weight_there.data(), x_there.data(), nullptr, added.data(), in, out, stream);
    stream.wait();
    const std::string what = "product of " + std::to_string(out) + " by " + std::to_string(in) + " with one row";
    checks.compare(what, halves_here(to, should.size()), should, 1e-4, 1e-3);
    checks.compare(what + ", added", here(added, sum.size()), sum, 1e-4, 1e-4);
    if (in % 16 != 0)
        return;
    // Weights in 8 bit: by what they are then.
    const size_t numbers = weight.size();
    Buffer<uint8_t> eights(numbers);
    Buffer<float> scales(static_cast<size_t>(out));
    to_eights(weight_there.data(), eights.data(), scales.data(), out, in, stream);
    matvec({eights.data(), scales.data()}, x_there.data(), to.data(), nullptr, in, out, stream);
    stream.wait();
    const std::vector<uint8_t> small = here(eights, numbers);
    const std::vector<float> scale = here(scales, static_cast<size_t>(out));
    std::vector<float> rounded;
    for (size_t i = 0; i < numbers; ++i)
        rounded.push_back(from_eight(small[i]) * scale[i / static_cast<size_t>(in)]);
    reference::linear(x.data(), rounded.data(), should.data(), 1, in, out, false);
    checks.compare(what + ", in 8 bit", halves_here(to, should.size()), should, 1e-4, 1e-3);
}

} // namespace

void check_infllm(Checks& checks, bool large) {
    Random random(9);
    for (const auto& [in, out] : {std::pair(8, 3), std::pair(16, 3), std::pair(264, 70), std::pair(576, 33)})
        check_matvec(checks, random, in, out);
    for (const Choice& c : std::vector<Choice>{{40, 0, 1, 64, 1, -8, 128, 16, 0},
                                               {3000, 0, 2, 64, 1, -8, 128, 16, 0},
                                               {2500, 28, 1, 128, 8, -8, 128, 16, 0},
                                               {1700, 300, 1, 64, 3, 20, 512, most_chosen, 0},
                                               {2600, 40, 1, 64, 2, 300, 1024, most_chosen, 0},
                                               {2600, 40, 1, 64, 2, -300, 1023, most_chosen, 0},
                                               {1500, 1200, 1, 64, 2, 9, 900, most_chosen, 0},
                                               {3000, 1400, 1, 64, 2, 2, 1800, most_chosen, 0},
                                               {2200, 50, 1, 64, 2, 9, 90, most_chosen, 5},
                                               {2200, 50, 1, 64, 2, 9, 90, most_chosen, 1},
                                               {2500, 28, 1, 128, 8, -8, 128, 16, 0, 3},
                                               {2600, 40, 1, 64, 2, 300, 1024, most_chosen, 0, 100},
                                               {40, 10, 1, 64, 2, -8, 128, 16, 0, 7},
                                               {1500, 1200, 1, 64, 2, 9, 3000, most_chosen, 0, 40}})
        check_choice(checks, random, c);
    // Blocks that end within a tile, one token, places for fewer units than are chosen, a window longer than the
    // stream.
    std::vector<Case> cases = {
        {64, 2, 1, 40, 50, 70, 3, 5, {16, 16, 16, 16, 16, 16, 16}, 64, 4, 1, 1, 5},
        {64, 3, 1, 33, 20, 90, 41, 4, {9, 3, 12, 1, 12, 7, 5, 12, 2}, 30, 2048, 3, 2, 3},
        {128, 2, 2, 64, 1, 150, 80, 8, {8, 8, 8, 8, 8, 8}, 24, 3, 5, 4, 4},
        {64, 6, 2, 100, 1, 190, 80, 8, {8, 8, 8, 8, 8, 8}, 24, 3, 5, 4, 4},
        {64, 4, 2, 300, 130, 40, 0, 0, {4, 4, 4}, 0, 0, 2, 1, 1},
    };
    if (large)
        for (const auto& [head_size, heads, key_heads] :
             {std::tuple(64, 9, 3), std::tuple(128, 12, 2), std::tuple(128, 32, 8)})
            for (const int rows : {512, 1, 77})
                cases.push_back({head_size, heads, key_heads, 4096, rows, 4300, 150, 128, std::vector<int>(40, 128),
                                 2048, 16, rows == 512 ? 1 : 32, rows == 512 ? 3 : 16, 32});
    for (const Case& c : cases) {
        Layer layer(c, random);
        const std::string what = "stream of " + std::to_string(c.heads) + " heads of " + std::to_string(c.head_size) +
                                 " over " + std::to_string(c.key_heads) + ", window " + std::to_string(c.n_local) +
                                 ", " + std::to_string(c.rows) + " tokens";
        for (int clock = 1; clock <= 3; ++clock)
            layer.look_up(checks, what, clock, random);
        layer.represent(checks, what);
    }
}

} // namespace longread::gpu
