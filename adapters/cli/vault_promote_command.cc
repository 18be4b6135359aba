#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "attune/adaptation.h"
#include "cli/json_line.h"
#include "cli/vault_commands.h"
#include "cli/vault_flags.h"

namespace attune {
namespace {

struct PromoteArguments {
  VaultFlags vault;
  std::uint64_t generation = 0;
  bool json = false;
};

void PrintServing(std::uint64_t generation, bool json) {
  if (json) {
    JsonLine().Add("serving", generation).Print();
  } else if (generation == 0) {
    std::printf("serving the bare base\n");
  } else {
    std::printf("serving generation %llu\n", static_cast<unsigned long long>(generation));
  }
}

Result<ExitCode> Promote(const PromoteArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  ATTUNE_ASSIGN_OR_RETURN(const auto adaptation,
                          Adaptation::Open(platform->get(), arguments.vault.without_model()));
  ATTUNE_RETURN_IF_ERROR(adaptation->Promote(arguments.generation));
  PrintServing(arguments.generation, arguments.json);
  return ExitCode::kOk;
}

Result<ExitCode> Rollback(const PromoteArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  ATTUNE_ASSIGN_OR_RETURN(const auto adaptation,
                          Adaptation::Open(platform->get(), arguments.vault.without_model()));
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t serving, adaptation->Rollback());
  PrintServing(serving, arguments.json);
  return ExitCode::kOk;
}

}  // namespace

void AddVaultPromoteCommand(CLI::App* vault, Action* action) {
  CLI::App* command = vault->add_subcommand("promote", "Serve this generation from now on");
  auto arguments = std::make_shared<PromoteArguments>();
  AddVaultFlags(command, &arguments->vault)->required();
  command->add_option("--generation", arguments->generation, "Which one; 0: the bare base")
      ->required();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, action] { *action = [arguments] { return Promote(*arguments); }; });
}

void AddVaultRollbackCommand(CLI::App* vault, Action* action) {
  CLI::App* command = vault->add_subcommand(
      "rollback", "Serve the generation before the one that serves, or the bare base");
  auto arguments = std::make_shared<PromoteArguments>();
  AddVaultFlags(command, &arguments->vault)->required();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback(
      [arguments, action] { *action = [arguments] { return Rollback(*arguments); }; });
}

}  // namespace attune
