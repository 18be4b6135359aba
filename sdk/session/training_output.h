// Writes what training made.

#pragma once

#include <cstdint>
#include <string>

#include "attune/personalize.h"
#include "attune/status.h"
#include "formats/peft.h"
#include "graph/lora.h"
#include "models/weights.h"
#include "ports/file_system.h"
#include "session/loss_curve.h"
#include "train/training_state.h"

namespace attune {

// The PEFT adapter of the branches of `lora`.
Result<PeftFiles> FormatAdapter(const PeftConfig& peft, const LoraSpec& lora, TrainingState& state,
                                const SafetensorsMetadata& provenance);

// A whole model directory: the weights, with the configuration and tokenizer
// files of `source` beside them.
Status WriteModel(FileSystem& files, const std::string& directory, const std::string& source,
                  WeightFormat format, TrainingState& state, const SafetensorsMetadata& provenance);

// loss_curve.csv and loss_curve.svg.
Status WriteCurve(FileSystem& files, const std::string& directory, const LossCurve& curve);

}  // namespace attune
