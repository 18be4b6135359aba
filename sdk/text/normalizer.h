// A Normalizer rewrites a text before it is split: the "normalizer" of
// tokenizer.json. Of its kinds these are built: Sequence, NFC, Prepend, and
// Replace with a literal pattern.
//
// Threads: immutable.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "formats/json.h"

namespace attune {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // REQUIRES: valid UTF-8; gives valid UTF-8.
  virtual std::string Normalize(std::string text) const = 0;
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;
// In the order of application; empty for null.
Result<Normalizers> ParseNormalizer(const Json* json);

// `text` through all of them.
//
//   kResourceExhausted  it grows beyond kMaxGrowth times its length
inline constexpr std::size_t kMaxGrowth = 8;
Result<std::string> Normalize(const Normalizers& normalizers, std::string_view text);

}  // namespace attune
