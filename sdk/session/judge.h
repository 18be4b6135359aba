// Measures a candidate adapter for the promotion gate, and has it judged: losses on
// held-out messages, on anchors and on canaries, one by one, and probes.
//
// Determinism: a pure function of what it is given, but for the time that probes take.
// Memory: one model's test programs of a row at a time, and the probes' caches.
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <vector>

#include "attune/gate.h"
#include "attune/status.h"
#include "attune/training.h"
#include "base/function_ref.h"
#include "formats/peft.h"
#include "models/weights.h"
#include "session/adapter_evaluation.h"
#include "session/platform.h"
#include "text/tokenizer.h"
#include "train/gate.h"

namespace attune {

// Texts that tell how much is known by heart: those that were learned, and others of
// their form.
struct CanaryTexts {
  TestTexts texts{};
  std::size_t planted = 0;  // The first ones; 0: nothing is measured.
};

// Nothing is owned.
struct JudgeInput {
  const LanguageModelWeights* base = nullptr;
  const Tokenizer* tokenizer = nullptr;
  const PeftAdapter* candidate = nullptr;
  const PeftAdapter* serving = nullptr;  // Null: the bare base serves.
  const TestTexts* held_out = nullptr;
  const TestTexts* anchors = nullptr;
  // The base's losses on the anchors, if they are known; else they are measured and
  // put here. May be null.
  std::vector<ExampleLoss>* anchor_base = nullptr;
  const CanaryTexts* canaries = nullptr;
};

// `options` say how rows are laid out and with which arithmetic.
//
//   kInvalidArgument  an adapter that does not fit the base; a gate out of range
//   kCancelled        `go_on` said no; it is asked before each row and each token
Result<GateDecision> JudgeAdapter(const Platform& platform, const JudgeInput& input,
                                  const TrainingOptions& options, const GateOptions& gate,
                                  FunctionRef<bool()> go_on);

// Of an adapter whose numbers are not finite: nothing needs to be measured.
GateDecision RejectNotFinite();

}  // namespace attune
