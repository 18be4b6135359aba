// How well a base model, with an adapter or without, predicts texts.

#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "attune/status.h"
#include "attune/training.h"
#include "formats/peft.h"
#include "models/weights.h"
#include "session/dataset.h"
#include "session/platform.h"
#include "text/tokenizer.h"
#include "train/evaluate.h"
#include "train/examples.h"
#include "train/gate.h"

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

// Messages to be tested on one by one: long ones take several windows.
struct TestTexts {
  std::vector<TrainingExample> windows;
  std::vector<std::int64_t> ends;  // Of each message's windows.
};
// Messages without a label are left out. `row_length`: see RowLength().
Result<TestTexts> EncodeTests(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                              std::int64_t row_length);

// As EvaluateAdapter(), of each message by itself; none of none. Together they say the
// same to 1e-6 (f32). Takes a row a run: less memory and somewhat more time.
Result<std::vector<ExampleLoss>> EvaluateEach(const Platform& platform,
                                              const LanguageModelWeights& base,
                                              const PeftAdapter* adapter,
                                              const TrainingOptions& options,
                                              const TestTexts& texts,
                                              const std::function<bool()>& go_on = nullptr);

}  // namespace attune
