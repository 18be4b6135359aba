// Probes let an adapter write a few short texts, to see that it computes finite
// numbers, neither falls silent nor repeats itself, and is not slow. The bare base
// writes the same ones: what it does too is not held against the adapter.
//
// Determinism: the texts are a pure function of base and adapter; the times are not.
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/gate.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "compute/backend.h"
#include "formats/peft.h"
#include "models/weights.h"
#include "session/platform.h"
#include "text/tokenizer.h"

namespace attune {

// Tokens that a probe writes at most.
inline constexpr std::int64_t kProbeTokens = 24;
// A token that is written in less is fast, whatever the base takes: a small base on a
// busy device would make any adapter slow.
inline constexpr double kFastToken = 5e-3;  // Seconds.

// `exposure` is left as it is.
//
//   kInvalidArgument  an adapter that does not fit the base
//   kCancelled        `go_on` said no; it is asked before each token
Result<Probes> ProbeAdapter(const Platform& platform, const LanguageModelWeights& base,
                            const Tokenizer& tokenizer, const PeftAdapter& adapter,
                            const CompileOptions& options, FunctionRef<bool()> go_on);

// How much longer a token takes, 1 at least, by the lower quartiles.
double SlowdownOf(const std::vector<double>& bare, const std::vector<double>& adapted);

// Whether a text has ended up in a loop: its end repeats one to six tokens, three
// times at least and over eight tokens or more.
bool EndsInLoop(std::span<const std::int32_t> tokens);

}  // namespace attune
