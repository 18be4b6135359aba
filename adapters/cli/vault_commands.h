// The subcommands of `attune vault`, as commands.h has it for `attune`.

#pragma once

#include "cli/commands.h"

namespace attune {

void AddVaultStatusCommand(CLI::App* vault, Action* action);
void AddVaultVerifyCommand(CLI::App* vault, Action* action);
void AddVaultQuarantineCommand(CLI::App* vault, Action* action);
void AddVaultPromoteCommand(CLI::App* vault, Action* action);
void AddVaultRollbackCommand(CLI::App* vault, Action* action);
void AddVaultOutcomeCommand(CLI::App* vault, Action* action);
void AddVaultExportCommand(CLI::App* vault, Action* action);
void AddVaultForgetCommand(CLI::App* vault, Action* action);
void AddVaultRotateKeyCommand(CLI::App* vault, Action* action);

}  // namespace attune
