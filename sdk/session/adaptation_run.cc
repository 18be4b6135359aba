// Training on a vault, in one go.

#include <utility>

#include "base/strings.h"
#include "session/adaptation_job.h"
#include "session/training_setup.h"

namespace attune {
namespace {

constexpr std::int64_t kMaxCanaries = 64;

}  // namespace

Status Adaptation::Impl::CheckRun(const RunOptions& options) const {
  ATTUNE_RETURN_IF_ERROR(CheckOptions(options.training));
  ATTUNE_RETURN_IF_ERROR(Check(options.gate));
  if (!(options.replay >= 0 && options.replay <= 0.5)) {
    return InvalidArgument(StrCat("replay ", options.replay, ", allowed 0 to 0.5"));
  }
  if (options.replay > 0 && options_.anchor.empty()) {
    return InvalidArgument(
        StrCat("replay ", options.replay, " of 0 anchors: set a file of anchors, or 0"));
  }
  if (options.canaries < 0 || options.canaries > kMaxCanaries) {
    return InvalidArgument(StrCat("canaries: ", options.canaries, ", allowed 0 to ", kMaxCanaries));
  }
  return OkStatus();
}

Result<std::unique_ptr<Adaptation::Impl::Job>> Adaptation::Impl::MakeJob(
    const RunOptions& options) {
  ATTUNE_RETURN_IF_ERROR(CheckRun(options));
  ATTUNE_RETURN_IF_ERROR(Model().status());
  ATTUNE_RETURN_IF_ERROR(Refresh());
  // Training needs the memory; prediction makes its programs again.
  model_->DropExecutables();
  return std::make_unique<Job>(*this, options);
}

Result<RunReport> Adaptation::Impl::Run(const RunOptions& options,
                                        const TrainingCallback& on_step) {
  ATTUNE_ASSIGN_OR_RETURN(const std::unique_ptr<Job> job, MakeJob(options));
  ATTUNE_RETURN_IF_ERROR(job->Begin());
  if (Status trained = job->run().Train(on_step); !trained.ok()) {
    return job->EndFailed(std::move(trained));
  }
  if (job->report().training.finished) {
    ATTUNE_RETURN_IF_ERROR(job->Finish([] { return true; }));
  }
  return job->report();
}

}  // namespace attune
