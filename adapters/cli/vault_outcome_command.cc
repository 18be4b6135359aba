#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "attune/adaptation.h"
#include "cli/json_line.h"
#include "cli/vault_commands.h"
#include "cli/vault_flags.h"

namespace attune {
namespace {

struct OutcomeArguments {
  VaultFlags vault;
  Outcome outcome;
  OutcomeOptions options;
  bool json = false;
};

void PrintAsJson(const OutcomeReport& report) {
  JsonLine line;
  line.Add("generation", report.generation);
  line.Add("shown", report.outcome.shown).Add("accepted", report.outcome.accepted);
  line.Add("before", report.before).Add("shown_before", report.outcome_before.shown);
  line.Add("accepted_before", report.outcome_before.accepted);
  line.Add("p_value", report.p_value).Add("worse", report.worse);
  line.Add("rolled_back", report.rolled_back).Add("serving", report.serving);
  line.Print();
}

void Print(const OutcomeReport& report) {
  const auto number = [](auto value) { return static_cast<long long>(value); };
  std::printf("generation %lld  taken %lld of %lld\n", number(report.generation),
              number(report.outcome.accepted), number(report.outcome.shown));
  std::printf("before it, %lld  taken %lld of %lld\n", number(report.before),
              number(report.outcome_before.accepted), number(report.outcome_before.shown));
  if (report.worse) std::printf("worse, p = %.2g\n", report.p_value);
  std::printf("%s %lld\n", report.rolled_back ? "rolled back: serving" : "serving",
              number(report.serving));
}

Result<ExitCode> Report(const OutcomeArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  AdaptationOptions options = arguments.vault.without_model();
  options.outcomes = arguments.options;
  ATTUNE_ASSIGN_OR_RETURN(const auto adaptation, Adaptation::Open(platform->get(), options));
  ATTUNE_ASSIGN_OR_RETURN(const OutcomeReport report, adaptation->ReportOutcome(arguments.outcome));
  if (arguments.json) {
    PrintAsJson(report);
  } else {
    Print(report);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddVaultOutcomeCommand(CLI::App* vault, Action* action) {
  CLI::App* command = vault->add_subcommand(
      "outcome", "Count suggestions that were shown and taken, and roll back if they got worse");
  auto arguments = std::make_shared<OutcomeArguments>();
  AddVaultFlags(command, &arguments->vault)->required();
  command->add_option("--shown", arguments->outcome.shown, "Since the last report")->required();
  command->add_option("--accepted", arguments->outcome.accepted, "Of those")->required();
  command
      ->add_option("--min-shown", arguments->options.min_shown,
                   "By both generations before they are compared")
      ->capture_default_str();
  command
      ->add_option("--confidence", arguments->options.confidence,
                   "That an equally good generation never goes")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, action] { *action = [arguments] { return Report(*arguments); }; });
}

}  // namespace attune
