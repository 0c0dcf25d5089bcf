// A stream read to its end, and questions answered after it by decoding with lookups.
#pragma once
#include "engine/generate.h"
#include "infllm/unit-memory.h"
#include <functional>

namespace longread {

// What was used for one execution block: [layer][list] of units, as UnitMemory::used_units() gives it.
using UnitTrace = std::vector<std::vector<UnitLists>>;

// Reads tokens in execution blocks. `lengths`: of the units they are cut into (UnitMemory::cut), or empty. `rows`:
// tokens whose logits are given, rising, [row][vocabulary]. `candidates`: the units that may be looked up. `trace`,
// where not null, gets an entry for each block. `progress` gets the tokens read so far. Throws like UnitMemory::read.
std::vector<float> read_stream(UnitMemory& memory, const std::vector<int32_t>& tokens, const std::vector<int>& lengths,
                               const std::vector<int32_t>& rows, const Candidates& candidates, UnitTrace* trace,
                               const Cancel& cancel, const std::function<void(int)>& progress);

// When units are looked up while an answer is made: for every token, as in the paper, or once for the question.
enum class LookUps { each, once };

struct MemoryAnswerOptions {
    std::vector<int32_t> tokens; // of the question, after what was read
    Sampling sampling;
    LookUps look_ups = LookUps::each;
    bool twice = false; // the question looks up, is forgotten, and is read again with what it found
    // Above 0: the question looks up, is forgotten, and is read again with the units that most layers (and heads)
    // chose, at most so many, for all layers; so is the answer. Layers that found different things lead a small model
    // astray.
    int agree = 0;
    std::vector<int> units; // which all layers use, instead of looking up; empty: they look up
};

struct MemoryAnswerListeners {
    std::function<void(int)> on_prefill;                         // tokens of the question that are read
    std::function<void(const std::vector<UnitLists>&)> on_units; // what it used, by layer; before the first token
    std::function<void(GeneratedToken&&)> on_token;
};

// Answers a question; true when the model ended its answer itself. Afterwards the memory is as it was. Throws like
// UnitMemory::read, and Error("usage").
bool answer_from_memory(UnitMemory& memory, const Tokenizer& tokenizer, const MemoryAnswerOptions& options,
                        const Cancel& cancel, const MemoryAnswerListeners& listeners);

} // namespace longread
