// The subcommands of `attune schedule`, as commands.h has those of `attune`.

#pragma once

#include "cli/commands.h"

namespace attune {

void AddScheduleInstallCommand(CLI::App* schedule, Action* action);
void AddScheduleUninstallCommand(CLI::App* schedule, Action* action);
void AddScheduleRunOnceCommand(CLI::App* schedule, Action* action);
void AddScheduleSimulateCommand(CLI::App* schedule, Action* action);

}  // namespace attune
