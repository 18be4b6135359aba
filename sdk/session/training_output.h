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

// What the files of a curve are called.
inline constexpr const char* kCurveTable = "loss_curve.csv";
inline constexpr const char* kCurveDrawing = "loss_curve.svg";

struct CurveFiles {
  std::string table;
  std::string drawing;
};
CurveFiles FormatCurve(const LossCurve& curve);
// Not a file that is empty.
Status WriteCurve(FileSystem& files, const std::string& directory, const CurveFiles& curve);

}  // namespace attune
