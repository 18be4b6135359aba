#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "attune/adaptation.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/device_activity.h"
#include "cli/interrupt.h"
#include "cli/training_flags.h"
#include "cli/vault_flags.h"

namespace attune {
namespace {

struct RunArguments {
  VaultFlags vault;
  TrainingFlags training{.training = RunOptions().training};
  AdaptationOptions adaptation;
  RunOptions run;
  bool no_resume = false;
  bool no_promote = false;
  bool json = false;
};

AdaptationOptions OptionsOf(const RunArguments& arguments, const TrainingOptions& training) {
  AdaptationOptions options = arguments.adaptation;
  options.vault = arguments.vault.directory;
  options.adapter = arguments.vault.adapter;
  options.create_vault = false;
  options.open.arithmetic = training.arithmetic;
  options.open.pack_weights = training.pack_weights;
  return options;
}

void AddGate(const GateDecision& gate, JsonLine* line) {
  line->Add("reason", std::string(GateReasonName(gate.reason)));
  line->Add("gate_examples", gate.examples);
  if (gate.examples > 0) {
    line->Add("base_loss", gate.base_loss).Add("serving_loss", gate.serving_loss);
    line->Add("candidate_loss", gate.candidate_loss);
    line->Add("gain_over_base", gate.gain_over_base);
    line->Add("gain_over_base_low", gate.gain_over_base_low);
    line->Add("gain_over_serving", gate.gain_over_serving);
    line->Add("gain_over_serving_low", gate.gain_over_serving_low);
  }
  line->Add("gate_anchors", gate.anchors);
  if (gate.anchors == 0) return;
  line->Add("anchor_change", gate.anchor_change);
  line->Add("anchor_change_high", gate.anchor_change_high);
}

void PrintAsJson(const RunReport& report, const DeviceActivity& activity) {
  JsonLine line;
  line.Add("event", report.training.finished ? "finished" : "stopped");
  AddReport(report.training, &line);
  activity.Add(&line);
  line.Add("resumed_at_step", report.resumed_at_step);
  if (!report.not_resumed.empty()) line.Add("not_resumed", report.not_resumed);
  if (report.training.finished) {
    line.Add("generation", report.generation).Add("promoted", report.promoted);
    AddGate(report.gate, &line);
  }
  line.Add("skipped_examples", report.skipped_examples);
  line.Add("near_duplicates", report.near_duplicates);
  line.Add("damaged_examples", report.damaged_examples);
  line.Add("damaged_checkpoints", static_cast<std::int64_t>(report.damaged_checkpoints));
  line.Print();
}

void PrintVerdict(const RunReport& report, bool no_promote) {
  const auto generation = static_cast<unsigned long long>(report.generation);
  if (!report.training.finished) {
    std::printf("stopped       state sealed in the vault; the same command goes on\n");
  } else if (report.promoted) {
    std::printf("generation    %llu, serving\n", generation);
  } else if (report.generation == 0) {
    std::printf("generation    none: %s\n", GateReasonSentence(report.gate.reason).data());
  } else if (no_promote) {
    std::printf("generation    %llu, kept; `attune vault promote` makes it serve\n", generation);
  } else {
    std::printf("generation    %llu, kept but not serving: %s\n", generation,
                GateReasonSentence(report.gate.reason).data());
  }
}

void PrintGate(const GateDecision& gate, double confidence) {
  if (gate.examples > 0) {
    std::printf(
        "gate          %lld examples: %.1f %% better than the base, at least %.1f %%; than "
        "what served %.1f %%, at least %.1f %% (confidence %g)\n",
        static_cast<long long>(gate.examples), 100 * gate.gain_over_base,
        100 * gate.gain_over_base_low, 100 * gate.gain_over_serving,
        100 * gate.gain_over_serving_low, confidence);
  }
  if (gate.anchors > 0) {
    std::printf("forgetting    %+.1f %% on %lld anchors, at most %+.1f %%\n",
                100 * gate.anchor_change, static_cast<long long>(gate.anchors),
                100 * gate.anchor_change_high);
  }
}

void Print(const RunReport& report, const DeviceActivity& activity, const RunArguments& arguments) {
  if (report.resumed_at_step > 0) {
    std::printf("went on       from step %lld\n", static_cast<long long>(report.resumed_at_step));
  }
  if (!report.not_resumed.empty()) {
    std::printf("began anew    %s\n", report.not_resumed.c_str());
  }
  PrintReport(report.training);
  activity.Print();
  if (report.damaged_examples > 0 || report.damaged_checkpoints > 0) {
    std::printf(
        "damaged       %lld examples, %d saved states, left out; see `attune vault verify`\n",
        static_cast<long long>(report.damaged_examples), report.damaged_checkpoints);
  }
  if (report.training.finished) PrintGate(report.gate, arguments.run.gate.confidence);
  PrintVerdict(report, arguments.no_promote);
}

Result<ExitCode> Run(const RunArguments& arguments) {
  RunOptions run = arguments.run;
  run.training = arguments.training.Finished();
  run.resume = !arguments.no_resume;
  run.promote_if_better = !arguments.no_promote;
  ATTUNE_ASSIGN_OR_RETURN(
      const auto platform,
      OpenVaultPlatform(arguments.vault, arguments.training.compute.platform()));
  const DeviceActivity activity(*platform);
  ATTUNE_ASSIGN_OR_RETURN(const auto adaptation,
                          Adaptation::Open(platform->get(), OptionsOf(arguments, run.training)));
  TrainingDisplay display(arguments.json);
  WatchForInterrupts();
  Result<RunReport> report =
      adaptation->Run(run, [&](const TrainingEvent& event) { return display.Show(event); });
  display.Finish();
  if (!report.ok()) return std::move(report).status();
  if (arguments.json) {
    PrintAsJson(*report, activity);
  } else {
    Print(*report, activity, arguments);
  }
  return !report->training.finished && Interrupted() ? ExitCode::kInterrupted : ExitCode::kOk;
}

void AddDataFlags(CLI::App* app, RunArguments* arguments) {
  AdaptationOptions& a = arguments->adaptation;
  app->add_option("--model", a.model, "Base model: Hugging Face directory, or llama2.c .bin file")
      ->required();
  app->add_option("--tokenizer", a.open.tokenizer,
                  "Tokenizer file or directory; default: beside the model");
  AddVaultFlags(app, &arguments->vault)->required();
  AddRetentionFlags(app, &a.examples);
  app->add_option("--held-out", a.held_out_fraction,
                  "Latest part of the examples to test on, 0 to 0.9")
      ->capture_default_str();
  app->add_option("--held-out-examples", a.held_out_examples, "Test on at most so many")
      ->capture_default_str();
  app->add_option("--source", a.source, "Learn from examples of this source only");
  app->add_flag("--keep-near-duplicates", a.keep_near_duplicates,
                "Test also on what is nearly the same as an earlier example");
}

void AddGateFlags(CLI::App* app, RunArguments* arguments) {
  AdaptationOptions& a = arguments->adaptation;
  GateOptions& gate = arguments->run.gate;
  app->add_option("--anchor", a.anchor,
                  "File of texts that must not be unlearned; default: not tested");
  app->add_option("--anchor-examples", a.anchor_examples, "Test on at most so many")
      ->capture_default_str();
  app->add_option("--max-forgetting", gate.max_forgetting,
                  "Part by which the loss on the anchors may rise")
      ->capture_default_str();
  app->add_option("--min-examples", gate.min_examples,
                  "Held-out examples without which nothing is promoted")
      ->capture_default_str();
  app->add_option("--confidence", gate.confidence, "Of being better, 0.5 to 0.9999")
      ->capture_default_str();
  app->add_option("--min-gain", gate.min_gain, "Part of the loss that must be won")
      ->capture_default_str();
}

void AddStateFlags(CLI::App* app, RunArguments* arguments) {
  RunOptions& run = arguments->run;
  app->add_option("--checkpoint-every", run.checkpoint_every,
                  "Seal the training state every so many steps; 0: only when stopped")
      ->capture_default_str();
  app->add_option("--stop-at", run.stop_at_step, "Seal the state and stop after this step")
      ->capture_default_str();
  app->add_flag("--no-resume", arguments->no_resume, "Start anew, whatever was saved");
  app->add_flag("--no-promote", arguments->no_promote, "Keep the result, and serve what served");
  app->add_flag("--json", arguments->json, "One JSON object a line on stdout, no bar");
}

}  // namespace

void AddRunCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("run", "Learn from a vault's examples, or go on with it");
  auto arguments = std::make_shared<RunArguments>();
  AddDataFlags(command, arguments.get());
  AddLoraFlags(command, &arguments->training);
  AddScheduleFlags(command, &arguments->training);
  AddGateFlags(command, arguments.get());
  AddStateFlags(command, arguments.get());
  command->callback([arguments, action] { *action = [arguments] { return Run(*arguments); }; });
}

}  // namespace attune
