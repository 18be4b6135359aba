// The subcommands of `attune ane`, as commands.h has it for `attune`.

#pragma once

#include "cli/commands.h"

namespace attune {

// A check found something, or two programs differ: as `attune doctor` has it.
inline constexpr ExitCode kFound = ExitCode{1};

void AddAneCompileCommand(CLI::App* ane, Action* action);
void AddAneValidateCommand(CLI::App* ane, Action* action);
void AddAneRunCommand(CLI::App* ane, Action* action);
void AddAneDiffCommand(CLI::App* ane, Action* action);
void AddAneLimitsCommand(CLI::App* ane, Action* action);
void AddAneDoctorCommand(CLI::App* ane, Action* action);

}  // namespace attune
