#include "infllm/unit-memory.h"

namespace longread {

std::vector<int> UnitMemory::unit_starts() const {
    std::vector<int> starts{p_.n_init};
    for (int u = 0; u < units(); ++u)
        starts.push_back(starts.back() + unit_tokens(u));
    return starts;
}

void UnitMemory::check_units(const std::vector<UnitLists>& units, size_t layers, size_t lists) const {
    if (!units.empty() && units.size() != 1 && units.size() != layers)
        throw Error("usage", "Units are given for every layer, or once for all.");
    for (const UnitLists& layer : units) {
        if (!layer.empty() && layer.size() != 1 && layer.size() != lists)
            throw Error("usage", "Units are given for every head, or once for all.");
        for (const std::vector<int>& list : layer) {
            int tokens = 0, before = -1;
            for (int unit : list) {
                if (unit <= before || unit >= this->units())
                    throw Error("usage", "There is no unit " + std::to_string(unit) + ", or it is out of order.");
                tokens += unit_tokens(unit);
                before = unit;
            }
            if (tokens > p_.topk * p_.block_size)
                throw Error("usage", "The units have more than topk times block_size tokens.");
        }
    }
}

void UnitMemory::check_candidates(const Candidates& candidates) {
    int before = 0;
    bool good = candidates.before >= 0;
    for (const auto& [from, to] : candidates.first) {
        good = good && from >= before && to > from;
        before = to;
    }
    if (!good)
        throw Error("usage", "What is looked up first must be ranges of tokens, one after the other.");
}

std::vector<int> UnitMemory::pieces_of(const std::vector<int>& lengths) const {
    std::vector<int> all;
    for (int length : lengths) {
        if (length < 0)
            throw Error("usage", "A unit cannot have " + std::to_string(length) + " tokens.");
        for (int pieces = (length + p_.block_size - 1) / p_.block_size; pieces > 0; --pieces) {
            const int piece = (length + pieces - 1) / pieces;
            all.push_back(piece);
            length -= piece;
        }
    }
    return all;
}

} // namespace longread
