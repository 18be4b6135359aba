#include "session/judge.h"

#include <utility>

#include "session/probes.h"
#include "session/training_setup.h"

namespace attune {
namespace {

// Measures one model after the other on the texts.
class Judge {
 public:
  Judge(const Platform& platform, const JudgeInput& input, const TrainingOptions& options,
        FunctionRef<bool()> go_on)
      : platform_(platform), input_(input), options_(options), go_on_(go_on) {}

  Result<std::vector<ExampleLoss>> Measure(const PeftAdapter* adapter,
                                           const TestTexts* texts) const {
    if (texts == nullptr) return std::vector<ExampleLoss>{};
    return EvaluateEach(platform_, *input_.base, adapter, options_, *texts,
                        [this] { return go_on_(); });
  }

  Result<std::vector<ExampleLoss>> MeasureAnchorsOfBase() const {
    if (input_.anchors == nullptr) return std::vector<ExampleLoss>{};
    std::vector<ExampleLoss>* known = input_.anchor_base;
    if (known != nullptr && known->size() == input_.anchors->ends.size()) return *known;
    auto losses = Measure(nullptr, input_.anchors);
    if (losses.ok() && known != nullptr) *known = *losses;
    return losses;
  }

  Result<Probes> Probe() const {
    const EvaluationSetup setup = EvaluationSetupOf(options_, /*row_length=*/2, /*labels=*/1);
    return ProbeAdapter(platform_, *input_.base, *input_.tokenizer, *input_.candidate,
                        setup.compile, go_on_);
  }

 private:
  const Platform& platform_;
  const JudgeInput& input_;
  const TrainingOptions& options_;
  const FunctionRef<bool()> go_on_;
};

}  // namespace

GateDecision RejectNotFinite() {
  GateInput input;
  input.probes.finite = false;
  return JudgeCandidate(input, {}, /*seed=*/0);
}

Result<GateDecision> JudgeAdapter(const Platform& platform, const JudgeInput& input,
                                  const TrainingOptions& options, const GateOptions& gate,
                                  FunctionRef<bool()> go_on) {
  ATTUNE_RETURN_IF_ERROR(Check(gate));
  const Judge judge(platform, input, options, go_on);
  ATTUNE_ASSIGN_OR_RETURN(Probes probes, judge.Probe());
  if (!probes.finite) return RejectNotFinite();
  probes.exposure = input.exposure;
  ATTUNE_ASSIGN_OR_RETURN(const auto base, judge.Measure(nullptr, input.held_out));
  std::vector<ExampleLoss> serving = base;
  if (input.serving != nullptr) {
    ATTUNE_ASSIGN_OR_RETURN(serving, judge.Measure(input.serving, input.held_out));
  }
  ATTUNE_ASSIGN_OR_RETURN(const auto candidate, judge.Measure(input.candidate, input.held_out));
  ATTUNE_ASSIGN_OR_RETURN(const auto anchor_base, judge.MeasureAnchorsOfBase());
  ATTUNE_ASSIGN_OR_RETURN(const auto anchor_candidate,
                          judge.Measure(input.candidate, input.anchors));
  return JudgeCandidate({candidate, serving, base, anchor_candidate, anchor_base, probes}, gate,
                        options.seed);
}

}  // namespace attune
