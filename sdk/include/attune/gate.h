// When a new adapter may serve: the bounds, as the owner sets them, what was found,
// and why one was turned down.
//
// Threads: values.

#pragma once

#include <cstdint>
#include <string_view>

#include "attune/status.h"

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
  double confidence = 0.95;        // One-sided, of each figure that decides.
  double min_gain = 0;             // Part of the loss that must be won at least.
  double max_forgetting = 0.02;    // Relative rise of the anchor loss over the base's.
  // Of the bootstrap: 100 to 100000, at least 10 of them beyond the confidence.
  std::int64_t resamples = 2000;
  // Seconds a token that a probe may take, as a multiple of the bare base's. 0: any.
  double max_slowdown = 2;
  // Bits by which a canary may stand out among others of its kind.
  double max_exposure = 4;
  bool operator==(const GateOptions&) const = default;
};

//   kInvalidArgument  an option out of range
Status Check(const GateOptions& options);

// What short generations and planted texts showed; defaults pass.
struct Probes {
  bool finite = true;
  bool degenerate = false;
  double slowdown = 1;  // Seconds a token over the bare base's.
  double exposure = 0;  // Bits; 0 without canaries. See train/canary.h.
};

struct GateDecision {
  GateVerdict verdict = GateVerdict::kKeep;
  GateReason reason = GateReason::kTooFewExamples;
  std::int64_t examples = 0, anchors = 0;  // That were compared.
  // Nats per token on the held-out examples; 0: none, or not finite.
  double candidate_loss = 0, serving_loss = 0, base_loss = 0;
  // Relative gain over what serves and over the base, and the lower end of its
  // one-sided confidence interval, at least -1: nothing can be said.
  double gain_over_serving = 0, gain_over_serving_low = 0;
  double gain_over_base = 0, gain_over_base_low = 0;
  // Relative rise of the anchor loss over the base's, and the upper end of its
  // interval; positive is forgetting. 0 without anchors.
  double anchor_change = 0, anchor_change_high = 0;
  Probes probes;
};

}  // namespace attune
