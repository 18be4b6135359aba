// The parameters that a decoder of a given configuration consists of: what an
// importer must find, and what training from scratch starts with.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "formats/decoder_config.h"
#include "tensor/tensor.h"

namespace attune {

enum class ParameterRole : std::uint8_t {
  kEmbedding,   // A table of rows, looked up by index.
  kProjection,  // A linear layer's weight.
  kResidual,    // A linear layer's weight whose output joins the residual stream.
  kNormWeight,
  kBias,
};

struct ParameterSpec {
  std::string name;
  Shape shape;
  ParameterRole role = ParameterRole::kProjection;
  // Vectors take part in elementwise ops, which are f32 throughout.
  bool is_vector() const { return shape.rank() == 1; }
};

// In the order of the forward pass; a tied head is not listed.
std::vector<ParameterSpec> DecoderParameters(const DecoderConfig& config);

// Tensors by parameter name; the bytes belong to somebody else.
using WeightViews = std::map<std::string, TensorView, std::less<>>;

// Random f32 weights to train from: normal with deviation 0.02, divided by
// sqrt(2 layers) where the output joins the residual stream, as GPT-2's authors
// did; norms 1, biases 0. A pure function of its arguments.
std::map<std::string, Tensor> InitialWeights(const DecoderConfig& config, std::uint64_t seed);

}  // namespace attune
