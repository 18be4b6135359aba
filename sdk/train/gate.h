// The promotion gate decides whether a candidate adapter may serve. It sees
// losses, not models: a pure function of figures and a seed.
//
// A candidate is promoted when it wins over what serves and over the bare base on
// the user's held-out examples, by a paired bootstrap over examples, and loses no
// more than a bound on the anchor set that ships with the base. A candidate that
// fails a check of its own (not finite, degenerate, slow, forgets, memorises) is
// rejected; one that is merely not better is kept back.
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <span>

#include "attune/gate.h"

namespace attune {

// One example under one model: summed nats and tokens.
struct ExampleLoss {
  double nats = 0;
  std::int64_t tokens = 0;
};

// What probes found; defaults pass.
struct Probes {
  bool finite = true;
  bool degenerate = false;
  double slowdown = 1;  // Seconds a token over the bare base's.
  double exposure = 0;  // Bits; see train/canary.h.
};

struct GateInput {
  // Equal lengths, the same examples in the same order. `serving` is `base` where
  // no adapter serves.
  std::span<const ExampleLoss> candidate, serving, base;
  // Of the anchor set; may be empty: then forgetting is not known, and not judged.
  std::span<const ExampleLoss> anchor_candidate, anchor_base;
  Probes probes;
};

struct GateDecision {
  GateVerdict verdict = GateVerdict::kKeep;
  GateReason reason = GateReason::kTooFewExamples;
  std::int64_t examples = 0, anchors = 0;
  // Nats per token.
  double candidate_loss = 0, serving_loss = 0, base_loss = 0;
  // Relative gain over what serves and over the base, and the lower end of its
  // one-sided confidence interval.
  double gain_over_serving = 0, gain_over_serving_low = 0;
  double gain_over_base = 0, gain_over_base_low = 0;
  double anchor_change = 0;  // Relative; positive is forgetting.
  Probes probes;
};

// REQUIRES: lengths as above.
GateDecision JudgeCandidate(const GateInput& input, const GateOptions& options, std::uint64_t seed);

}  // namespace attune
