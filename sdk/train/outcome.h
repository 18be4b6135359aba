// Whether users take the suggestions of one generation less often than those of the
// one before it: a test that may be repeated while counts come in.
//
// The counts are compared by Fisher's exact test, one-sided (Fisher, The Design of
// Experiments, 1935): given how many were accepted in all, those of one generation
// are hypergeometric if both are equally good. It is not made at every report, but
// each time the number shown has grown by half: at the k-th look the level is
// (1 - confidence) / (k (k + 1)). These sum to 1 - confidence, so by Bonferroni's
// inequality the chance that any look ever finds an equally good generation worse is
// at most that, for any number of looks. It is a spending function as Lan and DeMets
// (Biometrika 70, 1983) have them, without their use of how looks depend on each
// other. Looks depend on how many were shown alone, so that nothing besides the
// counts has to be kept.
// Threads: pure functions.

#pragma once

#include "attune/outcome.h"
#include "attune/status.h"

namespace attune {

//   kInvalidArgument  out of range, with what is allowed
Status CheckOptions(const OutcomeOptions& options);

// The chance that of `now.shown` so few are accepted or fewer, given both together.
// Quick where it is less than half.
// REQUIRES: 0 <= accepted <= shown <= 2^31.
double ChanceOfSoFew(const Outcome& now, const Outcome& before);

// How many looks are due by the time that so many were shown.
int LooksBy(std::int64_t shown, const OutcomeOptions& options);

struct OutcomeVerdict {
  bool compared = false;
  bool worse = false;
  double p_value = 1;  // Of one that is no worse at all: 1.
  double level = 0;    // It had to be at most.
};

// Of a generation with `earlier` counts at the last report and `now` at this one, and
// of the one before it.
OutcomeVerdict JudgeOutcome(const Outcome& earlier, const Outcome& now, const Outcome& before,
                            const OutcomeOptions& options);

}  // namespace attune
