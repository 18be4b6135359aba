#include "session/adaptation_work.h"

#include <algorithm>
#include <utility>

#include "session/adaptation_job.h"

namespace attune {
namespace {

LedgerEvent EventOf(const RunReport& report, GateVerdict verdict) {
  if (report.promoted) return LedgerEvent::kPromoted;
  return verdict == GateVerdict::kReject ? LedgerEvent::kRejected : LedgerEvent::kKept;
}

}  // namespace

struct AdaptationWork::Opened {
  std::unique_ptr<Adaptation::Impl::Job> job;
  std::int64_t taken = 0;   // By the model, of what training is said to need.
  std::int64_t budget = 0;  // Of all that; 0: none.
};

AdaptationWork::AdaptationWork(std::unique_ptr<Adaptation::Impl> impl,
                               const AdaptationOptions& options, const RunOptions& run)
    : options_(options), run_(run), impl_(std::move(impl)) {}
AdaptationWork::~AdaptationWork() = default;

Result<std::unique_ptr<AdaptationWork>> AdaptationWork::Open(const Platform& platform,
                                                             const AdaptationOptions& options,
                                                             const RunOptions& run) {
  ATTUNE_ASSIGN_OR_RETURN(auto impl, Adaptation::Impl::Open(platform, options));
  ATTUNE_RETURN_IF_ERROR(impl->CheckRun(run));
  return std::unique_ptr<AdaptationWork>(new AdaptationWork(std::move(impl), options, run));
}

Result<WorkNeeds> AdaptationWork::Needs() {
  WorkNeeds needs;
  needs.memory_needed = memory_needed_;
  ATTUNE_ASSIGN_OR_RETURN(needs.new_examples, impl_->CountNewExamples());
  for (const CheckpointEntry& entry : impl_->vault_->manifest().checkpoints) {
    if (entry.adapter != options_.adapter || entry.tainted || !run_.resume) continue;
    needs.unfinished = true;
    needs.step = static_cast<std::int64_t>(entry.step);
  }
  return needs;
}

Status AdaptationWork::MakeJob(std::int64_t memory_available) {
  ATTUNE_ASSIGN_OR_RETURN(const ServedModel* const model, impl_->Model());
  open_->taken = model->weights().copied_bytes + model->adapter_bytes();
  RunOptions run = run_;
  std::int64_t& budget = run.training.memory_budget_bytes;
  if (memory_available >= 0) {
    const std::int64_t there_is = std::max<std::int64_t>(memory_available + open_->taken, 1);
    budget = budget > 0 ? std::min(budget, there_is) : there_is;
  }
  open_->budget = budget;
  ATTUNE_ASSIGN_OR_RETURN(open_->job, impl_->MakeJob(run));
  return OkStatus();
}

Result<WorkProgress> AdaptationWork::Begin(std::int64_t memory_available,
                                           std::int64_t* memory_needed) {
  stepped_ = false;
  open_ = std::make_unique<Opened>();
  ATTUNE_RETURN_IF_ERROR(MakeJob(memory_available));
  const Status begun = open_->job->Begin();
  const std::int64_t needed = open_->job->memory_needed();
  if (needed > 0) memory_needed_ = needed - open_->taken;
  // Else it is the disk that is short.
  if (open_->budget > 0 && needed > open_->budget) *memory_needed = memory_needed_;
  ATTUNE_RETURN_IF_ERROR(begun);
  return Progress();
}

WorkProgress AdaptationWork::Progress() const {
  Adaptation::Impl::Job& job = *open_->job;
  const RunReport& report = job.report();
  return {.run = job.number(),
          .step = report.training.steps,
          .steps = run_.training.steps,
          .resumed = report.resumed_at_step > 0,
          .done = report.training.finished};
}

Result<WorkProgress> AdaptationWork::Step(FunctionRef<bool()> go_on) {
  Result<TrainingRun::Advanced> advanced = open_->job->run().Advance(go_on);
  if (!advanced.ok()) return open_->job->EndFailed(std::move(advanced).status());
  stepped_ = advanced->stepped;
  if (stepped_) event_ = std::move(advanced->event);
  return Progress();
}

Status AdaptationWork::Save() { return open_->job->Save(); }

Result<WorkVerdict> AdaptationWork::Conclude(FunctionRef<bool()> go_on) {
  ATTUNE_RETURN_IF_ERROR(open_->job->Finish(go_on));
  const RunReport& report = open_->job->report();
  // Told as a verdict it would clear the failures, and be made again every night.
  if (report.generation == 0) {
    return FailedPrecondition("training: the adapter's numbers are not finite");
  }
  const GateDecision& decision = open_->job->judgement().decision;
  return WorkVerdict{.event = EventOf(report, decision.verdict),
                     .generation = report.generation,
                     .gate_reason = static_cast<std::uint8_t>(decision.reason),
                     .base_loss = decision.base_loss,
                     .serving_loss = decision.serving_loss,
                     .candidate_loss = decision.candidate_loss,
                     .gain_low = decision.gain_over_serving_low,
                     .anchor_change = decision.anchor_change};
}

void AdaptationWork::End() {
  open_.reset();
  impl_->CloseModel();
}

}  // namespace attune
