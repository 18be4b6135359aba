#include <CLI/CLI.hpp>

#include "cli/ane_commands.h"

namespace attune {

void AddAneCommand(CLI::App* app, Action* action) {
  CLI::App* ane = app->add_subcommand("ane", "Programs of Apple's Neural Engine");
  ane->require_subcommand(1);
  AddAneCompileCommand(ane, action);
  AddAneValidateCommand(ane, action);
  AddAneRunCommand(ane, action);
  AddAneDiffCommand(ane, action);
  AddAneLimitsCommand(ane, action);
  AddAneDoctorCommand(ane, action);
}

}  // namespace attune
