// `attune ane limits`: the catalogue of constraints.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "ane/constraints/constraint.h"
#include "cli/ane_commands.h"
#include "cli/ane_target.h"
#include "cli/json_line.h"

namespace attune {
namespace {

struct Options {
  AneTargetOptions target;
  bool all = false;
  bool json = false;
};

void Print(const ane::Constraint& rule, int width, bool json) {
  const std::string id(rule.id), severity(ane::SeverityName(rule.severity));
  const std::string what(rule.what), seen(rule.seen);
  if (json) {
    JsonLine line;
    line.Add("rule", id).Add("severity", severity).Add("what", what).Add("seen", seen);
    line.Print();
    return;
  }
  std::printf("%-*s  %-8s  %s\n%*s  seen: %s\n", width, id.c_str(), severity.c_str(), what.c_str(),
              width + 10, "", seen.c_str());
}

Result<ExitCode> Run(const Options& options) {
  ATTUNE_ASSIGN_OR_RETURN(const ane::Target target, options.target.target());
  std::size_t width = 0, applying = 0;
  for (const ane::Constraint& rule : ane::AllConstraints()) width = std::max(width, rule.id.size());
  for (const ane::Constraint& rule : ane::AllConstraints()) {
    const bool applies = rule.applies(target);
    if (applies) ++applying;
    if (applies || options.all) Print(rule, static_cast<int>(width), options.json);
  }
  if (!options.json) {
    std::printf("%zu of %zu constraints hold on %s\n", applying, ane::AllConstraints().size(),
                ane::TargetName(target).c_str());
  }
  return ExitCode::kOk;
}

}  // namespace

void AddAneLimitsCommand(CLI::App* ane, Action* action) {
  CLI::App* command = ane->add_subcommand("limits", "List what a Neural Engine does not take");
  auto options = std::make_shared<Options>();
  AddAneTargetOptions(command, &options->target);
  command->add_flag("--all", options->all, "Those of other chips and systems too");
  command->add_flag("--json", options->json, "One JSON object a line");
  command->callback([options, action] { *action = [options] { return Run(*options); }; });
}

}  // namespace attune
