#include "models/decoder_parameters.h"

#include <algorithm>
#include <cmath>

#include "base/philox.h"
#include "models/decoder_names.h"

namespace attune {
namespace {

class SpecList {
 public:
  explicit SpecList(const DecoderConfig& config) : config_(config) {}

  void Embedding(const std::string& module, std::int64_t rows) {
    Add(module + ".weight", {rows, config_.hidden}, ParameterRole::kEmbedding);
  }

  void Norm(const std::string& module, std::int64_t width) {
    Add(module + ".weight", {width}, ParameterRole::kNormWeight);
    if (gpt2()) Add(module + ".bias", {width}, ParameterRole::kBias);
  }

  void Linear(const std::string& module, std::int64_t in, std::int64_t out, bool bias,
              ParameterRole role = ParameterRole::kProjection) {
    Add(module + ".weight", gpt2() ? Shape{in, out} : Shape{out, in}, role);
    if (bias) Add(module + ".bias", {out}, ParameterRole::kBias);
  }

  void Layer(const DecoderLayerNames& names) {
    Norm(names.attention_norm, config_.hidden);
    Attention(names);
    Norm(names.mlp_norm, config_.hidden);
    Mlp(names);
  }

  std::vector<ParameterSpec> Take() { return std::move(specs_); }

 private:
  bool gpt2() const { return config_.family == DecoderFamily::kGpt2; }

  void Attention(const DecoderLayerNames& names) {
    const std::int64_t q = config_.heads * config_.head_dim;
    const std::int64_t kv = config_.kv_heads * config_.head_dim;
    if (gpt2()) {
      Linear(names.qkv, config_.hidden, q + 2 * kv, config_.qkv_bias);
    } else {
      Linear(names.query, config_.hidden, q, config_.qkv_bias);
      Linear(names.key, config_.hidden, kv, config_.qkv_bias);
      Linear(names.value, config_.hidden, kv, config_.qkv_bias);
    }
    if (config_.qk_norm) {
      Norm(names.query_norm, config_.head_dim);
      Norm(names.key_norm, config_.head_dim);
    }
    Linear(names.attention_output, q, config_.hidden, config_.output_bias,
           ParameterRole::kResidual);
  }

  void Mlp(const DecoderLayerNames& names) {
    if (!names.gate.empty()) {
      Linear(names.gate, config_.hidden, config_.intermediate, config_.mlp_bias);
    }
    Linear(names.up, config_.hidden, config_.intermediate, config_.mlp_bias);
    Linear(names.down, config_.intermediate, config_.hidden, config_.mlp_bias,
           ParameterRole::kResidual);
  }

  void Add(std::string name, Shape shape, ParameterRole role) {
    specs_.push_back({std::move(name), shape, role});
  }

  const DecoderConfig& config_;
  std::vector<ParameterSpec> specs_;
};

void Initialize(const ParameterSpec& spec, std::int64_t layers, Philox* random, Tensor* tensor) {
  if (spec.role == ParameterRole::kBias) return;
  const auto values = tensor->f32();
  if (spec.role == ParameterRole::kNormWeight) {
    std::fill(values.begin(), values.end(), 1.0f);
    return;
  }
  double deviation = 0.02;
  if (spec.role == ParameterRole::kResidual) {
    deviation /= std::sqrt(2.0 * static_cast<double>(layers));
  }
  for (float& value : values) value = static_cast<float>(deviation) * random->NextNormal();
}

}  // namespace

std::vector<ParameterSpec> DecoderParameters(const DecoderConfig& config) {
  const DecoderNames names = NamesOf(config);
  SpecList list(config);
  list.Embedding(names.token_embedding, config.vocabulary);
  if (!names.position_embedding.empty()) {
    list.Embedding(names.position_embedding, config.max_positions);
  }
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    list.Layer(LayerNamesOf(config, layer));
  }
  list.Norm(names.final_norm, config.hidden);
  if (!config.tied_embeddings) list.Embedding(names.head, config.vocabulary);
  return list.Take();
}

std::map<std::string, Tensor> InitialWeights(const DecoderConfig& config, std::uint64_t seed) {
  std::map<std::string, Tensor> weights;
  std::uint64_t stream = 0;
  for (const ParameterSpec& spec : DecoderParameters(config)) {
    Philox random(seed, stream++);
    Tensor tensor(DType::kF32, spec.shape);
    Initialize(spec, config.layers, &random, &tensor);
    weights.emplace(spec.name, std::move(tensor));
  }
  return weights;
}

}  // namespace attune
