#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/schedule_commands.h"

namespace attune {

void AddScheduleCommand(CLI::App* app, Action* action) {
  CLI::App* schedule = app->add_subcommand("schedule", "Train while nobody needs the device");
  schedule->require_subcommand(1);
  AddScheduleRunOnceCommand(schedule, action);
  AddScheduleInstallCommand(schedule, action);
  AddScheduleUninstallCommand(schedule, action);
  AddScheduleSimulateCommand(schedule, action);
}

}  // namespace attune
