#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/vault_commands.h"

namespace attune {

void AddVaultCommand(CLI::App* app, Action* action) {
  CLI::App* vault = app->add_subcommand("vault", "Look after a vault");
  vault->require_subcommand(1);
  AddVaultStatusCommand(vault, action);
  AddVaultVerifyCommand(vault, action);
  AddVaultQuarantineCommand(vault, action);
  AddVaultPromoteCommand(vault, action);
  AddVaultRollbackCommand(vault, action);
  AddVaultOutcomeCommand(vault, action);
  AddVaultExportCommand(vault, action);
  AddVaultForgetCommand(vault, action);
  AddVaultRotateKeyCommand(vault, action);
}

}  // namespace attune
