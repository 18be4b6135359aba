#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "attune/personalize.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json_line.h"
#include "cli/options.h"
#include "cli/process_memory.h"
#include "cli/progress_bar.h"

namespace attune {
namespace {

constexpr double kMebibyte = 1 << 20;

// As written on the command line; Finished() turns it into what the SDK takes.
struct TrainOptions {
  PersonalizeOptions personalize;
  ComputeOptions compute;
  std::vector<std::string> targets;
  std::string format = "f32";
  std::string decay = "cosine";
  double memory_budget_mib = 0;
  bool one_message_a_row = false;
  bool json = false;
};

PersonalizeOptions Finished(const TrainOptions& options) {
  PersonalizeOptions out = options.personalize;
  if (options.targets != std::vector<std::string>{"all-linear"})
    out.training.targets = options.targets;
  if (options.format == "f16") out.full_format = WeightFormat::kF16;
  if (options.format == "bf16") out.full_format = WeightFormat::kBf16;
  if (options.decay == "constant") out.training.decay = RateDecay::kConstant;
  if (options.decay == "linear") out.training.decay = RateDecay::kLinear;
  out.training.memory_budget_bytes = std::llround(options.memory_budget_mib * kMebibyte);
  out.training.packed = !options.one_message_a_row;
  out.training.arithmetic = options.compute.arithmetic();
  out.training.pack_weights = options.compute.pack;
  return out;
}

void PrintStep(const TrainingEvent& event) {
  JsonLine line;
  line.Add("event", "step").Add("step", event.step).Add("steps", event.steps);
  line.Add("loss", event.loss).Add("learning_rate", event.learning_rate);
  line.Add("gradient_norm", event.gradient_norm).Add("seconds", event.seconds);
  line.Add("tokens_per_second", event.tokens_per_second);
  if (event.skipped) line.Add("skipped", event.reason);
  if (event.has_held_out_loss) line.Add("held_out_loss", event.held_out_loss);
  line.Print();
}

void PrintReportAsJson(const TrainingReport& report) {
  JsonLine line;
  line.Add("event", report.finished ? "finished" : "stopped").Add("steps", report.steps);
  line.Add("skipped_steps", report.skipped_steps);
  line.Add("trained_parameters", report.trained_parameters);
  line.Add("train_messages", report.train_messages).Add("train_tokens", report.train_tokens);
  line.Add("held_out_messages", report.held_out_messages);
  line.Add("held_out_tokens", report.held_out_tokens);
  if (report.held_out_tokens > 0) {
    line.Add("loss_before", report.loss_before).Add("loss_after", report.loss_after);
  }
  line.Add("training_seconds", report.training_seconds);
  line.Add("tokens_per_second", report.tokens_per_second);
  line.Add("predicted_bytes", report.predicted_bytes);
  line.Add("peak_resident_bytes", PeakResidentBytes());
  line.Print();
}

void PrintReport(const TrainingReport& report, const std::string& output) {
  std::printf("learned from  %lld messages, %lld tokens\n",
              static_cast<long long>(report.train_messages),
              static_cast<long long>(report.train_tokens));
  std::printf("trained       %lld parameters, %lld steps in %s, %.0f tokens/s\n",
              static_cast<long long>(report.trained_parameters),
              static_cast<long long>(report.steps), ClockText(report.training_seconds).c_str(),
              report.tokens_per_second);
  if (report.held_out_tokens > 0) {
    std::printf("held out      %lld messages: %.4f -> %.4f nats/token, perplexity %.2f -> %.2f\n",
                static_cast<long long>(report.held_out_messages), report.loss_before,
                report.loss_after, std::exp(report.loss_before), std::exp(report.loss_after));
  }
  std::printf("memory        %.1f MiB private (predicted), %.1f MiB peak resident\n",
              static_cast<double>(report.predicted_bytes) / kMebibyte,
              static_cast<double>(PeakResidentBytes()) / kMebibyte);
  std::printf(
      report.finished ? "saved in      %s\n" : "stopped; state saved in %s, go on with --resume\n",
      output.c_str());
}

Result<ExitCode> Train(const TrainOptions& options) {
  DefaultPlatform platform(options.compute.workers);
  const PersonalizeOptions personalize = Finished(options);
  ProgressBar bar(stderr);
  WatchForInterrupts();
  const auto on_step = [&](const TrainingEvent& event) {
    if (options.json) {
      PrintStep(event);
    } else {
      bar.Show(event);
    }
    return !Interrupted();
  };
  Result<TrainingReport> report = Personalize(platform.get(), personalize, on_step);
  bar.Finish();
  if (!report.ok()) return std::move(report).status();
  if (options.json) {
    PrintReportAsJson(*report);
  } else {
    PrintReport(*report, personalize.output);
  }
  return !report->finished && Interrupted() ? ExitCode::kInterrupted : ExitCode::kOk;
}

void AddDataOptions(CLI::App* app, TrainOptions* options) {
  PersonalizeOptions& p = options->personalize;
  app->add_option("--model", p.model, "Base model: Hugging Face directory, or llama2.c .bin file")
      ->required();
  app->add_option("--tokenizer", p.tokenizer,
                  "Tokenizer file or directory; default: beside the model");
  app->add_option("--data", p.data, "Messages: plain text, TSV (date, time, text) or JSONL")
      ->required();
  app->add_option("--out", p.output, "Directory for what is made")->required();
  app->add_option("--held-out", p.held_out_fraction, "Latest part of the data to test on, 0 to 0.9")
      ->capture_default_str();
  app->add_option("--held-out-data", p.held_out_data, "Test on these messages instead");
  app->add_option("--held-out-messages", p.held_out_messages, "Test on at most so many")
      ->capture_default_str();
}

void AddWhatOptions(CLI::App* app, TrainOptions* options) {
  PersonalizeOptions& p = options->personalize;
  TrainingOptions& t = options->personalize.training;
  app->add_option("--rank", t.rank, "Rank of the adapter")->capture_default_str();
  app->add_option("--alpha", t.alpha, "Scale: alpha / rank")->capture_default_str();
  app->add_flag("--rslora", t.rslora, "Scale: alpha / sqrt(rank)");
  app->add_option("--dropout", t.dropout, "Of the adapter's input")->capture_default_str();
  app->add_option("--targets", options->targets,
                  "Modules by name, comma between; default: all-linear")
      ->delimiter(',');
  app->add_option("--target-regex", t.target_pattern, "Modules by regular expression instead");
  app->add_flag("--full", p.full, "Train all weights and write a whole model");
  app->add_flag("--from-scratch", p.from_scratch,
                "With --full: from random weights; --model needs config.json only");
  app->add_option("--format", options->format, "With --full: f32, f16 or bf16 weights")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}))
      ->capture_default_str();
}

