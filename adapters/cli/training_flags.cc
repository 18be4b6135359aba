#include "cli/training_flags.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>

#include "cli/interrupt.h"
#include "cli/process_memory.h"

namespace attune {
namespace {

constexpr double kMebibyte = 1 << 20;

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

void AddOptimizerFlags(CLI::App* app, TrainingFlags* flags) {
  TrainingOptions& t = flags->training;
  app->add_option("--lr", t.learning_rate, "Learning rate; 0: 1e-3, or 5e-4 with --full")
      ->capture_default_str();
  app->add_option("--decay", flags->decay, "Of the rate: constant, linear or cosine")
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
}

}  // namespace

TrainingOptions TrainingFlags::Finished() const {
  TrainingOptions out = training;
  if (targets != std::vector<std::string>{"all-linear"}) out.targets = targets;
  if (decay == "constant") out.decay = RateDecay::kConstant;
  if (decay == "linear") out.decay = RateDecay::kLinear;
  out.memory_budget_bytes = std::llround(memory_budget_mib * kMebibyte);
  out.packed = !one_message_a_row;
  out.arithmetic = compute.arithmetic();
  out.pack_weights = compute.pack;
  return out;
}

void AddLoraFlags(CLI::App* app, TrainingFlags* flags) {
  TrainingOptions& t = flags->training;
  app->add_option("--rank", t.rank, "Rank of the adapter")->capture_default_str();
  app->add_option("--alpha", t.alpha, "Scale: alpha / rank")->capture_default_str();
  app->add_flag("--rslora", t.rslora, "Scale: alpha / sqrt(rank)");
  app->add_option("--dropout", t.dropout, "Of the adapter's input")->capture_default_str();
  app->add_option("--targets", flags->targets,
                  "Modules by name, comma between; default: all-linear")
      ->delimiter(',');
  app->add_option("--target-regex", t.target_pattern, "Modules by regular expression instead");
}

void AddScheduleFlags(CLI::App* app, TrainingFlags* flags) {
  TrainingOptions& t = flags->training;
  app->add_option("--steps", t.steps, "Optimizer steps")->capture_default_str();
  app->add_option("--batch", t.batch, "Rows of a micro-batch")->capture_default_str();
  app->add_option("--micro-batches", t.micro_batches, "Accumulated into one step")
      ->capture_default_str();
  app->add_option("--seq", t.sequence, "Tokens of a row; 0: 128, or what the model can look at")
      ->capture_default_str();
  app->add_flag("--one-message-a-row", flags->one_message_a_row,
                "Instead of several messages in a row");
  AddOptimizerFlags(app, flags);
  app->add_option("--evaluate-every", t.evaluate_every,
                  "Test every so many steps; 0: ten times; negative: before and after only")
      ->capture_default_str();
  app->add_option("--memory-budget", flags->memory_budget_mib,
                  "Refuse to need more private MiB; 0: no limit")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  AddComputeOptions(app, &flags->compute);
}

bool TrainingDisplay::Show(const TrainingEvent& event) {
  if (json_) {
    PrintStep(event);
  } else {
    bar_.Show(event);
  }
  return !Interrupted();
}

void AddReport(const TrainingReport& report, JsonLine* line) {
  line->Add("steps", report.steps).Add("skipped_steps", report.skipped_steps);
  line->Add("trained_parameters", report.trained_parameters);
  line->Add("train_messages", report.train_messages).Add("train_tokens", report.train_tokens);
  line->Add("held_out_messages", report.held_out_messages);
  line->Add("held_out_tokens", report.held_out_tokens);
  if (report.held_out_tokens > 0) {
    line->Add("loss_before", report.loss_before).Add("loss_after", report.loss_after);
  }
  line->Add("training_seconds", report.training_seconds);
  line->Add("tokens_per_second", report.tokens_per_second);
  line->Add("predicted_bytes", report.predicted_bytes);
  line->Add("peak_resident_bytes", PeakResidentBytes());
}

void PrintReport(const TrainingReport& report) {
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
}

}  // namespace attune
