// An Adaptation is a base model that learns one user's ways: it records
// examples, trains an adapter on them, serves the best one so far, and forgets
// what it is asked to. All it keeps lies sealed in a vault.
//
//   auto adaptation = Adaptation::Open(platform, options);
//   (*adaptation)->Record({.text = "see you at the harbour", .source = "messages"});
//   (*adaptation)->Run({});                            // At night, say.
//   (*adaptation)->Generate("see you ");               // With what it learned.
//
// Durability: a recorded example, a saved state and a promotion survive a process
// kill and a power failure at any later instant. A killed Run() goes on from its
// last saved state, bit for bit as if it had not been killed (f32, equal workers).
// Privacy: nothing of the user is written outside of the vault, except by the two
// Export calls.
// Processes: a keyboard may record while an app trains; the vault's writers take
// turns for the moment of a write. Of two runs of one adapter the later goes on and
// the earlier one stops at its next save.
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attune/example.h"
#include "attune/gate.h"
#include "attune/language_model.h"
#include "attune/outcome.h"
#include "attune/status.h"
#include "attune/training.h"
#include "attune/vault.h"

namespace attune {

struct Platform;

struct AdaptationOptions {
  // --- What it works on ---

  // As for LanguageModel::Open(). It is opened by the first call that needs it.
  // Empty: recording, listing, forgetting, promoting and exporting do without.
  std::string model{};
  OpenOptions open;
  std::string vault{};  // Directory.
  bool create_vault = true;
  // One vault can hold adapters of several models: [a-z0-9._-], 64 at most.
  std::string adapter = "default";

  // --- What it learns from ---

  ExamplePolicy examples;
  std::string source{};  // Examples of this source only; empty: all.
  // The latest part of the examples is not learned but tested on.
  double held_out_fraction = 0.1;
  std::int64_t held_out_examples = 1000;  // At most.
  // Of the others, the latest part, to decide when to stop; only where a run has
  // patience (TrainingOptions), and 20 at least.
  double stopping_fraction = 0.05;
  // What is nearly the same as an earlier example is not tested on, or the test would
  // ask what was learned by heart; see session/splits.h. True: it is.
  bool keep_near_duplicates = false;

  // --- What it must not unlearn ---

  // A file of texts that everybody writes, as `attune train --data` reads, that ships
  // with the base model. Empty: forgetting is not judged.
  std::string anchor{};
  std::int64_t anchor_examples = 200;  // At most, evenly chosen.

  // --- What it keeps ---

  int keep_checkpoints = 2;
  int keep_generations = 3;  // Besides the one that serves.

  // --- When what was learned is given up ---

  OutcomeOptions outcomes;
};

struct RunOptions {
  // Cautious, so that the model does not unlearn what everybody writes: the setting
  // that docs/performance.md measures on seven people. An initializer in its place
  // starts from TrainingOptions' own steps and rate, which forget more; set members.
  TrainingOptions training{.steps = 50, .learning_rate = 5e-4};

  // Save a sealed state every so many steps. 0: only when it stops, early or done.
  std::int64_t checkpoint_every = 25;
  // Go on from the newest saved state, if it is of these options, this base and
  // examples that are all still there: the run learns from those it began with,
  // not from what was recorded since. False: start anew.
  bool resume = true;
  // Save and stop once so many steps are done. 0: at the end only.
  std::int64_t stop_at_step = 0;
  // Against forgetting: so much of what is learned are texts of the second half of the
  // anchors, evenly chosen; at most all of them. The gate then judges by the first
  // half alone. 0 to 0.5.
  double replay = 0;
  // Made-up texts of random digits that are learned along, to measure by how much
  // such a text stands out afterwards (GateOptions::max_exposure): at most 64. 0: it
  // is not measured.
  std::int64_t canaries = 0;
  // What the new generation must show, on the held-out examples and on the anchors.
  // Without enough of the former it is kept, and Promote() is up to you.
  GateOptions gate;
  // Serve the new generation at once if the gate lets it pass. False: never.
  bool promote_if_better = true;
};

struct RunReport {
  TrainingReport training;
  std::int64_t resumed_at_step = 0;  // 0: from the start.
  // Why a saved state there was could not be gone on from; else empty.
  std::string not_resumed;
  // The new one; 0 if the run has not finished, or if its numbers are not finite.
  std::uint64_t generation = 0;
  bool promoted = false;
  GateDecision gate;  // What speaks for the new generation, and against it.
  // Nats per token on the held-out examples; 0 without any. The bare base's is
  // training.loss_before.
  double serving_loss = 0;  // Of what served before: an adapter or the bare base.
  double candidate_loss = 0;
  std::int64_t skipped_examples = 0;   // Labelled blobs: no text for a language model.
  std::int64_t damaged_examples = 0;   // Could not be read; the rest was learned.
  std::int64_t near_duplicates = 0;    // Of earlier examples: not tested on.
  std::int64_t replayed_messages = 0;  // Of the anchors, learned along.
  int damaged_checkpoints = 0;         // Put into quarantine on the way to a good one.
};

struct AdaptationEvaluation {
  std::int64_t examples = 0;  // Held out.
  std::int64_t tokens = 0;
  double base_loss = 0;  // Nats per token.
  double serving_loss = 0;
  std::uint64_t serving = 0;  // Which one; 0: the bare base.
};

// What was forgotten, by id, by words in it, by source or by age: examples that
// fit every field that is set.
struct ForgetQuery {
  std::vector<std::uint64_t> ids{};
  std::string containing{};  // Bytes of the text, prompt or label.
  std::string source{};
  std::int64_t from = 0;  // Unix seconds; 0: any.
  std::int64_t before = 0;
};

struct Forgotten {
  std::uint64_t examples = 0;
  std::uint64_t tainted_generations = 0;
  std::uint64_t dropped_checkpoints = 0;
  // Examples that could not be read and remain, and files of them in quarantine: what
  // was to be forgotten may be among them.
  std::uint64_t unreadable = 0;
  // What serves now: the newest generation that never saw them, or 0.
  std::uint64_t serving = 0;
};

class Adaptation {
 public:
  // Opens the vault, or makes one. The model is opened by the first call that
  // needs it, which then has the errors of LanguageModel::Open(), and reads all
  // of it once to know which base model it is.
  //
  //   kInvalidArgument     an option out of range
  //   kNotFound            no vault, and create_vault is false
  //   kUnavailable         the keys cannot be had now (locked device): retry later
  //   kFailedPrecondition  no key for this vault, a wrong passphrase, or files older
  //                        than what was committed last; a platform without keys
  //   kDataLoss            the vault's manifest is damaged
  static Result<std::unique_ptr<Adaptation>> Open(const Platform& platform,
                                                  const AdaptationOptions& options);
  ~Adaptation();
  Adaptation(const Adaptation&) = delete;
  Adaptation& operator=(const Adaptation&) = delete;

