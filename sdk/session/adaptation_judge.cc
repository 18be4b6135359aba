// Whether a finished run's adapter is to serve.

#include <charconv>
#include <iterator>
#include <utility>

#include "base/strings.h"
#include "session/adaptation_impl.h"
#include "session/adapter_evaluation.h"
#include "session/judge.h"
#include "session/training_setup.h"

namespace attune {
namespace {

// Shortest text that reads back the same number.
std::string Text(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

std::string_view VerdictName(GateVerdict verdict) {
  switch (verdict) {
    case GateVerdict::kPromote:
      return "promote";
    case GateVerdict::kKeep:
      return "keep";
    case GateVerdict::kReject:
      return "reject";
  }
  return "unknown";
}

}  // namespace

Result<AnchorSet*> Adaptation::Impl::Anchors(const RunOptions& options) {
  const Arithmetic arithmetic = options.training.arithmetic;
  const bool halved = options.replay > 0;
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t row,
                          RowLength(options.training, model_->weights().config));
  const bool known = anchors_.row_length == row && anchors_.arithmetic == arithmetic &&
                     anchors_.halved == halved && anchors_.measured_on == base_;
  if (options_.anchor.empty() || known) return &anchors_;
  ATTUNE_ASSIGN_OR_RETURN(Dataset dataset, ReadDataset(*platform_.files, options_.anchor));
  AnchorSet read{
      .row_length = row, .halved = halved, .arithmetic = arithmetic, .measured_on = base_};
  // What is learned must not be what is judged by.
  if (halved) {
    const auto middle =
        dataset.messages.begin() + static_cast<std::ptrdiff_t>((dataset.messages.size() + 1) / 2);
    read.replayable.assign(std::make_move_iterator(middle),
                           std::make_move_iterator(dataset.messages.end()));
    dataset.messages.erase(middle, dataset.messages.end());
  }
  ATTUNE_ASSIGN_OR_RETURN(
      read.texts, EncodeTests(model_->tokenizer(),
                              Thinned(std::move(dataset.messages), options_.anchor_examples), row));
  if (read.texts.ends.empty()) {
    return InvalidArgument(StrCat(BaseName(options_.anchor), ": anchors of 0 tokens"));
  }
  anchors_ = std::move(read);
  return &anchors_;
}

Result<Judgement> Adaptation::Impl::Judge(const Candidate& candidate, const RunOptions& options,
                                          FunctionRef<bool()> go_on) {
  ATTUNE_RETURN_IF_ERROR(Refresh());
  ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration serving, Adapters().LoadServing());
  Judgement judgement;
  judgement.serving = serving.entry.generation;
  judgement.canaries = static_cast<std::int64_t>(candidate.canaries.planted);
  if (!candidate.finite) {
    judgement.decision = RejectNotFinite();
    return judgement;
  }
  ATTUNE_ASSIGN_OR_RETURN(const PeftAdapter adapter, ParsePeftAdapter(candidate.files));
  PeftAdapter served;
  if (judgement.serving != 0) {
    ATTUNE_ASSIGN_OR_RETURN(served, ParsePeftAdapter({std::move(serving.files.config),
                                                      std::move(serving.files.weights)}));
  }
  ATTUNE_ASSIGN_OR_RETURN(AnchorSet * anchors, Anchors(options));
  const JudgeInput input{.base = &model_->weights(),
                         .tokenizer = &model_->tokenizer(),
                         .candidate = &adapter,
                         .serving = judgement.serving == 0 ? nullptr : &served,
                         .held_out = &candidate.held_out,
                         .anchors = &anchors->texts,
                         .anchor_base = &anchors->base,
                         .canaries = &candidate.canaries};
  ATTUNE_ASSIGN_OR_RETURN(judgement.decision,
                          JudgeAdapter(platform_, input, options.training, options.gate, go_on));
  return judgement;
}

void Describe(const Judgement& judgement, Provenance* provenance) {
  const GateDecision& decision = judgement.decision;
  Provenance& p = *provenance;
  p["base_loss"] = Text(decision.base_loss);
  p["candidate_loss"] = Text(decision.candidate_loss);
  p["serving_generation"] = StrCat(judgement.serving);
  p["serving_loss"] = Text(decision.serving_loss);
  p["gate_verdict"] = VerdictName(decision.verdict);
  p["gate_reason"] = GateReasonName(decision.reason);
  p["gate_examples"] = StrCat(decision.examples);
  p["gain_over_serving"] = Text(decision.gain_over_serving);
  p["gain_over_serving_low"] = Text(decision.gain_over_serving_low);
  p["gain_over_base"] = Text(decision.gain_over_base);
  p["gain_over_base_low"] = Text(decision.gain_over_base_low);
  p["gate_anchors"] = StrCat(decision.anchors);
  p["anchor_change"] = Text(decision.anchor_change);
  p["anchor_change_high"] = Text(decision.anchor_change_high);
  p["slowdown"] = Text(decision.probes.slowdown);
  if (judgement.canaries == 0) return;
  p["canaries"] = StrCat(judgement.canaries);
  p["exposure"] = Text(decision.probes.exposure);
}

}  // namespace attune
