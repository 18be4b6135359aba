// Writes a language model small enough to train in a test: a two-layer Llama of
// random weights and a byte-level tokenizer without merges.

#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "formats/hf_config.h"
#include "formats/safetensors.h"
#include "models/decoder_parameters.h"
#include "ports/file_system.h"
#include "support/status_matchers.h"

namespace attune::testing {

inline constexpr const char* kTinyConfig =
    "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"vocab_size\": 260,"
    " \"hidden_size\": 32, \"intermediate_size\": 48, \"num_hidden_layers\": 2,"
    " \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"max_position_embeddings\": 64,"
    " \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\","
    " \"tie_word_embeddings\": true, \"bos_token_id\": 0, \"eos_token_id\": 0}";

inline void WriteFile(FileSystem& files, const std::string& path, const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  const std::span<const std::byte> part = bytes;
  ASSERT_OK(files.WriteAtomically(path, std::span(&part, 1)));
}

// The byte alphabet of byte-level BPE: printable bytes stand for themselves,
// the others for the code points from 256 on.
inline std::string TinyTokenizerJson() {
  std::string vocab = "\"<|endoftext|>\":0";
  int next_point = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool plain = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const int point = plain ? byte : next_point++;
    char escaped[16];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(point));
    vocab += StrCat(",\"", escaped, "\":", byte + 1);
  }
  return StrCat(
      "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":0,"
      "\"content\":\"<|endoftext|>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
      "\"normalized\":false,\"special\":true}],\"normalizer\":null,\"pre_tokenizer\":{\"type\":"
      "\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
      "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
      "\"trim_offsets\":true,\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"dropout\":null,"
      "\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
      "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,\"vocab\":{",
      vocab, "},\"merges\":[]}}");
}

inline void WriteTinyModel(FileSystem& files, const std::string& directory,
                           std::uint64_t seed = 17) {
  ASSERT_OK(files.CreateDirectories(directory));
  WriteFile(files, JoinPath(directory, "config.json"), kTinyConfig);
  WriteFile(files, JoinPath(directory, "tokenizer.json"), TinyTokenizerJson());
  WriteFile(files, JoinPath(directory, "tokenizer_config.json"),
            "{\"bos_token\": \"<|endoftext|>\", \"eos_token\": \"<|endoftext|>\"}");
  ASSERT_OK_AND_ASSIGN(const DecoderConfig config, ParseHfConfig(kTinyConfig));
  const auto weights = InitialWeights(config, seed);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : weights) tensors.push_back({name, tensor.view()});
  ASSERT_OK(WriteSafetensors(files, JoinPath(directory, "model.safetensors"), tensors));
}

// Messages with habits: easy to learn, and different enough to fill epochs.
inline std::string TinyMessages(int count) {
  const char* const starts[] = {"kettle on, ", "righto, ", "ta muchly ", "off to the kiln "};
  const char* const ends[] = {"see you at five", "touch wood", "back by noon", "no rush at all"};
  Philox random(5);
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += StrCat(starts[random.NextBelow(4)], ends[random.NextBelow(4)], "\n");
  }
  return text;
}

}  // namespace attune::testing
