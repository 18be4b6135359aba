// The subcommands of `attune`. Each Add...Command() declares its options on
// `app` and, when its subcommand is the one called, sets `*action`, which runs
// after parsing. Results go to stdout, everything else to stderr.

#pragma once

#include <functional>

#include "attune/status.h"
#include "cli/exit_code.h"

namespace CLI {
class App;
}

namespace attune {

using Action = std::function<Result<ExitCode>()>;

void AddGenerateCommand(CLI::App* app, Action* action);
void AddScoreCommand(CLI::App* app, Action* action);
void AddSuggestCommand(CLI::App* app, Action* action);
void AddTrainCommand(CLI::App* app, Action* action);
void AddRecordCommand(CLI::App* app, Action* action);
void AddRunCommand(CLI::App* app, Action* action);
void AddVaultCommand(CLI::App* app, Action* action);
void AddScheduleCommand(CLI::App* app, Action* action);
void AddWhyCommand(CLI::App* app, Action* action);
void AddReportCommand(CLI::App* app, Action* action);
void AddEvalCommand(CLI::App* app, Action* action);
void AddDoctorCommand(CLI::App* app, Action* action);
void AddInspectCommand(CLI::App* app, Action* action);
void AddBenchCommand(CLI::App* app, Action* action);
void AddAneCommand(CLI::App* app, Action* action);

}  // namespace attune
