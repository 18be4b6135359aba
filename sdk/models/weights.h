// LoadModel opens a language model: its configuration, and its weights as the
// graph builders want them, left where the files are mapped.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attune/status.h"
#include "formats/decoder_config.h"
#include "formats/named_tensors.h"
#include "models/decoder_parameters.h"
#include "ports/crypto.h"
#include "ports/file_system.h"
#include "tensor/tensor.h"

namespace attune {

struct LanguageModelWeights {
  DecoderConfig config;

  // One entry for each of DecoderParameters(config), f32, f16 or bf16. Matrices
  // and tables are views into the mapped files; vectors, and what the file
  // keeps at odd addresses, are copies. Valid while this object lives; moving
  // it keeps them valid.
  WeightViews views;

  std::int64_t parameters = 0;    // Elements, a tied head counted once.
  std::int64_t mapped_bytes = 0;  // Read from the files in place.
  std::int64_t copied_bytes = 0;  // In private memory.
  DType dtype = DType::kF32;      // Of the token embedding.

  // What `views` point into.
  NamedTensors files;
  std::vector<Tensor> copies;
};

// `path` is a Hugging Face directory (config.json with safetensors, whole or
// sharded) or a llama2.c file ending in ".bin". Tensors must be exactly those
// of the configuration: what is missing, left over or misshaped is listed in
// one error. Not counted as left over: GPT-2's mask buffers, rotary
// frequencies, the copy of a tied head. GPT-2 may lack its "transformer." prefix.
//
//   kNotFound         no such path, or a file of the directory is absent
//   kInvalidArgument  the tensors are not those of the configuration
//   kDataLoss, kUnsupported  from the formats' readers
Result<LanguageModelWeights> LoadModel(FileSystem& fs, const std::string& path);

// Tells base models apart, so that an adapter is not resumed on the wrong one:
// a 64-bit mix of names, types, shapes and bytes. Not cryptographic: it guards
// against mistakes, not against forgery. Reads every byte.
std::uint64_t Fingerprint(const WeightViews& weights);

// SHA-256 of the same, which what is sealed is bound to: nobody finds a second
// base of the same hash. Reads every byte; about a second for a gigabyte.
Result<Sha256Digest> HashOf(Crypto& crypto, const WeightViews& weights);

}  // namespace attune
