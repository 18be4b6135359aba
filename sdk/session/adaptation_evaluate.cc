// How well what serves does on examples that it did not learn from.

#include "base/strings.h"
#include "session/adaptation_impl.h"
#include "session/adapter_evaluation.h"
#include "session/training_setup.h"

namespace attune {

Result<AdaptationEvaluation> Adaptation::Impl::Evaluate() {
  ATTUNE_RETURN_IF_ERROR(Model().status());
  ATTUNE_RETURN_IF_ERROR(Refresh());
  const LanguageModelWeights& base = model_->weights();
  TrainingOptions options;
  options.arithmetic = options_.open.arithmetic;
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t row, RowLength(options, base.config));
  ATTUNE_ASSIGN_OR_RETURN(const ExampleSnapshot snapshot, Snapshot(nullptr));
  const DatasetSplit held_out{{}, snapshot.messages.held_out};
  ATTUNE_ASSIGN_OR_RETURN(const TrainingTexts texts,
                          EncodeTexts(model_->tokenizer(), held_out, row));
  if (texts.held_out.empty()) {
    return FailedPrecondition(StrCat("no held-out examples to test on, of ",
                                     snapshot.messages.train.size(), " examples of text"));
  }
  AdaptationEvaluation out;
  out.examples = texts.held_out_messages;
  ATTUNE_ASSIGN_OR_RETURN(const Evaluation bare,
                          EvaluateAdapter(platform_, base, nullptr, options, texts.held_out));
  out.tokens = bare.labels;
  out.base_loss = out.serving_loss = bare.loss();
  ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration serving, Adapters().LoadServing());
  out.serving = serving.entry.generation;
  if (out.serving == 0) return out;
  ATTUNE_ASSIGN_OR_RETURN(
      const PeftAdapter adapter,
      ParsePeftAdapter({std::move(serving.files.config), std::move(serving.files.weights)}));
  ATTUNE_ASSIGN_OR_RETURN(const Evaluation adapted,
                          EvaluateAdapter(platform_, base, &adapter, options, texts.held_out));
  out.serving_loss = adapted.loss();
  return out;
}

}  // namespace attune
