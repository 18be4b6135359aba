#include "cli/bench_command.h"

#include <CLI/CLI.hpp>

namespace attune {

void AddBenchCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("bench", "Measure speed and memory");
  command->require_subcommand(1);
  AddTrainBench(command, action);
  AddDecodeBench(command, action);
}

}  // namespace attune
