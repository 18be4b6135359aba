#include "session/training_preflight.h"

#include <utility>

#include "session/training_run.h"
#include "session/training_setup.h"
#include "session/vault_state_store.h"

namespace attune {
namespace {

// Keeps nothing: only what saving would take is asked for.
class NoStateStore final : public StateStore {
 public:
  std::int64_t BytesToSave(std::int64_t state_bytes) const override {
    return VaultBytesToSave(state_bytes);
  }
  Status Save(TrainingState&, const LossCurve&) override { return NotFound("no checkpoint"); }
  Status Load(Trainer*, LossCurve*) override { return NotFound("no checkpoint"); }
};

// Texts that fill `rows` rows. What they say does not matter.
std::vector<TrainingExample> FullRows(std::int64_t rows, std::int64_t length) {
  TrainingExample row;
  row.ids.assign(static_cast<std::size_t>(length), 0);
  return std::vector<TrainingExample>(static_cast<std::size_t>(rows), row);
}

}  // namespace

Status PreflightTraining(const Platform& platform, const LanguageModelWeights& base,
                         const RunOptions& options, std::int64_t* needed) {
  TrainingTask task{.options = options.training,
                    .checkpoint_every = options.checkpoint_every,
                    .stop_at_step = options.stop_at_step};
  ATTUNE_ASSIGN_OR_RETURN(task.row_length, RowLength(options.training, base.config));
  TrainingTexts texts;
  texts.train = FullRows(options.training.batch, task.row_length);
  texts.held_out = texts.train;
  if (options.training.patience > 0) texts.stopping = texts.train;
  NoStateStore store;
  return TrainingRun::Create(platform, base, task, std::move(texts), &store, needed).status();
}

}  // namespace attune
