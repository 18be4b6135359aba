#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "attune/personalize.h"
#include "cli/commands.h"
#include "cli/device_activity.h"
#include "cli/interrupt.h"
#include "cli/training_flags.h"

namespace attune {
namespace {

struct TrainArguments {
  PersonalizeOptions personalize;
  TrainingFlags training;
  std::string format = "f32";
  bool json = false;
};

PersonalizeOptions Finished(const TrainArguments& arguments) {
  PersonalizeOptions out = arguments.personalize;
  out.training = arguments.training.Finished();
  if (arguments.format == "f16") out.full_format = WeightFormat::kF16;
  if (arguments.format == "bf16") out.full_format = WeightFormat::kBf16;
  return out;
}

void Print(const TrainingReport& report, const DeviceActivity& activity,
           const std::string& output) {
  PrintReport(report);
  activity.Print();
  std::printf(
      report.finished ? "saved in      %s\n" : "stopped; state saved in %s, go on with --resume\n",
      output.c_str());
}

void PrintAsJson(const TrainingReport& report, const DeviceActivity& activity) {
  JsonLine line;
  line.Add("event", report.finished ? "finished" : "stopped");
  AddReport(report, &line);
  activity.Add(&line);
  line.Print();
}

Result<ExitCode> Train(const TrainArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenPlatform(arguments.training.compute));
  const DeviceActivity activity(*platform);
  const PersonalizeOptions personalize = Finished(arguments);
  TrainingDisplay display(arguments.json);
  WatchForInterrupts();
  Result<TrainingReport> report =
      Personalize(platform->get(), personalize,
                  [&](const TrainingEvent& event) { return display.Show(event); });
  display.Finish();
  if (!report.ok()) return std::move(report).status();
  if (arguments.json) {
    PrintAsJson(*report, activity);
  } else {
    Print(*report, activity, personalize.output);
  }
  return !report->finished && Interrupted() ? ExitCode::kInterrupted : ExitCode::kOk;
}

void AddDataFlags(CLI::App* app, TrainArguments* arguments) {
  PersonalizeOptions& p = arguments->personalize;
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

void AddFullFlags(CLI::App* app, TrainArguments* arguments) {
  PersonalizeOptions& p = arguments->personalize;
  app->add_flag("--full", p.full, "Train all weights and write a whole model");
  app->add_flag("--from-scratch", p.from_scratch,
                "With --full: from random weights; --model needs config.json only");
  app->add_option("--format", arguments->format, "With --full: f32, f16 or bf16 weights")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}))
      ->capture_default_str();
}

void AddStateFlags(CLI::App* app, TrainArguments* arguments) {
  PersonalizeOptions& p = arguments->personalize;
  app->add_option("--checkpoint-every", p.checkpoint_every,
                  "Save the training state every so many steps; 0: only when stopped")
      ->capture_default_str();
  app->add_flag("--resume", p.resume, "Go on from the state saved in --out, if there is one");
  app->add_option("--stop-at", p.stop_at_step, "Save the state and stop after this step")
      ->capture_default_str();
  app->add_flag("--json", arguments->json, "One JSON object a line on stdout, no bar");
}

}  // namespace

void AddTrainCommand(CLI::App* app, Action* action) {
  CLI::App* command =
      app->add_subcommand("train", "Learn from a file of messages, into a plain directory");
  auto arguments = std::make_shared<TrainArguments>();
  AddDataFlags(command, arguments.get());
  AddLoraFlags(command, &arguments->training);
  AddFullFlags(command, arguments.get());
  AddScheduleFlags(command, &arguments->training);
  AddStateFlags(command, arguments.get());
  command->callback([arguments, action] { *action = [arguments] { return Train(*arguments); }; });
}

}  // namespace attune
