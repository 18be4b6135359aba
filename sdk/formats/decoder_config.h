// DecoderConfig says which decoder language model some weights belong to: the
// common tongue of the importers (Hugging Face, llama2.c) and the graph builders.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace attune {

enum class DecoderFamily : std::uint8_t { kGpt2, kLlama, kQwen2, kQwen3 };

// "gpt2", "llama", "qwen2", "qwen3": Hugging Face's model_type.
std::string_view DecoderFamilyName(DecoderFamily family);

enum class Activation : std::uint8_t { kSilu, kGeluErf, kGeluTanh, kQuickGelu, kRelu };

enum class RopeScaling : std::uint8_t { kNone, kLinear, kLlama3 };

struct RopeConfig {
  double theta = 10000.0;
  // Pairs (2i, 2i+1), as llama2.c, instead of (i, i + head_dim/2).
  bool interleaved = false;

  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;  // kLinear, kLlama3: how far positions are stretched.
  // kLlama3 only: wave lengths above original/low are stretched, those below
  // original/high are not, those between are blended.
  double low_frequency_factor = 1.0;
  double high_frequency_factor = 4.0;
  std::int64_t original_positions = 8192;
};

// Every integer is positive and bounded by kMaxDecoder... below; heads is a
// multiple of kv_heads; head_dim is even where there is RoPE.
struct DecoderConfig {
  DecoderFamily family = DecoderFamily::kLlama;
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;  // NOTE: heads * head_dim need not be `hidden`.
  std::int64_t intermediate = 0;
  std::int64_t max_positions = 0;

  double norm_epsilon = 1e-5;  // Of LayerNorm (GPT-2) or RMSNorm.
  Activation activation = Activation::kSilu;
  RopeConfig rope;  // Not GPT-2.

  bool tied_embeddings = false;  // The output head is the token embedding.
  bool qkv_bias = false;
  bool output_bias = false;  // Of the attention's output projection.
  bool mlp_bias = false;
  bool qk_norm = false;  // RMSNorm of each query and key head before RoPE.

  std::int64_t bos = -1;          // -1: none.
  std::vector<std::int64_t> eos;  // Any of these ends a text.
};

inline constexpr std::int64_t kMaxDecoderVocabulary = 1 << 22;
inline constexpr std::int64_t kMaxDecoderWidth = 1 << 18;  // hidden, intermediate
inline constexpr std::int64_t kMaxDecoderLayers = 1 << 10;
inline constexpr std::int64_t kMaxDecoderHeads = 1 << 10;
inline constexpr std::int64_t kMaxDecoderHeadDim = 1 << 12;
inline constexpr std::int64_t kMaxDecoderPositions = 1 << 24;

}  // namespace attune
