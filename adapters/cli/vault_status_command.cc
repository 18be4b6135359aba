#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "attune/adaptation.h"
#include "base/strings.h"
#include "cli/calendar.h"
#include "cli/json_line.h"
#include "cli/vault_commands.h"
#include "cli/vault_flags.h"

namespace attune {
namespace {

struct StatusArguments {
  VaultFlags vault;
  bool json = false;
};

void PrintAsJson(const VaultFlags& vault, const VaultStatus& status) {
  JsonLine line;
  line.Add("manifest_generation", status.manifest_generation);
  line.Add("key_generation", status.key_generation);
  line.Add("examples", status.examples).Add("example_bytes", status.example_bytes);
  line.Add("checkpoints", status.checkpoints).Add("checkpoint_bytes", status.checkpoint_bytes);
  line.Add("checkpoint_step", status.checkpoint_step).Add("adapter", vault.adapter);
  JsonWriter& json = line.writer();
  json.Key("generations").BeginArray();
  for (const GenerationInfo& generation : status.generations) {
    json.BeginObject();
    json.Key("generation").Int(static_cast<std::int64_t>(generation.generation));
    json.Key("created").Int(generation.created);
    json.Key("bytes").Int(static_cast<std::int64_t>(generation.bytes));
    json.Key("serving").Bool(generation.serving);
    json.Key("tainted").Bool(generation.tainted);
    json.Key("base").String(generation.base);
    json.Key("shown").Int(generation.outcome.shown);
    json.Key("accepted").Int(generation.outcome.accepted);
    json.EndObject();
  }
  json.EndArray();
  json.Key("ledger_files").Int(static_cast<std::int64_t>(status.ledger_files));
  json.Key("ledger_bytes").Int(static_cast<std::int64_t>(status.ledger_bytes));
  json.Key("quarantine").BeginArray();
  for (const VaultDamage& damage : status.quarantine) json.String(damage.what);
  json.EndArray();
  line.Print();
}

void Print(const VaultFlags& vault, const VaultStatus& status) {
  const auto number = [](auto value) { return static_cast<long long>(value); };
  std::printf("manifest     generation %lld, key %lld\n", number(status.manifest_generation),
              number(status.key_generation));
  std::printf("examples     %lld in %lld bytes\n", number(status.examples),
              number(status.example_bytes));
  std::printf("saved states %lld in %lld bytes", number(status.checkpoints),
              number(status.checkpoint_bytes));
  if (status.checkpoints > 0) std::printf(", newest at step %lld", number(status.checkpoint_step));
  std::printf("\nadapter      %s, %zu generations\n", vault.adapter.c_str(),
              status.generations.size());
  for (const GenerationInfo& generation : status.generations) {
    std::printf("  %-10lld %s  %lld bytes%s%s", number(generation.generation),
                MomentText(generation.created).c_str(), number(generation.bytes),
                generation.serving ? "  serving" : "",
                generation.tainted ? "  tainted: learned what was forgotten since" : "");
    const Outcome& outcome = generation.outcome;
    if (outcome.shown > 0) {
      std::printf("  taken %lld of %lld", number(outcome.accepted), number(outcome.shown));
    }
    std::printf("\n");
  }
  std::printf("ledger       %lld files of %lld bytes\n", number(status.ledger_files),
              number(status.ledger_bytes));
  std::printf("quarantine   %zu files\n", status.quarantine.size());
}

Result<ExitCode> ShowStatus(const StatusArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  ATTUNE_ASSIGN_OR_RETURN(const VaultStatus status,
                          InspectVault(platform->get(), arguments.vault.location()));
  if (arguments.json) {
    PrintAsJson(arguments.vault, status);
  } else {
    Print(arguments.vault, status);
  }
  return ExitCode::kOk;
}

// One line a damaged file.
void PrintDamage(const std::vector<VaultDamage>& damage, const char* key, bool json) {
  if (!json) {
    for (const VaultDamage& one : damage) std::printf("%s\n", one.what.c_str());
    return;
  }
  JsonLine line;
  line.writer().Key(key).BeginArray();
  for (const VaultDamage& one : damage) line.writer().String(one.what);
  line.writer().EndArray();
  line.Print();
}

Result<ExitCode> Verify(const StatusArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  ATTUNE_ASSIGN_OR_RETURN(const auto damage,
                          VerifyVault(platform->get(), arguments.vault.location()));
  PrintDamage(damage, "damaged", arguments.json);
  if (damage.empty()) {
    if (!arguments.json) std::printf("every file is authentic\n");
    return ExitCode::kOk;
  }
  return DataLoss(StrCat(damage.size(), damage.size() == 1 ? " file is" : " files are",
                         " damaged; `attune run` goes on without, restore a backup for more"));
}

Result<ExitCode> ListQuarantine(const StatusArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  ATTUNE_ASSIGN_OR_RETURN(const VaultStatus status,
                          InspectVault(platform->get(), arguments.vault.location()));
  PrintDamage(status.quarantine, "quarantine", arguments.json);
  return ExitCode::kOk;
}

using Show = Result<ExitCode> (*)(const StatusArguments& arguments);

void AddShowCommand(CLI::App* vault, const char* name, const char* description, Show show,
                    Action* action) {
  CLI::App* command = vault->add_subcommand(name, description);
  auto arguments = std::make_shared<StatusArguments>();
  AddVaultFlags(command, &arguments->vault)->required();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback(
      [arguments, show, action] { *action = [arguments, show] { return show(*arguments); }; });
}

}  // namespace

void AddVaultStatusCommand(CLI::App* vault, Action* action) {
  AddShowCommand(vault, "status", "Say what a vault holds", ShowStatus, action);
}

void AddVaultVerifyCommand(CLI::App* vault, Action* action) {
  AddShowCommand(vault, "verify", "Authenticate every file, and move none", Verify, action);
}

void AddVaultQuarantineCommand(CLI::App* vault, Action* action) {
  AddShowCommand(vault, "quarantine", "List the files that were damaged and set aside",
                 ListQuarantine, action);
}

}  // namespace attune
