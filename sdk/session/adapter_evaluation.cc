#include "session/adapter_evaluation.h"

#include <map>
#include <string>
#include <utility>

#include "models/decoder.h"
#include "session/training_setup.h"

namespace attune {
namespace {

LoraSpec SpecOf(const PeftAdapter& adapter) {
  LoraSpec spec;
  for (const auto& [module, pair] : adapter.modules) {
    spec.modules.push_back({module, pair.a.shape[0], static_cast<float>(pair.scale)});
  }
  return spec;
}

// Of the bare base: nothing is trainable.
TrainerParts BareParts(const Platform& platform, const LanguageModelWeights& base) {
  TrainerParts parts{platform.backend, platform.parallel, platform.clock, {}, base.views};
  parts.build = [&base](const BatchShape& shape) {
    LossGraphOptions options;
    options.batch = shape.batch;
    options.length = shape.length;
    options.packed = shape.packed;
    return BuildLossGraph(base.config, base.views, options);
  };
  return parts;
}

}  // namespace

Result<Evaluation> EvaluateAdapter(const Platform& platform, const LanguageModelWeights& base,
                                   const PeftAdapter* adapter, const TrainingOptions& options,
                                   std::vector<TrainingExample> texts,
                                   const std::function<bool()>& go_on) {
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t row, RowLength(options, base.config));
  const EvaluationSetup setup = EvaluationSetupOf(options, row, CountLabels(texts));
  const TrainerParts parts =
      adapter == nullptr ? BareParts(platform, base) : PartsOf(platform, base, SpecOf(*adapter));
  ATTUNE_ASSIGN_OR_RETURN(const auto evaluator,
                          Evaluator::Create(parts, setup.layout, setup.compile, std::move(texts)));
  std::map<std::string, Tensor> tensors;
  if (adapter != nullptr) {
    for (const auto& [module, pair] : adapter->modules) {
      tensors[module + ".lora_A.weight"] = ToF32(pair.a);
      tensors[module + ".lora_B.weight"] = ToF32(pair.b);
    }
  }
  for (auto& [name, tensor] : tensors) {
    ATTUNE_RETURN_IF_ERROR(evaluator->Bind(name, tensor.f32()));
  }
  return evaluator->Run(go_on);
}

}  // namespace attune