void AddHowOptions(CLI::App* app, TrainOptions* options) {
  TrainingOptions& t = options->personalize.training;
  app->add_option("--steps", t.steps, "Optimizer steps")->capture_default_str();
  app->add_option("--batch", t.batch, "Rows of a micro-batch")->capture_default_str();
  app->add_option("--micro-batches", t.micro_batches, "Accumulated into one step")
      ->capture_default_str();
  app->add_option("--seq", t.sequence, "Tokens of a row; 0: 128, or what the model can look at")
      ->capture_default_str();
  app->add_flag("--one-message-a-row", options->one_message_a_row,
                "Instead of several messages in a row");
  app->add_option("--lr", t.learning_rate, "Learning rate; 0: 1e-3, or 5e-4 with --full")
      ->capture_default_str();
  app->add_option("--decay", options->decay, "Of the rate: constant, linear or cosine")
      ->check(CLI::IsMember({"constant", "linear", "cosine"}))
      ->capture_default_str();
  app->add_option("--final-rate", t.final_rate_fraction, "Fraction of the rate that decay ends at")
      ->capture_default_str();
  app->add_option("--warmup", t.warmup_steps, "Warm-up steps; negative: a twentieth of all")
      ->capture_default_str();
  app->add_option("--weight-decay", t.weight_decay)->capture_default_str();
  app->add_option("--beta2", t.beta2, "Of AdamW")->capture_default_str();
  app->add_flag("--sgd", t.sgd, "SGD with momentum instead of AdamW");
  app->add_option("--clip", t.clip_norm, "Largest gradient norm; 0: any")->capture_default_str();
  app->add_option("--lora-plus", t.lora_plus_ratio, "Learning rate of B over that of A")
      ->capture_default_str();
  app->add_option("--seed", t.seed)->capture_default_str();
  AddComputeOptions(app, &options->compute);
}

void AddRunOptions(CLI::App* app, TrainOptions* options) {
  PersonalizeOptions& p = options->personalize;
  TrainingOptions& t = options->personalize.training;
  app->add_option("--memory-budget", options->memory_budget_mib,
                  "Refuse to need more private MiB; 0: no limit")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  app->add_option("--checkpoint-every", p.checkpoint_every,
                  "Save the training state every so many steps; 0: only when stopped")
      ->capture_default_str();
  app->add_flag("--resume", p.resume, "Go on from the state saved in --out, if there is one");
  app->add_option("--stop-at", p.stop_at_step, "Save the state and stop after this step")
      ->capture_default_str();
  app->add_option("--evaluate-every", t.evaluate_every,
                  "Test every so many steps; 0: ten times; negative: before and after only")
      ->capture_default_str();
  app->add_flag("--json", options->json, "One JSON object a line on stdout, no bar");
}

}  // namespace

void AddTrainCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("train", "Learn from a user's messages");
  auto options = std::make_shared<TrainOptions>();
  AddDataOptions(command, options.get());
  AddWhatOptions(command, options.get());
  AddHowOptions(command, options.get());
  AddRunOptions(command, options.get());
  command->callback([options, action] { *action = [options] { return Train(*options); }; });
}

}  // namespace attune
