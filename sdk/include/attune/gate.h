// When a new adapter may serve: the bounds, as the owner sets them, and why one was
// turned down.
//
// Threads: values.

#pragma once

#include <cstdint>
#include <string_view>

namespace attune {

// NOTE: values are stored in the ledger. Append, never renumber.
enum class GateReason : std::uint8_t {
  kNone = 0,
  kBetter = 1,
  kTooFewExamples = 2,  // Held-out ones: nothing can be said.
  kNotBetterThanServing = 3,
  kNotBetterThanBase = 4,
  kForgets = 5,  // Loses more on the anchor set than may be.
  kNotFinite = 6,
  kDegenerate = 7,  // A probe: empty, endless or repeating text.
  kSlow = 8,        // A probe took longer than it may.
  kMemorises = 9,   // Canaries can be told from others of their kind.
};
// "better".
std::string_view GateReasonName(GateReason reason);
// "it lost too much on the anchor set".
std::string_view GateReasonSentence(GateReason reason);

// NOTE: values are stored in the ledger. Append, never renumber.
enum class GateVerdict : std::uint8_t { kPromote = 1, kKeep = 2, kReject = 3 };

struct GateOptions {
  std::int64_t min_examples = 20;  // Held out.
  double confidence = 0.95;        // One-sided, of the win over what serves and over the base.
  double min_gain = 0;             // Part of the loss that must be won at least.
  double max_forgetting = 0.02;    // Relative rise of the anchor loss over the base's.
  std::int64_t resamples = 2000;   // Of the bootstrap.
  // Seconds a token that a probe may take, as a multiple of the bare base's. 0: any.
  double max_slowdown = 2;
  // Bits by which a canary may stand out among others of its kind.
  double max_exposure = 4;
  bool operator==(const GateOptions&) const = default;
};

}  // namespace attune
