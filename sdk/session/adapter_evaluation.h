// How well a base model, with an adapter or without, predicts texts.

#pragma once

#include <functional>
#include <vector>

#include "attune/status.h"
#include "attune/training.h"
#include "formats/peft.h"
#include "models/weights.h"
#include "session/platform.h"
#include "train/evaluate.h"
#include "train/examples.h"

namespace attune {

// Measured as a training run measures its held-out texts, so that the figures
// compare. Null: the bare base. What it takes is freed again.
//
//   kInvalidArgument  no text, or an adapter that does not fit the base
//   kCancelled        `go_on` said no; it is asked before each micro-batch
Result<Evaluation> EvaluateAdapter(const Platform& platform, const LanguageModelWeights& base,
                                   const PeftAdapter* adapter, const TrainingOptions& options,
                                   std::vector<TrainingExample> texts,
                                   const std::function<bool()>& go_on = nullptr);

}  // namespace attune
