// Reading: an episode streamed through the sliding window until only the recall heads' keys are left of it; a question
// read for the queries that are held against those keys.
#pragma once
#include "engine/context.h"
#include "engine/segments.h"

namespace longread {

// Reads an episode no deeper than the deepest recall head. `progress` gets the tokens read so far.
// Throws Error("cancelled" | "usage" | "internal").
std::shared_ptr<Segment> read_episode(Model& model, const RecallHeads& heads, const EpisodeOptions& options,
                                      const Cancel& cancel, const std::function<void(int)>& progress);

// Reads episodes one after the other; `progress` gets the tokens read of all of them. Throws as read_episode does.
std::vector<std::shared_ptr<Segment>> read_episodes(Model& model, const RecallHeads& heads,
                                                    const std::vector<EpisodeOptions>& episodes, const Cancel& cancel,
                                                    const std::function<void(int)>& progress);

// Queries of the heads for the tokens from `from` on, rotated to `distance` and multiplied by the attention's scale:
// [head][token][head size].
std::vector<float> read_queries(Model& model, const RecallHeads& heads, const std::vector<int32_t>& tokens, int from,
                                int distance, const Cancel& cancel);

// Logits of every wanted row: [row][vocabulary].
std::vector<float> read_logits(Model& model, const std::vector<int32_t>& tokens, const std::vector<int32_t>& rows,
                               const Cancel& cancel);

} // namespace longread
