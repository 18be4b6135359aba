#include "session/judge.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "session/probes.h"
#include "session/training_setup.h"
#include "train/canary.h"

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

  // Bits, of the canary that stands out most.
  Result<double> MeasureExposure() const {
    if (input_.canaries == nullptr || input_.canaries->planted == 0) return 0.0;
    ATTUNE_ASSIGN_OR_RETURN(const auto before, Measure(nullptr, &input_.canaries->texts));
    ATTUNE_ASSIGN_OR_RETURN(const auto after, Measure(input_.candidate, &input_.canaries->texts));
    std::vector<double> gains;
    for (std::size_t i = 0; i < after.size(); ++i) gains.push_back(before[i].nats - after[i].nats);
    const std::span<const double> planted = std::span(gains).first(input_.canaries->planted);
    double most = 0;
    for (const double gain : planted) {
      most = std::max(most, ExposureOf(gain, std::span(gains).subspan(planted.size())));
    }
    return most;
  }

  // What is slow must be slow each time: a busy moment is no reason to reject.
  Result<Probes> Probe(double max_slowdown) const {
    constexpr int kTimes = 3;
    const EvaluationSetup setup = EvaluationSetupOf(options_, /*row_length=*/2, /*labels=*/1);
    Probes probes;
    probes.slowdown = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kTimes && !(probes.slowdown <= max_slowdown); ++i) {
      ATTUNE_ASSIGN_OR_RETURN(Probes again, ProbeAdapter(platform_, *input_.base, *input_.tokenizer,
                                                         *input_.candidate, setup.compile, go_on_));
      again.slowdown = std::min(again.slowdown, probes.slowdown);
      probes = again;
      if (!probes.finite || max_slowdown == 0) break;
    }
    return probes;
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
  ATTUNE_ASSIGN_OR_RETURN(Probes probes, judge.Probe(gate.max_slowdown));
  if (!probes.finite) return RejectNotFinite();
  ATTUNE_ASSIGN_OR_RETURN(probes.exposure, judge.MeasureExposure());
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
