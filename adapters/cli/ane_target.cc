#include "cli/ane_target.h"

#include <CLI/CLI.hpp>

namespace attune {

Result<ane::Target> AneTargetOptions::target() const {
  ane::Target target;
  ATTUNE_ASSIGN_OR_RETURN(target.chip, ane::ParseChip(chip));
  target.os = os;
  return target;
}

void AddAneTargetOptions(CLI::App* app, AneTargetOptions* options) {
  app->add_option("--chip", options->chip, "m1, m4, m4-max, a18-pro, ...")->capture_default_str();
  app->add_option("--os", options->os, "Major version of macOS")
      ->check(CLI::Range(15, 27))
      ->capture_default_str();
}

}  // namespace attune
