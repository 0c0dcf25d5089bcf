// Where a stream's units rest: in pinned memory of the processor as far as that goes, the others in a file. From there
// only the processor can bring them, so that it has to know what a layer has chosen; nothing else of a read waits.
#include "cuda/stream.cuh"
#include <algorithm>

namespace longread::gpu {

void UnitStream::make_unit(int tokens) {
    add_unit(place_.base + place_.start, tokens);
    place_.start += tokens;
}

void UnitStream::add_unit(int first, int tokens) {
    if (units_.size() == most_units)
        throw std::runtime_error("the stream has more units than can be kept");
    Home home;
    const size_t bytes = static_cast<size_t>(tokens) * token_bytes();
    if (pages_.has_room(static_cast<size_t>(tokens))) {
        home.memory = pages_.add(static_cast<size_t>(tokens));
    } else {
        if (!file_ && shape_.folder && *shape_.folder)
            file_ = std::make_unique<UnitFile>(shape_.folder);
        if (!file_)
            throw std::runtime_error("the memory for units is full: " + std::to_string(shape_.host_bytes >> 20) +
                                     " MB");
        home.offset = static_cast<int64_t>(file_end_);
        file_end_ += bytes;
    }
    units_.push_back({home.memory.there, first, tokens});
    homes_.push_back(home);
}

// Room for what belongs to units that were made; their number is known, not yet where their keys are.
void UnitStream::reserve_units() {
    const size_t count = units_.size();
    scores_.reserve(blocks_at_once * std::max<size_t>(1024, count));
    if (count > units_there_.size()) {
        units_there_.reserve(std::max<size_t>(1024, count));
        units_there_.upload(units_.data(), count); // what was there is lost when it grows
    }
    units_there_.reserve(1024);
    chunks_.reserve(count);
}

// Copies units [first, end) from the window to where they rest, beside other work.
void UnitStream::keep_units(size_t first, size_t end) {
    if (first == end)
        return;
    keeping_.wait_for(computed_);
    const size_t row = key_width() * sizeof(__half), pitch = static_cast<size_t>(layout_.rows) * row;
    size_t filed = 0; // bytes of those that go to the file, one after the other
    for (size_t u = first; u < end; ++u)
        filed += homes_[u].offset >= 0 ? static_cast<size_t>(units_[u].tokens) * token_bytes() : 0;
    if (filed > 0) {
        settle_file(); // before what is written is overwritten
        to_file_.reserve(filed);
    }
    char* next = to_file_.data();
    uint64_t at = 0;
    for (size_t u = first; u < end; ++u) {
        const size_t part = static_cast<size_t>(units_[u].tokens) * row;
        const size_t from = static_cast<size_t>(layout_.window_row + units_[u].first - place_.base) * key_width();
        char* to = homes_[u].memory.here;
        if (homes_[u].offset >= 0) {
            at = next == to_file_.data() ? static_cast<uint64_t>(homes_[u].offset) : at;
            to = next;
            next += 2 * part * layers_.size();
        }
        for (const __half* rows : {keys_.data(), values_.data()}) {
            check(cudaMemcpy2DAsync(to, 2 * part, rows + from, pitch, part, layers_.size(), cudaMemcpyDeviceToHost,
                                    keeping_),
                  "a copy from the GPU failed");
            to += part;
        }
    }
    kept_.record(keeping_);
    if (filed > 0)
        filing_ = std::async(std::launch::async, [this, at, filed] {
            check(cudaSetDevice(device_), "the GPU cannot be used");
            kept_.wait();
            file_->write(at, to_file_.data(), filed);
        });
}

// Until all is in the file that goes there. Throws what went wrong.
void UnitStream::settle_file() {
    if (filing_.valid())
        filing_.get();
}

// Of the units that a layer has just chosen, those that are in the file, to the places they are given.
void UnitStream::fetch_filed(int l, int most) {
    if (file_end_ == 0 || most == 0)
        return;
    struct Found {
        FarPart far;
        UnitCopy copies[most_chosen];
    };
    found_.reserve(sizeof(Found));
    Found* found = reinterpret_cast<Found*>(found_.data());
    check(cudaMemcpyAsync(&found->far, far_part_.data(), sizeof(FarPart), cudaMemcpyDeviceToHost, computing_),
          "a copy from the GPU failed");
    check(cudaMemcpyAsync(found->copies, copies_.data(), static_cast<size_t>(most) * sizeof(UnitCopy),
                          cudaMemcpyDeviceToHost, computing_),
          "a copy from the GPU failed");
    computing_.wait();
    size_t bytes = 0;
    const auto record = [&](const UnitCopy& copy) {
        return 2 * static_cast<size_t>(units_[static_cast<size_t>(copy.unit)].tokens) * key_width() * sizeof(__half);
    };
    const auto filed = [&](const UnitCopy& copy) { return homes_[static_cast<size_t>(copy.unit)].offset >= 0; };
    for (int i = 0; i < found->far.copies; ++i)
        bytes += filed(found->copies[i]) ? record(found->copies[i]) : 0;
    if (bytes == 0)
        return;
    settle_file();
    from_file_.reserve(bytes);
    char* here = from_file_.data();
    const StreamLayer layer = layer_arrays(l);
    for (int i = 0; i < found->far.copies; ++i) {
        const UnitCopy& copy = found->copies[i];
        if (!filed(copy))
            continue;
        const uint64_t at = static_cast<uint64_t>(homes_[static_cast<size_t>(copy.unit)].offset) +
                            record(copy) * static_cast<uint64_t>(l);
        file_->read(at, here, record(copy));
        if (l + 1 < model_.layers) // which likely chooses the same
            file_->expect(at + record(copy), record(copy));
        const size_t part = record(copy) / 2, row = static_cast<size_t>(copy.row) * key_width();
        for (__half* to : {layer.keys + row, layer.values + row}) {
            check(cudaMemcpyAsync(to, here, part, cudaMemcpyHostToDevice, computing_), "a copy to the GPU failed");
            here += part;
        }
    }
}

// Forgets units from `count` on, wherever they are.
void UnitStream::forget(size_t count) {
    keeping_.wait(); // into places that are given again
    settle_file();
    bool in_memory = false, in_file = false;
    for (size_t u = count; u < units_.size(); ++u) {
        if (homes_[u].offset < 0 && !in_memory) {
            pages_.go_back(homes_[u].memory);
            in_memory = true;
        } else if (homes_[u].offset >= 0 && !in_file) {
            file_end_ = static_cast<uint64_t>(homes_[u].offset);
            in_file = true;
        }
    }
    if (count == units_.size())
        return;
    units_.resize(count);
    homes_.resize(count);
    forget_units(place_unit_.data(), layout_.cached * model_.layers, static_cast<int>(count), computing_);
}

} // namespace longread::gpu
