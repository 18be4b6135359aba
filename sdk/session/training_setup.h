// From a base model and options to what a Trainer is made of.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attune/personalize.h"
#include "attune/status.h"
#include "formats/peft.h"
#include "graph/lora.h"
#include "models/weights.h"
#include "session/platform.h"
#include "train/trainer.h"

namespace attune {

// Opens the base model, or makes a random one of its configuration.
Result<LanguageModelWeights> OpenBase(FileSystem& files, const PersonalizeOptions& options);

// kInvalidArgument  an option that no later check looks at
Status CheckOptions(const PersonalizeOptions& options);
Status CheckOptions(const TrainingOptions& options);

// The adapter's configuration; of no meaning for full training.
PeftConfig PeftConfigOf(const TrainingOptions& options, const DecoderConfig& model);

// Tokens of a row.
//
//   kInvalidArgument  more than the model can look at
Result<std::int64_t> RowLength(const TrainingOptions& options, const DecoderConfig& model);

// `full`: of every weight, not of an adapter.
TrainConfig TrainConfigOf(const TrainingOptions& options, bool full, std::int64_t row_length,
                          std::int64_t labels);

// Dynamic where gradients pass through half precision: from 2^10, which lifts the
// gradients of a small adapter well above what fp16 loses, up to 2^16. 1 elsewhere.
LossScaleConfig LossScaleOf(const Backend& backend);

// How held-out texts of so many labels are tested.
struct EvaluationSetup {
  SamplerConfig layout;
  CompileOptions compile;
};
EvaluationSetup EvaluationSetupOf(const TrainingOptions& options, std::int64_t row_length,
                                  std::int64_t labels);

// The low-rank branches of the model's linears that `peft` targets.
Result<LoraSpec> LoraSpecOf(const LanguageModelWeights& base, const PeftConfig& peft);

// Builds loss graphs of `base`, which must outlive the parts: with the branches
// of `lora`, or with every weight trainable when it names none.
TrainerParts PartsOf(const Platform& platform, const LanguageModelWeights& base,
                     const LoraSpec& lora);

// What a TrainingState of these branches, or of every weight, takes.
std::int64_t StateBytes(const LanguageModelWeights& base, const LoraSpec& lora,
                        const TrainConfig& config);

// Sets the parameters a run starts with: A and B as PEFT does, or the base's
// weights.
void InitializeParameters(const LanguageModelWeights& base, std::uint64_t seed,
                          TrainingState* state);

}  // namespace attune
