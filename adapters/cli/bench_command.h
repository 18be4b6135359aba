// The two halves of `attune bench`, as subcommands of `app`.

#pragma once

#include "cli/commands.h"

namespace attune {

void AddTrainBench(CLI::App* app, Action* action);
void AddDecodeBench(CLI::App* app, Action* action);

}  // namespace attune
