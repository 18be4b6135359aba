// Whether a finished run's adapter is to serve.

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/strings.h"
#include "session/adaptation_impl.h"
#include "session/adapter_evaluation.h"

namespace attune {
namespace {

// Shortest text that reads back the same number.
std::string Text(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

GateDecision Decide(const Candidate& candidate, double serving_loss) {
  GateDecision decision;
  decision.candidate_loss = candidate.loss;
  decision.serving_loss = serving_loss;
  decision.base_loss = candidate.base_loss;
  if (candidate.held_out.empty()) {  // Nothing speaks against it.
    decision.verdict = GateVerdict::kPromote;
    decision.reason = GateReason::kNone;
  } else if (candidate.loss < std::min(serving_loss, candidate.base_loss)) {
    decision.verdict = GateVerdict::kPromote;
    decision.reason = GateReason::kBetter;
  } else {
    decision.verdict = GateVerdict::kKeep;
    decision.reason = candidate.loss < candidate.base_loss ? GateReason::kNotBetterThanServing
                                                           : GateReason::kNotBetterThanBase;
  }
  return decision;
}

}  // namespace

Result<Judgement> Adaptation::Impl::Judge(const Candidate& candidate, const RunOptions& options,
                                          FunctionRef<bool()> go_on) {
  ATTUNE_RETURN_IF_ERROR(Refresh());
  ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration serving, Adapters().LoadServing());
  double serving_loss = candidate.base_loss;
  if (!candidate.held_out.empty() && serving.entry.generation != 0) {
    ATTUNE_ASSIGN_OR_RETURN(
        const PeftAdapter adapter,
        ParsePeftAdapter({std::move(serving.files.config), std::move(serving.files.weights)}));
    ATTUNE_ASSIGN_OR_RETURN(
        const Evaluation evaluation,
        EvaluateAdapter(platform_, model_->weights(), &adapter, options.training,
                        candidate.held_out, [go_on] { return go_on(); }));
    serving_loss = evaluation.loss();
  }
  return Judgement{Decide(candidate, serving_loss), serving.entry.generation};
}

void Describe(const Judgement& judgement, Provenance* provenance) {
  const GateDecision& decision = judgement.decision;
  (*provenance)["base_loss"] = Text(decision.base_loss);
  (*provenance)["candidate_loss"] = Text(decision.candidate_loss);
  (*provenance)["serving_generation"] = StrCat(judgement.serving);
  (*provenance)["serving_loss"] = Text(decision.serving_loss);
}

}  // namespace attune
