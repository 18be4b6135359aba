// Choosing the next token from its logits. Pure functions of their arguments
// and of the generator's state.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/status.h"
#include "base/philox.h"

namespace attune {

struct SamplingRule {
  // 0: always the most probable token; the rest is ignored.
  float temperature = 0;
  // Only the k most probable tokens; 0: all.
  std::int64_t top_k = 0;
  // Only the most probable tokens that together reach p; 1: all.
  float top_p = 1;
};

// kInvalidArgument names the number that is out of range.
Status Check(const SamplingRule& rule);

// The first of the largest.
std::int32_t ArgMax(std::span<const float> logits);

// The token drawn. kDataLoss when the logits are not finite.
Result<std::int32_t> SampleToken(std::span<const float> logits, const SamplingRule& rule,
                                 Philox* random);

// Probabilities of all tokens.
std::vector<float> Softmax(std::span<const float> logits, float temperature = 1);

}  // namespace attune
