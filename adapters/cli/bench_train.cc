// `attune bench train`: optimizer steps on a batch without meaning.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/bench_command.h"
#include "cli/bench_report.h"
#include "cli/device_activity.h"
#include "cli/interrupt.h"
#include "models/weights.h"
#include "session/platform.h"
#include "session/training_setup.h"

namespace attune {
namespace {

constexpr std::int64_t kMaxBatch = 1 << 16;

struct TrainBench {
  PersonalizeOptions model;  // model, full, rank, alpha, targets, batch, sequence.
  std::vector<std::string> targets;
  ComputeOptions compute;
  BenchOptions bench;
};

// Rows of a fixed rule, every token but the first of each a label.
std::vector<TrainingExample> Rows(std::int64_t batch, std::int64_t length,
                                  std::int64_t vocabulary) {
  std::vector<TrainingExample> rows(static_cast<std::size_t>(batch));
  std::int64_t index = 0;
  for (TrainingExample& row : rows) {
    for (std::int64_t i = 0; i <= length; ++i) row.ids.push_back(BenchToken(index++, vocabulary));
  }
  return rows;
}

// AdamW without a schedule and without clipping, as the peers run it.
TrainConfig ConfigOf(const TrainBench& options, std::int64_t length, std::int64_t copied_bytes) {
  TrainConfig config;
  config.sampler = {options.model.training.batch, {length}, /*packed=*/false, /*shuffle=*/false, 0};
  config.optimizer.weight_decay = 0.01;
  config.schedule.peak = 1e-4;
  config.schedule.decay = Decay::kConstant;
  config.schedule.total_steps = options.bench.warmup + options.bench.rounds;
  config.clip_norm = 0;
  config.reserved_bytes = kProcessBytes + copied_bytes;
  config.compile.pack_weights = options.compute.pack;
  if (options.compute.arithmetic() == Arithmetic::kBf16) {
    config.compile.precision = Precision::kBf16;
  }
  return config;
}

Result<ExitCode> Run(TrainBench options) {
  if (options.targets != std::vector<std::string>{"all-linear"}) {
    options.model.training.targets = options.targets;
  }
  options.model.output = "-";  // Nothing is written.
  ATTUNE_RETURN_IF_ERROR(CheckOptions(options.model));
  MemoryWatch memory;
  ATTUNE_ASSIGN_OR_RETURN(const auto opened, OpenPlatform(options.compute));
  const DefaultPlatform& platform = *opened;
  const DeviceActivity activity(platform);
  ATTUNE_ASSIGN_OR_RETURN(const LanguageModelWeights base,
                          OpenBase(*platform.get().files, options.model));
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t length,
                          RowLength(options.model.training, base.config));
  LoraSpec lora;
  if (!options.model.full) {
    ATTUNE_ASSIGN_OR_RETURN(lora,
                            LoraSpecOf(base, PeftConfigOf(options.model.training, base.config)));
  }
  TrainConfig config = ConfigOf(options, length, base.copied_bytes);
  config.loss_scale = LossScaleOf(*platform.get().backend);
  ATTUNE_ASSIGN_OR_RETURN(
      const auto trainer,
      Trainer::Create(PartsOf(platform.get(), base, lora), config,
                      Rows(options.model.training.batch, length, base.config.vocabulary)));
  InitializeParameters(base, options.model.training.seed, &trainer->state());
  WatchForInterrupts();
  std::vector<double> losses;
  ATTUNE_ASSIGN_OR_RETURN(
      const std::vector<double> ms,
      Rounds(options.bench.warmup, options.bench.rounds, &memory, [&]() -> Result<double> {
        const double begin = MonotonicSeconds();
        ATTUNE_ASSIGN_OR_RETURN(const StepReport step, trainer->Step());
        const double took = MonotonicSeconds() - begin;
        if (step.skipped) return FailedPrecondition(StrCat("a step was skipped: ", step.reason));
        losses.push_back(step.loss);
        return took * 1e3;
      }));
  const double median = Median(ms);
  const double tokens = static_cast<double>(options.model.training.batch * length);
  const std::int64_t predicted = trainer->memory().private_bytes();
  if (options.bench.json) {
    JsonLine line;
    AddEnvironment(platform.workers(), options.compute.precision, options.compute.pack, &line);
    line.Add("parameters", base.parameters)
        .Add("batch", options.model.training.batch)
        .Add("seq", length);
    line.Add("full", options.model.full);
    if (!options.model.full) line.Add("rank", options.model.training.rank);
    line.Add("ms", ms).Add("ms_median", median).Add("tokens_per_s", tokens / median * 1e3);
    line.Add("loss_first", losses.front()).Add("loss_last", losses.back());
    AddMemory(memory, predicted, &line);
    activity.Add(&line);
    line.Print();
    return ExitCode::kOk;
  }
  PrintEnvironment(platform.workers(), options.compute.precision, options.compute.pack);
  std::printf("step     %.2f ms, %.0f tokens/s (batch %lld, %lld tokens a row, median of %zu)\n",
              median, tokens / median * 1e3, static_cast<long long>(options.model.training.batch),
              static_cast<long long>(length), ms.size());
  std::printf("loss     %.5f first, %.5f last\n", losses.front(), losses.back());
  PrintMemory(memory, predicted);
  activity.Print();
  return ExitCode::kOk;
}

}  // namespace

void AddTrainBench(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("train", "Time optimizer steps");
  auto options = std::make_shared<TrainBench>();
  PersonalizeOptions& model = options->model;
  model.training.batch = 1;
  model.training.sequence = 256;
  command->add_option("--model", model.model, "Directory or .bin file; no tokenizer is needed")
      ->required();
  command->add_option("--rank", model.training.rank, "Of the adapter")->capture_default_str();
  command->add_option("--alpha", model.training.alpha)->capture_default_str();
  command->add_option("--targets", options->targets, "Modules; default: all-linear")
      ->delimiter(',');
  command->add_flag("--full", model.full, "Train all weights");
  command->add_option("--batch", model.training.batch, "Rows")
      ->check(CLI::Range(std::int64_t{1}, kMaxBatch))
      ->capture_default_str();
  command->add_option("--seq", model.training.sequence, "Tokens of a row")->capture_default_str();
  AddComputeOptions(command, &options->compute);
  AddBenchOptions(command, &options->bench);
  command->callback([options, action] { *action = [options] { return Run(*options); }; });
}

}  // namespace attune
