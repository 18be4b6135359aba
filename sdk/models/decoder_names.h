// What the modules of a decoder are called: Hugging Face's names, which are also
// the graph's parameter names and what an adapter's targets refer to.

#pragma once

#include <cstdint>
#include <string>

#include "formats/decoder_config.h"

namespace attune {

// Each is a module's path: its tensors are "<path>.weight" and "<path>.bias".
// Empty where the family has no such module.
struct DecoderLayerNames {
  std::string attention_norm;
  std::string qkv;  // GPT-2: query, key and value in one.
  std::string query, key, value;
  std::string query_norm, key_norm;
  std::string attention_output;
  std::string mlp_norm;
  std::string gate;  // Not GPT-2.
  std::string up;
  std::string down;
};

struct DecoderNames {
  std::string token_embedding;
  std::string position_embedding;  // GPT-2 only.
  std::string final_norm;
  std::string head;  // The token embedding when tied.
};

DecoderNames NamesOf(const DecoderConfig& config);
DecoderLayerNames LayerNamesOf(const DecoderConfig& config, std::int64_t layer);

}  // namespace attune
