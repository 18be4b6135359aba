#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "attune/adaptation.h"
#include "cli/json_line.h"
#include "cli/vault_commands.h"
#include "cli/vault_flags.h"

namespace attune {
namespace {

struct ExportArguments {
  VaultFlags vault;
  std::string adapter;
  std::string examples;
  std::uint64_t generation = 0;
  bool json = false;
};

Result<ExitCode> Export(const ExportArguments& arguments) {
  if (arguments.adapter.empty() && arguments.examples.empty()) {
    return InvalidArgument("nothing to export: --adapter DIR, --examples FILE, or both");
  }
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  if (!arguments.adapter.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(const auto adaptation,
                            Adaptation::Open(platform->get(), arguments.vault.without_model()));
    ATTUNE_RETURN_IF_ERROR(adaptation->ExportAdapter(arguments.generation, arguments.adapter));
  }
  if (!arguments.examples.empty()) {
    ATTUNE_RETURN_IF_ERROR(
        ExportVaultExamples(platform->get(), arguments.vault.location(), arguments.examples));
  }
  if (arguments.json) {
    JsonLine()
        .Add("adapter", !arguments.adapter.empty())
        .Add("examples", !arguments.examples.empty())
        .Print();
    return ExitCode::kOk;
  }
  if (!arguments.adapter.empty()) {
    std::printf("adapter   %s, not encrypted\n", arguments.adapter.c_str());
  }
  if (!arguments.examples.empty()) {
    std::printf("examples  %s, not encrypted\n", arguments.examples.c_str());
  }
  return ExitCode::kOk;
}

}  // namespace

void AddVaultExportCommand(CLI::App* vault, Action* action) {
  CLI::App* command =
      vault->add_subcommand("export", "Write an adapter or the examples out, in plain");
  auto arguments = std::make_shared<ExportArguments>();
  AddVaultFlags(command, &arguments->vault)->required();
  command->add_option("--adapter", arguments->adapter, "PEFT directory to write");
  command
      ->add_option("--generation", arguments->generation,
                   "Of the adapter; default: the one that serves")
      ->needs("--adapter");
  command->add_option("--examples", arguments->examples, "JSONL file to write");
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, action] { *action = [arguments] { return Export(*arguments); }; });
}

}  // namespace attune