  // Stores an example, or says why it may not be stored. Durable on return.
  Result<Recorded> Record(const Example& example);

  // Trains a new generation of the adapter on the recorded examples, or goes on
  // with the run that was stopped or killed. The examples that the policy
  // keeps no longer are dropped before a new run; where it goes on with one that
  // began with them, once that has finished. When the callback returns false the state is
  // saved and the run stops within a step.
  //
  //   kInvalidArgument     an option out of range, or replay without anchors
  //   kNotFound            no file of anchors
  //   kFailedPrecondition  nothing to learn from, another run took over, examples
  //                        were forgotten meanwhile (nothing of them is stored; run
  //                        again), or training diverged
  //   kResourceExhausted   over the memory budget, or no disk space
  Result<RunReport> Run(const RunOptions& options, const TrainingCallback& on_step = nullptr);

  // Losses of the bare base and of what serves, on the held-out examples.
  //
  //   kFailedPrecondition  there are none
  Result<AdaptationEvaluation> Evaluate();

  // --- Which generation serves ---

  // Puts in force what another process has promoted or forgotten since. So do Run(),
  // Evaluate(), Promote(), Rollback(), Forget() and ExportAdapter(); predicting does
  // if nobody has looked for kLookAgainSeconds, which costs one small read.
  Status Refresh();
  static constexpr double kLookAgainSeconds = 5;

  // Oldest first, as of the last call that looked.
  std::vector<GenerationInfo> Generations() const;
  // 0: the bare base. As of the last call that looked.
  std::uint64_t serving() const;
  // Serves this generation from now on; 0: the bare base.
  //
  //   kNotFound            there is no such generation
  //   kFailedPrecondition  tainted, or of another base model
  Status Promote(std::uint64_t generation);
  // Serves the generation that served before it, or the bare base. Returns which.
  Result<std::uint64_t> Rollback();

  // What became of suggestions since the last call, made by what serves in this
  // object. If users take them clearly less often than those of what served before,
  // that serves again, and this one only once it is promoted again. AdaptationOptions
  // has the bounds. Durable on return: it costs a commit of the vault, so rather once a
  // session than once a word. Beyond 10^9 shown a generation's counts stay as they are.
  //
  //   kInvalidArgument     negative, more accepted than shown, or over 10^9
  //   kFailedPrecondition  opened without a model, and no generation serves
  Result<OutcomeReport> ReportOutcome(const Outcome& outcome);

  // --- What it remembers ---

  // Drops examples for ever, and stops serving what was trained or tested on them.
  //
  //   kInvalidArgument  a query without any field
  Result<Forgotten> Forget(const ForgetQuery& query);

  // Oldest first, until `visit` returns false.
  Status ListExamples(const std::function<bool(const StoredExample&)>& visit);

  // --- The adapter at work ---

  // A vault that cannot be looked at now (locked device) goes on serving what it did.
  Result<Generated> Generate(std::string_view prompt, const GenerateOptions& options = {},
                             const std::function<bool(std::string_view)>& on_piece = nullptr);
  Result<Score> ScoreText(std::string_view text);
  Result<std::vector<WordSuggestion>> SuggestWords(std::string_view prefix, std::size_t count);

  // --- Out of the vault, in plain, because the user asked ---

  // A PEFT directory, with loss_curve.csv and loss_curve.svg of its training beside
  // it. 0: of the one that serves.
  //
  //   kNotFound  no such generation, or the bare base serves
  Status ExportAdapter(std::uint64_t generation, const std::string& directory);
  // mlx-lm's JSONL: {"text"} or {"prompt", "completion"}, and {"label", "blob"} in
  // base64; with id, source and time.
  Status ExportExamples(const std::string& path);

 private:
  friend class AdaptationWork;  // A night's run of it.
  class Impl;
  explicit Adaptation(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attune
