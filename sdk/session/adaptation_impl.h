// What Adaptation is made of; its parts lie in adaptation*.cc.
//
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attune/adaptation.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "formats/peft.h"
#include "session/adapter_evaluation.h"
#include "session/dataset.h"
#include "session/platform.h"
#include "session/served_model.h"
#include "session/training_run.h"
#include "train/gate.h"
#include "vault/adapter_store.h"
#include "vault/checkpoint_store.h"
#include "vault/example_store.h"
#include "vault/vault.h"

namespace attune {

// What a run learns from and is tested on: the texts as they were when it began.
struct ExampleSnapshot {
  DatasetSplit messages;
  std::vector<IdRange> seen;
  std::int64_t skipped = 0;
  std::int64_t damaged = 0;
};

// Texts that the base is known for, and how it does on them.
struct AnchorSet {
  TestTexts texts{};
  std::vector<ExampleLoss> base{};  // Empty until they are measured.
  std::int64_t row_length = 0;      // Of the texts; 0: not read.
  Arithmetic arithmetic = Arithmetic::kF32;
};

// What a finished run offers to serve.
struct Candidate {
  const PeftFiles& files;  // As they will be stored.
  const TestTexts& held_out;
  bool finite = true;   // All numbers of the files.
  double exposure = 0;  // Bits, of planted texts; see train/canary.h.
};

struct Judgement {
  GateDecision decision;
  std::uint64_t serving = 0;  // The generation it was compared with; 0: the bare base.
};

// Adds what a generation keeps of its judgement: figures and reasons.
void Describe(const Judgement& judgement, Provenance* provenance);

// See Adaptation::ExportExamples().
Status WriteExamples(FileSystem& files, ExampleStore& examples, const std::string& path);

class Adaptation::Impl {
 public:
  static Result<std::unique_ptr<Impl>> Open(const Platform& platform,
                                            const AdaptationOptions& options);

  ExampleStore& examples() { return *examples_; }

  Result<RunReport> Run(const RunOptions& options, const TrainingCallback& on_step);
  Result<AdaptationEvaluation> Evaluate();

  // Opens the model if there is one to open, and puts in force what should serve.
  Status Refresh();
  std::vector<GenerationInfo> Generations() const;
  std::uint64_t serving() const;
  Status Promote(std::uint64_t generation);
  Result<std::uint64_t> Rollback();
  Result<OutcomeReport> ReportOutcome(const Outcome& outcome);
  // Recorded since what the newest generation learned from, one that learned what was
  // forgotten since left aside. Of any base model. Reads no example but those of the
  // open segment that it has not seen.
  Result<std::int64_t> CountNewExamples();
  Result<Forgotten> Forget(const ForgetQuery& query);
  Status ExportAdapter(std::uint64_t generation, const std::string& directory);
  Status ExportExamples(const std::string& path) {
    return WriteExamples(*platform_.files, *examples_, path);
  }

  // The model with the adapter that serves.
  //
  //   kFailedPrecondition  opened without a model
  Result<ServedModel*> Model();
  // To predict with: looks first whether something else serves by now, if nobody
  // has for a while.
  Result<ServedModel*> ModelInForce();

 private:
  Impl(const Platform& platform, const AdaptationOptions& options)
      : platform_(platform), options_(options) {}

  // Of the open model, or else of what serves.
  BaseHash base() const;
  AdapterStore Adapters(const BaseHash& base) const;
  AdapterStore Adapters() const { return Adapters(base()); }
  Status OpenModel();
  // Gives its memory back; whoever needs it opens it again.
  void CloseModel() {
    model_.reset();
    in_force_ = 0;
  }
  Status PutInForce();

  // Of all examples, or of those in `only`; `stopping`: with a part to decide by when
  // to stop.
  Result<ExampleSnapshot> Snapshot(const std::vector<IdRange>* only, bool stopping = false);

  // Reads the anchors, unless they were read for such a run already; of no text where
  // there is no file. Valid until the next call.
  //
  //   kNotFound, kInvalidArgument  as ReadDataset()
  Result<AnchorSet*> Anchors(const TrainingOptions& options);

  // Has the gate judge the candidate. Takes memory as a test on held-out examples does.
  //
  //   kCancelled  `go_on` said no; it is asked before each micro-batch
  Result<Judgement> Judge(const Candidate& candidate, const RunOptions& options,
                          FunctionRef<bool()> go_on);

  friend class AdaptationWork;
  class Job;  // session/adaptation_job.h
  Result<std::unique_ptr<Job>> MakeJob(const RunOptions& options);

  const Platform platform_;
  const AdaptationOptions options_;
  std::unique_ptr<Vault> vault_;
  std::unique_ptr<ExampleStore> examples_;

  std::unique_ptr<ServedModel> model_;  // Null until it is needed.
  BaseHash base_{};
  std::uint64_t in_force_ = 0;
  double looked_at_ = 0;  // The clock when Refresh() was called last.
  AnchorSet anchors_;
};

// The base of the generation that would serve if its model were open; zeros if
// there is none.
BaseHash ServedBase(const Manifest& manifest, const std::string& adapter);

std::vector<GenerationInfo> DescribeGenerations(const Manifest& manifest,
                                                const std::string& adapter, std::uint64_t serving);

//   kFailedPrecondition  the platform has no keys
Result<std::unique_ptr<Vault>> OpenVault(const Platform& platform, const std::string& directory,
                                         bool create);

}  // namespace attune
