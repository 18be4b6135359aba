// The promotion gate decides whether a candidate adapter may serve. It sees
// losses, not models: a pure function of figures and a seed.
//
// A candidate is promoted when it wins over what serves and over the bare base on
// the user's held-out examples, and loses no more than a bound on the anchor set that
// ships with the base. A candidate that fails a check of its own (not finite,
// degenerate, forgets, memorises, slow) is rejected; one that is merely not better is
// kept back.
//
// Each figure is a ratio of sums over examples, and its bound that of a paired,
// studentised bootstrap: examples are drawn again with replacement, and the deviation
// of the ratio is counted in its own standard errors (Efron and Tibshirani, "An
// introduction to the bootstrap", 12.5), which keeps its level for the few dozen
// skewed examples that a user has, where plain percentiles promise too much. The
// burden of proof lies with the candidate throughout: both wins by their lower bounds,
// forgetting by its upper one.
// A candidate must win twice, so no correction for two comparisons is due. Nights are
// another matter: docs/internals/gate.md.
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

struct GateInput {
  // Equal lengths, the same examples in the same order; those without a token do not
  // count. `serving` is `base` where no adapter serves. A serving adapter whose losses
  // are not finite loses to any.
  std::span<const ExampleLoss> candidate, serving, base;
  // Of the anchor set; may be empty: then forgetting is not known, and not judged.
  std::span<const ExampleLoss> anchor_candidate, anchor_base;
  Probes probes;
};

// REQUIRES: lengths as above; Check(options) is OK.
GateDecision JudgeCandidate(const GateInput& input, const GateOptions& options, std::uint64_t seed);

}  // namespace attune
