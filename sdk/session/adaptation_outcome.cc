// What users make of what was learned, and how much there is to learn since.

#include <limits>

#include "base/strings.h"
#include "session/adaptation_impl.h"
#include "train/outcome.h"

namespace attune {
namespace {

Status CheckOutcome(const Outcome& outcome) {
  const auto most = static_cast<std::int64_t>(kMaxOutcomes);
  if (outcome.accepted < 0 || outcome.accepted > outcome.shown || outcome.shown > most) {
    return InvalidArgument(StrCat("outcome: ", outcome.accepted, " accepted of ", outcome.shown,
                                  " shown, allowed 0 to all of at most ", most));
  }
  return OkStatus();
}

}  // namespace

Result<OutcomeReport> Adaptation::Impl::ReportOutcome(const Outcome& outcome) {
  ATTUNE_RETURN_IF_ERROR(CheckOutcome(outcome));
  // Not what the vault says by now: what made the suggestions.
  const std::uint64_t generation = serving();
  // Which bare base it was, only the model tells.
  if (generation == 0) ATTUNE_RETURN_IF_ERROR(Model().status());
  AdapterStore adapters = Adapters();
  OutcomeVerdict verdict;
  const auto judge = [&](const AdapterStore::Outcomes& counts) {
    verdict = JudgeOutcome(CountsOf(counts.earlier), CountsOf(counts.now), CountsOf(counts.before),
                           options_.outcomes);
    return verdict.worse && options_.outcomes.roll_back;
  };
  ATTUNE_ASSIGN_OR_RETURN(const AdapterStore::Outcomes counts,
                          adapters.AddOutcome(generation, static_cast<std::uint64_t>(outcome.shown),
                                              static_cast<std::uint64_t>(outcome.accepted), judge));
  if (counts.rolled_back && model_ != nullptr) ATTUNE_RETURN_IF_ERROR(PutInForce());
  OutcomeReport report;
  report.generation = generation;
  report.outcome = CountsOf(counts.now);
  report.before = counts.before_generation;
  report.outcome_before = CountsOf(counts.before);
  report.p_value = verdict.p_value;
  report.worse = verdict.worse;
  report.rolled_back = counts.rolled_back;
  report.serving = counts.serving;
  return report;
}

Result<std::int64_t> Adaptation::Impl::CountNewExamples() {
  ATTUNE_RETURN_IF_ERROR(vault_->Refresh());
  Counted now;
  now.after = Adapters().LastSeen();
  ATTUNE_ASSIGN_OR_RETURN(now.recorded, examples_->CountAfter(now.after));
  now.manifest = vault_->manifest().generation;
  if (now == counted_) return new_examples_;
  std::int64_t count = 0;
  const auto look = [&](const StoredExample& stored) {
    count += IsOfSource(stored.example) && stored.example.kind != ExampleKind::kLabelledBlob;
    return true;
  };
  if (now.recorded > 0) {
    constexpr std::uint64_t kNewest = std::numeric_limits<std::uint64_t>::max();
    ATTUNE_RETURN_IF_ERROR(examples_->ForEachOf({{now.after + 1, kNewest}}, look).status());
  }
  counted_ = now;
  new_examples_ = count;
  return count;
}

}  // namespace attune
