#include "models/rope_table.h"

#include <cmath>
#include <numbers>

namespace attune {
namespace {

// Llama 3: long waves are stretched by the factor, short ones kept, those
// between blended linearly in the number of turns over the original context.
double StretchLlama3(const RopeConfig& rope, double frequency) {
  const double turns =
      static_cast<double>(rope.original_positions) * frequency / (2 * std::numbers::pi);
  if (turns < rope.low_frequency_factor) return frequency / rope.factor;
  if (turns > rope.high_frequency_factor) return frequency;
  const double keep = (turns - rope.low_frequency_factor) /
                      (rope.high_frequency_factor - rope.low_frequency_factor);
  return keep * frequency + (1 - keep) * frequency / rope.factor;
}

double Stretch(const RopeConfig& rope, double frequency) {
  switch (rope.scaling) {
    case RopeScaling::kNone:
      return frequency;
    case RopeScaling::kLinear:
      return frequency / rope.factor;
    case RopeScaling::kLlama3:
      return StretchLlama3(rope, frequency);
  }
  return frequency;
}

}  // namespace

std::vector<double> RopeFrequencies(const RopeConfig& rope, std::int64_t head_dim) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < head_dim / 2; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
    frequencies.push_back(Stretch(rope, std::pow(rope.theta, exponent)));
  }
  return frequencies;
}

Tensor RopeTable(const RopeConfig& rope, std::int64_t positions, std::int64_t head_dim) {
  const auto frequencies = RopeFrequencies(rope, head_dim);
  Tensor table(DType::kF32, {positions, head_dim});
  float* row = table.f32().data();
  for (std::int64_t p = 0; p < positions; ++p, row += head_dim) {
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
      const double angle = static_cast<double>(p) * frequencies[i];
      row[i] = static_cast<float>(std::cos(angle));
      row[i + frequencies.size()] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

}  // namespace attune
