#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "attune/adaptation.h"
#include "cli/json_line.h"
#include "cli/vault_commands.h"
#include "cli/vault_flags.h"

namespace attune {

void AddVaultRotateKeyCommand(CLI::App* vault, Action* action) {
  struct Arguments {
    VaultFlags vault;
    bool json = false;
  };
  CLI::App* command =
      vault->add_subcommand("rotate-key", "Put a vault under a new root key; its files stay");
  auto arguments = std::make_shared<Arguments>();
  AddVaultFlags(command, &arguments->vault)->required();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, action] {
    *action = [arguments]() -> Result<ExitCode> {
      ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments->vault));
      const VaultLocation location = arguments->vault.location();
      ATTUNE_RETURN_IF_ERROR(RotateVaultKey(platform->get(), location));
      ATTUNE_ASSIGN_OR_RETURN(const VaultStatus status, InspectVault(platform->get(), location));
      if (arguments->json) {
        JsonLine().Add("key_generation", status.key_generation).Print();
      } else {
        std::printf("root key %llu\n", static_cast<unsigned long long>(status.key_generation));
      }
      return ExitCode::kOk;
    };
  });
}

}  // namespace attune
