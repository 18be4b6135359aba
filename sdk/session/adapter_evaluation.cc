#include "session/adapter_evaluation.h"

#include <iterator>
#include <map>
#include <memory>
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

// An evaluator and the adapter's tensors that it reads.
struct BoundEvaluator {
  std::map<std::string, Tensor> tensors;
  std::unique_ptr<Evaluator> evaluator;
};

Result<BoundEvaluator> Bind(const Platform& platform, const LanguageModelWeights& base,
                            const PeftAdapter* adapter, const TrainingOptions& options,
                            std::vector<TrainingExample> texts) {
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t row, RowLength(options, base.config));
  const EvaluationSetup setup = EvaluationSetupOf(options, row, CountLabels(texts));
  const TrainerParts parts =
      adapter == nullptr ? BareParts(platform, base) : PartsOf(platform, base, SpecOf(*adapter));
  BoundEvaluator bound;
  ATTUNE_ASSIGN_OR_RETURN(bound.evaluator,
                          Evaluator::Create(parts, setup.layout, setup.compile, std::move(texts)));
  if (adapter == nullptr) return bound;
  for (const auto& [module, pair] : adapter->modules) {
    bound.tensors[module + ".lora_A.weight"] = ToF32(pair.a);
    bound.tensors[module + ".lora_B.weight"] = ToF32(pair.b);
  }
  for (auto& [name, tensor] : bound.tensors) {
    ATTUNE_RETURN_IF_ERROR(bound.evaluator->Bind(name, tensor.f32()));
  }
  return bound;
}

}  // namespace

Result<Evaluation> EvaluateAdapter(const Platform& platform, const LanguageModelWeights& base,
                                   const PeftAdapter* adapter, const TrainingOptions& options,
                                   std::vector<TrainingExample> texts,
                                   const std::function<bool()>& go_on) {
  ATTUNE_ASSIGN_OR_RETURN(const BoundEvaluator bound,
                          Bind(platform, base, adapter, options, std::move(texts)));
  return bound.evaluator->Run(go_on);
}

Result<TestTexts> EncodeTests(const Tokenizer& tokenizer, const std::vector<Message>& messages,
                              std::int64_t row_length) {
  TestTexts texts;
  for (const Message& message : messages) {
    ATTUNE_ASSIGN_OR_RETURN(const TrainingExample example, EncodeMessage(tokenizer, message));
    auto windows = SplitIntoWindows(example, row_length + 1);
    if (windows.empty()) continue;
    std::move(windows.begin(), windows.end(), std::back_inserter(texts.windows));
    texts.ends.push_back(static_cast<std::int64_t>(texts.windows.size()));
  }
  return texts;
}

Result<std::vector<ExampleLoss>> EvaluateEach(
    const Platform& platform, const LanguageModelWeights& base, const PeftAdapter* adapter,
    const TrainingOptions& options, const TestTexts& texts, const std::function<bool()>& go_on) {
  if (texts.windows.empty()) return std::vector<ExampleLoss>{};
  TrainingOptions single = options;
  single.packed = false;
  single.batch = 1;
  ATTUNE_ASSIGN_OR_RETURN(const BoundEvaluator bound,
                          Bind(platform, base, adapter, single, texts.windows));
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<Evaluation> windows, bound.evaluator->RunEach(go_on));
  std::vector<ExampleLoss> losses(texts.ends.size());
  std::size_t window = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    for (; window < static_cast<std::size_t>(texts.ends[i]); ++window) {
      losses[i].nats += windows[window].nats;
      losses[i].tokens += windows[window].labels;
    }
  }
  return losses;
}

}  // namespace attune
