#include "attune/personalize.h"

#include <memory>
#include <utility>

#include "base/strings.h"
#include "session/dataset.h"
#include "session/model_tokenizer.h"
#include "session/platform.h"
#include "session/training_checkpoint.h"
#include "session/training_output.h"
#include "session/training_run.h"
#include "session/training_setup.h"

namespace attune {
namespace {

Result<DatasetSplit> ReadMessages(FileSystem& files, const PersonalizeOptions& options) {
  ATTUNE_ASSIGN_OR_RETURN(Dataset dataset, ReadDataset(files, options.data));
  const bool own_file = !options.held_out_data.empty();
  DatasetSplit split = SplitByTime(std::move(dataset), own_file ? 0.0 : options.held_out_fraction);
  if (own_file) {
    ATTUNE_ASSIGN_OR_RETURN(Dataset other, ReadDataset(files, options.held_out_data));
    split.held_out = std::move(other.messages);
  }
  split.held_out = Thinned(std::move(split.held_out), options.held_out_messages);
  return split;
}

Status WriteResult(FileSystem& files, const PersonalizeOptions& options, std::uint64_t base,
                   TrainingRun& run) {
  const SafetensorsMetadata provenance = run.Provenance(base);
  if (options.full) {
    ATTUNE_RETURN_IF_ERROR(WriteModel(files, options.output, ModelDirectory(files, options.model),
                                      options.full_format, run.state(), provenance));
  } else {
    ATTUNE_ASSIGN_OR_RETURN(const PeftFiles adapter,
                            FormatAdapter(run.peft(), run.lora(), run.state(), provenance));
    ATTUNE_RETURN_IF_ERROR(WritePeftAdapter(files, options.output, adapter));
  }
  return WriteCurve(files, options.output, FormatCurve(run.curve()));
}

// Of a state from before the end, a resume would train the end again: where there
// is one, or one was asked for, the last one is saved. What cannot be written is
// not lost: a resume has only the writing to do.
Status Finish(FileSystem& files, const PersonalizeOptions& options, std::uint64_t base,
              const TrainingStateFile& saved, TrainingRun& run) {
  Status written = WriteResult(files, options, base, run);
  if (!written.ok()) {
    run.Save().Ignore();
    return written;
  }
  return saved.exists() || options.checkpoint_every > 0 ? run.Save() : OkStatus();
}

}  // namespace

Result<TrainingReport> Personalize(const Platform& platform, const PersonalizeOptions& options,
                                   const TrainingCallback& on_step) {
  FileSystem& files = *platform.files;
  ATTUNE_RETURN_IF_ERROR(CheckOptions(options));
  ATTUNE_ASSIGN_OR_RETURN(const LanguageModelWeights base, OpenBase(files, options));
  TrainingTask task{.options = options.training,
                    .full = options.full,
                    .checkpoint_every = options.checkpoint_every,
                    .stop_at_step = options.stop_at_step};
  ATTUNE_ASSIGN_OR_RETURN(task.row_length, RowLength(options.training, base.config));
  ATTUNE_ASSIGN_OR_RETURN(const auto tokenizer,
                          OpenModelTokenizer(files, options.model, options.tokenizer, base.config));
  ATTUNE_ASSIGN_OR_RETURN(const DatasetSplit messages, ReadMessages(files, options));
  ATTUNE_ASSIGN_OR_RETURN(TrainingTexts texts, EncodeTexts(*tokenizer, messages, task.row_length));
  if (texts.train.empty()) {
    return InvalidArgument(StrCat(BaseName(options.data), ": ", messages.train.size(),
                                  " messages to learn, none of 2 tokens"));
  }
  const std::uint64_t fingerprint = Fingerprint(base.views);
  TrainingStateFile saved(files, JoinPath(options.output, kTrainingStateFile), fingerprint);
  ATTUNE_ASSIGN_OR_RETURN(const auto run,
                          TrainingRun::Create(platform, base, task, std::move(texts), &saved));
  ATTUNE_RETURN_IF_ERROR(files.CreateDirectories(options.output));
  if (options.resume && saved.exists()) {
    ATTUNE_RETURN_IF_ERROR(run->Resume());
  } else {
    run->Start();
  }
  ATTUNE_RETURN_IF_ERROR(run->Train(on_step));
  if (run->report().finished) {
    ATTUNE_RETURN_IF_ERROR(Finish(files, options, fingerprint, saved, *run));
  }
  return run->report();
}

}  // namespace attune
