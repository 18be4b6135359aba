#include "models/decoder_names.h"

#include "base/strings.h"

namespace attune {
namespace {

DecoderLayerNames Gpt2Layer(std::int64_t layer) {
  const std::string prefix = StrCat("transformer.h.", layer, ".");
  DecoderLayerNames names;
  names.attention_norm = prefix + "ln_1";
  names.qkv = prefix + "attn.c_attn";
  names.attention_output = prefix + "attn.c_proj";
  names.mlp_norm = prefix + "ln_2";
  names.up = prefix + "mlp.c_fc";
  names.down = prefix + "mlp.c_proj";
  return names;
}

DecoderLayerNames LlamaLayer(const DecoderConfig& config, std::int64_t layer) {
  const std::string prefix = StrCat("model.layers.", layer, ".");
  DecoderLayerNames names;
  names.attention_norm = prefix + "input_layernorm";
  names.query = prefix + "self_attn.q_proj";
  names.key = prefix + "self_attn.k_proj";
  names.value = prefix + "self_attn.v_proj";
  if (config.qk_norm) {
    names.query_norm = prefix + "self_attn.q_norm";
    names.key_norm = prefix + "self_attn.k_norm";
  }
  names.attention_output = prefix + "self_attn.o_proj";
  names.mlp_norm = prefix + "post_attention_layernorm";
  names.gate = prefix + "mlp.gate_proj";
  names.up = prefix + "mlp.up_proj";
  names.down = prefix + "mlp.down_proj";
  return names;
}

}  // namespace

DecoderNames NamesOf(const DecoderConfig& config) {
  DecoderNames names;
  if (config.family == DecoderFamily::kGpt2) {
    names.token_embedding = "transformer.wte";
    names.position_embedding = "transformer.wpe";
    names.final_norm = "transformer.ln_f";
  } else {
    names.token_embedding = "model.embed_tokens";
    names.final_norm = "model.norm";
  }
  names.head = config.tied_embeddings ? names.token_embedding : "lm_head";
  return names;
}

DecoderLayerNames LayerNamesOf(const DecoderConfig& config, std::int64_t layer) {
  return config.family == DecoderFamily::kGpt2 ? Gpt2Layer(layer) : LlamaLayer(config, layer);
}

}  // namespace attune
