#include "engine/hyper.h"
#include <cmath>

namespace longread {
namespace {

struct Architecture {
    const char* name;
    bool neox;
    bool gelu;
    bool query_key_norms;
    bool post_norms;
};

// Only what llama_decode computes the same way (test/native/architectures.test.ts); anything else is refused by name.
const Architecture architectures[] = {
    {"llama", false, false, false, false},
    {"qwen2", true, false, false, false},
    {"qwen3", true, false, true, false},
    {"gemma3", true, true, true, true},
};

const Architecture& architecture_of(const GgufFile& file, const std::string& path) {
    const std::string name = file.text("general.architecture");
    std::string known;
    for (const Architecture& a : architectures) {
        if (name == a.name)
            return a;
        known += std::string(known.empty() ? "" : ", ") + a.name;
    }
    throw Error("bad-architecture", path + " holds a model of architecture \"" + name +
                                        "\", which Longread cannot read yet (it reads " + known + ").");
}

// As llama-context.cpp sums it up, in the same operations, so that angles are equal to the last bit.
Rope read_rope(const GgufFile& file, const std::string& p) {
    Rope rope;
    rope.base = file.number(p + "rope.freq_base", 10000.0f);
    const std::string type = file.has(p + "rope.scaling.type") ? file.text(p + "rope.scaling.type") : "linear";
    if (type != "none" && type != "linear" && type != "yarn")
        file.bad("its positions are scaled by \"" + type + "\", which Longread cannot read yet");
    // An older name for the factor of linear scaling comes second.
    const float factor = file.number(p + "rope.scaling.factor", file.number(p + "rope.scale_linear", 0.0f));
    if (factor < 0)
        file.bad("its positions are scaled by a negative factor");
    if (type != "none" && factor != 0)
        rope.scale = 1.0f / factor;
    if (type == "yarn") {
        rope.yarn = 1.0f;
        const float times = 1.0f / rope.scale;
        rope.length = times <= 1.0f ? 1.0f : 0.1f * 1.0f * logf(times) + 1.0f;
        rope.length *= 1.0f / (1.0f + 0.1f * logf(times));
    }
    rope.length *= file.number(p + "rope.scaling.attn_factor", 1.0f);
    return rope;
}

// Gemma 3: most layers see only a window, and turn by a base of their own, which is not stretched.
void read_sliding(Hyper& h, const GgufFile& file, const std::string& p) {
    h.sliding_window = file.integer(p + "attention.sliding_window", 0);
    if (h.sliding_window == 0)
        return;
    const std::string key = p + "attention.sliding_window_pattern";
    if (file.is_list(key)) {
        h.sliding_layers = file.flags(key);
        if (h.sliding_layers.size() != static_cast<size_t>(h.layers))
            file.bad("it does not say of each layer whether it slides");
    } else {
        // Every so many layers, one sees everything; 0: none does.
        const int pattern = file.integer(key, 6);
        for (int layer = 0; layer < h.layers; ++layer)
            h.sliding_layers.push_back(pattern == 0 || layer % pattern < pattern - 1);
    }
    for (const char* other : {"attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa"})
        if (file.integer(p + other, h.head_size) != h.head_size)
            file.bad("its sliding layers have heads of another size, which Longread cannot read yet");
    h.rope_sliding = h.rope;
    h.rope_sliding.base = file.number(p + "rope.freq_base_swa", 10000.0f);
    h.rope_sliding.scale = 1.0f;
}

} // namespace

float Rope::stretch() const { return yarn != 0 ? length * (1.0f + 0.1f * logf(1.0f / scale)) : length; }

Hyper Hyper::read(const GgufFile& file, const std::string& path) {
    const Architecture& architecture = architecture_of(file, path);
    Hyper h;
    h.architecture = architecture.name;
    const std::string p = h.architecture + ".";
    h.name = file.has("general.name") ? file.text("general.name") : "";
    h.layers = file.integer(p + "block_count");
    h.embedding = file.integer(p + "embedding_length");
    h.feed_forward = file.integer(p + "feed_forward_length");
    h.heads = file.integer(p + "attention.head_count");
    h.key_heads = file.integer(p + "attention.head_count_kv", h.heads);
    h.trained_context = file.integer(p + "context_length");
    if (h.layers < 1 || h.layers > 1000 || h.heads < 1 || h.heads > 1024 || h.key_heads < 1 || h.embedding < 1 ||
        h.heads % h.key_heads != 0 || h.trained_context < 1)
        file.bad("its layers, heads or sizes do not fit together");
    if (file.integer(p + "expert_count", 0) > 0)
        file.bad("it is a mixture of experts, which Longread cannot read yet");
    h.head_size = file.integer(p + "attention.key_length", h.embedding / h.heads);
    // ggml's flash attention wants whole vectors of 16; no model of these architectures turns a part of a head only.
    if (h.head_size < 16 || h.head_size % 16 != 0 ||
        file.integer(p + "attention.value_length", h.head_size) != h.head_size ||
        file.integer(p + "rope.dimension_count", h.head_size) != h.head_size)
        file.bad("its heads have a size that is not supported");
    h.rope_neox = architecture.neox;
    h.rope_original_context = file.integer(p + "rope.scaling.original_context_length", h.trained_context);
    if (h.rope_original_context == 0)
        h.rope_original_context = h.trained_context;
    h.rope = read_rope(file, p);
    h.norm_epsilon = file.number(p + "attention.layer_norm_rms_epsilon");
    h.attention_scale = 1.0f / std::sqrt(static_cast<float>(h.head_size));
    h.gelu = architecture.gelu;
    h.query_key_norms = architecture.query_key_norms;
    h.post_norms = architecture.post_norms;
    if (h.architecture == "gemma3") {
        h.embedding_scale = std::sqrt(static_cast<float>(h.embedding));
        h.scale_queries = true;
        if (h.layers == 62) // the 27B model alone scales by the embedding (gemma_pytorch config.py)
            h.attention_scale = 1.0f / std::sqrt(static_cast<float>(h.embedding / h.heads));
        h.final_softcap = file.number(p + "final_logit_softcapping", 0.0f);
        read_sliding(h, file, p);
    }
    return h;
}

} // namespace longread
