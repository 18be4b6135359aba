// Checkpoints of llama2.c, versions 0 (run.c's headerless layout) and 1: f32
// weights of a Llama with interleaved RoPE.
//
// The file must be exactly as long as its header implies; no tensor is
// listed before that is known.

#pragma once

#include <memory>
#include <string>

#include "attune/status.h"
#include "formats/decoder_config.h"
#include "formats/named_tensors.h"
#include "ports/file_system.h"

namespace attune {

struct Llama2cCheckpoint {
  int version = 0;
  // rope.interleaved is set; tied_embeddings says whether "lm_head.weight" is
  // absent; bos is 1, eos is 2 (the vocabulary's).
  DecoderConfig config;
  // By their Hugging Face names, [out, in]: "model.embed_tokens.weight",
  // "model.layers.0.self_attn.q_proj.weight", "model.norm.weight", ... Views into
  // the mapped file. Rows of q_proj and k_proj are in the interleaved order.
  NamedTensors tensors;
};

//   kDataLoss     the header lies about the file, or is out of range
//   kUnsupported  version 2 (quantized) or later
Result<Llama2cCheckpoint> ReadLlama2c(FileSystem& fs, const std::string& path);
// The same for a file mapped already; `name` is for messages.
Result<Llama2cCheckpoint> ParseLlama2c(std::shared_ptr<const MappedFile> file,
                                       const std::string& name);

}  // namespace attune
