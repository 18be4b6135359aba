// Training on a vault, in one go.

#include <utility>

#include "session/adaptation_job.h"
#include "session/training_setup.h"

namespace attune {

Result<std::unique_ptr<Adaptation::Impl::Job>> Adaptation::Impl::MakeJob(
    const RunOptions& options) {
  ATTUNE_RETURN_IF_ERROR(CheckOptions(options.training));
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
  ATTUNE_RETURN_IF_ERROR(job->run().Train(on_step));
  if (job->report().training.finished) {
    ATTUNE_RETURN_IF_ERROR(job->Finish([] { return true; }));
  }
  return job->report();
}

}  // namespace attune
