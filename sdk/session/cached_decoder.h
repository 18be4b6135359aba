// CachedDecoder predicts the token after a sequence. It keeps the keys and
// values of the sequence it saw last and computes only what is new, so asking
// about a sequence that shares a beginning with the last one is cheap.
//
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/status.h"
#include "session/adapted_model.h"

namespace attune {

class CachedDecoder {
 public:
  // `model` is not owned.
  explicit CachedDecoder(AdaptedModel* model) : model_(*model) {}

  // The longest sequence it takes.
  std::int64_t capacity() const { return model_.capacity(); }

  // Logits of the token after `tokens`, one for each row of the model's
  // vocabulary; valid until the next call.
  //
  //   kInvalidArgument  no tokens, more than capacity(), or an id outside the
  //                     vocabulary
  Result<std::span<const float>> LogitsAfter(std::span<const std::int32_t> tokens);

 private:
  Status CheckTokens(std::span<const std::int32_t> tokens) const;
  // How many leading tokens need not be fed again.
  std::size_t ReusablePrefix(std::span<const std::int32_t> tokens) const;
  Result<LogitsRun*> Feed(std::span<const std::int32_t> tokens, std::int64_t run_size);

  AdaptedModel& model_;
  std::vector<std::int32_t> cached_;  // The tokens whose rows the caches hold.
  std::uint64_t generation_ = 0;      // The adapter they were computed with.
};

}  // namespace attune
