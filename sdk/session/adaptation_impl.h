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
#include "session/judge.h"
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
  std::vector<ExampleLoss> base{};    // Empty until they are measured.
  std::vector<Message> replayable{};  // The second half, if it may be learned.
  std::int64_t row_length = 0;        // Of the texts; 0: not read.
  bool halved = false;
  Arithmetic arithmetic = Arithmetic::kF32;
  BaseHash measured_on{};  // And encoded for.
};

// What a finished run offers to serve.
struct Candidate {
  const PeftFiles& files;  // As they will be stored.
  const TestTexts& held_out;
  const CanaryTexts& canaries;
  bool finite = true;  // All numbers of the files.
};

struct Judgement {
  GateDecision decision;
  std::uint64_t serving = 0;  // The generation it was compared with; 0: the bare base.
  std::int64_t canaries = 0;  // Planted ones; without any exposure was not measured.
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
  // That a run would learn or be tested on, recorded since what the newest generation
  // learned from, one that learned what was forgotten since left aside. Of any base
  // model. Reads what was recorded since, and only where something changed.
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

  // That it learns from.
  bool IsOfSource(const Example& example) const {
    return options_.source.empty() || example.source == options_.source;
  }
  // Of all examples, or of those in `only`; `stopping`: with a part to decide by when
  // to stop.
  Result<ExampleSnapshot> Snapshot(const std::vector<IdRange>* only, bool stopping = false);

  // Reads the anchors, unless they were read for such a run already; of no text where
  // there is no file. Valid until the next call.
  //
  //   kNotFound, kInvalidArgument  as ReadDataset()
  Result<AnchorSet*> Anchors(const RunOptions& options);

  // Has the gate judge the candidate. Takes memory as a test on held-out examples does.
  //
  //   kCancelled  `go_on` said no; it is asked before each micro-batch
  Result<Judgement> Judge(const Candidate& candidate, const RunOptions& options,
                          FunctionRef<bool()> go_on);

  // What a run can be asked for here.
  //
  //   kInvalidArgument  an option out of range, or replay without anchors
  Status CheckRun(const RunOptions& options) const;

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

  // What `new_examples_` was counted of.
  struct Counted {
    std::uint64_t after = 0;     // Id.
    std::uint64_t recorded = 0;  // With a larger one, of any source and kind.
    std::uint64_t manifest = 0;  // Generation; forgetting makes another.
    bool operator==(const Counted&) const = default;
  };
  Counted counted_;
  std::int64_t new_examples_ = 0;
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
