// A Job is one run of an Adaptation, from the recorded examples to a new
// generation, a step at a time: Begin(), run() until it is done, Finish().
//
// Durability: as Adaptation::Run().
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "session/adaptation_impl.h"
#include "session/adapter_evaluation.h"
#include "session/training_output.h"
#include "session/vault_state_store.h"

namespace attune {

class Adaptation::Impl::Job {
 public:
  // `adaptation` is not owned. Its model is open.
  Job(Impl& adaptation, const RunOptions& options);

  // Goes on from the newest saved state, if it may and there is one, or begins anew.
  // From here on other runs of this adapter cannot save any more.
  Status Begin();

  // REQUIRES: begun and not finished, as for what follows.
  TrainingRun& run() { return *run_; }

  // `failure` of the run, as it is. One that diverged begins anew the next time.
  Status EndFailed(Status failure);

  // Writes nothing before the first step, and where nothing has changed.
  Status Save();

  // Saves, judges the candidate and stores it as a generation, which serves if it was
  // found better. REQUIRES: run().done().
  //
  //   kCancelled  `go_on` said no: the next Begin() comes back to here
  Status Finish(FunctionRef<bool()> go_on);

  // Bytes that it takes, known since Begin() got so far, also where it was refused.
  std::int64_t memory_needed() const { return memory_needed_; }
  // The number of this run.
  std::uint64_t number() const { return checkpoints_.run(); }
  // As of now.
  const RunReport& report();
  // Of Finish().
  const Judgement& judgement() const { return judgement_; }

 private:
  // Steps and tests done.
  struct Point {
    std::int64_t step = 0;
    std::size_t tests = 0;
    bool operator==(const Point&) const = default;
  };
  Point Reached() const;
  Status Prepare(ExampleSnapshot snapshot);
  Status LearnAlong(std::int64_t row_length, std::vector<Message>* train);
  Status Start();
  Status TryToResume();
  Status GoOnFrom(Checkpoint checkpoint);
  bool LooksForTheBest() const { return options_.training.patience > 0; }
  Status Leave();
  Status Store(const PeftFiles& files, const SafetensorsMetadata& metadata);
  Provenance ProvenanceOf(const SafetensorsMetadata& metadata) const;

  Impl& adaptation_;
  ServedModel& model_;
  const RunOptions options_;
  CheckpointStore checkpoints_;
  std::unique_ptr<VaultStateStore> store_;
  std::unique_ptr<TrainingRun> run_;
  TestTexts held_out_;
  CanaryTexts canaries_;
  std::vector<IdRange> seen_;
  CurveFiles curve_;
  std::int64_t memory_needed_ = 0;
  Point saved_;
  Judgement judgement_;
  RunReport report_;
};

}  // namespace attune
