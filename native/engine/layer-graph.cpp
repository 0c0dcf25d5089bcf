#include "engine/layer-graph.h"

namespace longread {

void mark_output(ggml_cgraph* graph, ggml_tensor* tensor) {
    ggml_set_output(tensor);
    if (tensor->view_src)
        ggml_set_output(tensor->view_src);
    ggml_build_forward_expand(graph, tensor);
}

ggml_tensor* LayerGraph::embed(ggml_tensor* tokens) const {
    ggml_tensor* x = ggml_get_rows(ctx_, model_.token_embedding, tokens);
    return hyper_.embedding_scale != 1.0f ? ggml_scale(ctx_, x, hyper_.embedding_scale) : x;
}

ggml_tensor* LayerGraph::norm(ggml_tensor* x, ggml_tensor* weight) const {
    return ggml_mul(ctx_, ggml_rms_norm(ctx_, x, hyper_.norm_epsilon), weight);
}

ggml_tensor* LayerGraph::project(ggml_tensor* weight, ggml_tensor* bias, ggml_tensor* x) const {
    x = ggml_mul_mat(ctx_, weight, x);
    return bias ? ggml_add(ctx_, x, bias) : x;
}

ggml_tensor* LayerGraph::split_heads(ggml_tensor* weight, ggml_tensor* bias, ggml_tensor* head_norm,
                                     ggml_tensor* normed, int heads) const {
    ggml_tensor* x = project(weight, bias, normed);
    x = ggml_reshape_3d(ctx_, x, hyper_.head_size, heads, normed->ne[1]);
    return head_norm ? norm(x, head_norm) : x;
}

ggml_tensor* LayerGraph::rotate(ggml_tensor* x, ggml_tensor* positions, const Rope& rope, float length) const {
    // 32 and 1: the turns within the trained context between which YaRN goes over from one way to the other.
    return ggml_rope_ext(ctx_, x, positions, model_.rope_factors, hyper_.head_size,
                         hyper_.rope_neox ? GGML_ROPE_TYPE_NEOX : GGML_ROPE_TYPE_NORMAL, hyper_.rope_original_context,
                         rope.base, rope.scale, rope.yarn, length, 32.0f, 1.0f);
}

ggml_tensor* LayerGraph::output(const Layer& layer, ggml_tensor* mixed) const {
    return project(layer.wo, layer.bo, mixed);
}

ggml_tensor* LayerGraph::finish(const Layer& layer, ggml_tensor* attended, ggml_tensor* x) const {
    if (layer.attn_post_norm)
        attended = norm(attended, layer.attn_post_norm);
    ggml_tensor* middle = ggml_add(ctx_, attended, x);
    ggml_tensor* normed = norm(middle, layer.ffn_norm);
    ggml_tensor* up = project(layer.up, layer.up_bias, normed);
    ggml_tensor* gate = project(layer.gate, layer.gate_bias, normed);
    ggml_tensor* fed = hyper_.gelu ? ggml_geglu_split(ctx_, gate, up) : ggml_swiglu_split(ctx_, gate, up);
    fed = project(layer.down, layer.down_bias, fed);
    if (layer.ffn_post_norm)
        fed = norm(fed, layer.ffn_post_norm);
    return ggml_add(ctx_, fed, middle);
}

ggml_tensor* LayerGraph::logits(ggml_tensor* x) const {
    ggml_tensor* logits = project(model_.output, model_.output_bias, norm(x, model_.output_norm));
    if (hyper_.final_softcap > 0) {
        logits = ggml_tanh(ctx_, ggml_scale(ctx_, logits, 1.0f / hyper_.final_softcap)); // in (-cap, cap)
        logits = ggml_scale(ctx_, logits, hyper_.final_softcap);
    }
    return logits;
}

} // namespace longread
