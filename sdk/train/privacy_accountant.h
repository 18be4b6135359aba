// How much differentially private training gives away: the (epsilon, delta) of the
// subsampled Gaussian mechanism, by Renyi differential privacy.
//
// A step draws each example with probability q, clips its gradient to norm C and adds
// Gaussian noise of standard deviation `noise` times C to the sum. Its Renyi
// divergence of integer order a (Mironov, Talwar, Zhang, "Renyi differential privacy
// of the sampled Gaussian mechanism", 2019, for adding or removing one example) is
//
//   log(sum_{k=0..a} C(a,k) (1-q)^(a-k) q^k exp((k^2 - k) / (2 noise^2))) / (a - 1);
//
// steps add up, and of all orders the best is turned into (Canonne, Kamath, Steinke,
// "The discrete Gaussian for differential privacy", 2020, proposition 12)
//
//   epsilon = rdp + log(1 - 1/a) - log(delta a) / (a - 1).
//
// What it holds for is the released weights; a gate that looks at the same examples,
// or a tuning of options by hand, is not accounted for.
// Threads: pure functions.

#pragma once

#include <cstdint>

#include "attune/status.h"

namespace attune {

struct PrivacySpending {
  double sampling_rate = 0;     // q, above 0, at most 1.
  double noise_multiplier = 0;  // Above 0.
  std::int64_t steps = 0;
};

// An upper bound on epsilon at `delta`, and the order that gave it.
struct PrivacyLoss {
  double epsilon = 0;
  int order = 0;
};

//   kInvalidArgument  a rate, multiplier or delta out of range
Result<PrivacyLoss> PrivacyLossOf(const PrivacySpending& spending, double delta);

// The smallest noise multiplier, to one part in a thousand, that stays within
// `epsilon`.
//
//   kInvalidArgument  as above, or no multiplier up to 1000 is enough
Result<double> NoiseMultiplierFor(double epsilon, double delta, double sampling_rate,
                                  std::int64_t steps);

}  // namespace attune
