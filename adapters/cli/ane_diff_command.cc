// `attune ane diff`: what two programs do differently.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "ane/mil/diff.h"
#include "cli/ane_commands.h"
#include "cli/ane_files.h"
#include "cli/json_line.h"
#include "platform/platform.h"

namespace attune {
namespace {

struct Options {
  std::string left, right;
  bool json = false;
};

void Print(const ane::mil::Difference& difference, bool json) {
  if (json) {
    JsonLine line;
    line.Add("event", "difference").Add("where", difference.where);
    line.Add("left", difference.left).Add("right", difference.right);
    line.Print();
    return;
  }
  std::printf("%s\n", difference.where.c_str());
  if (!difference.left.empty()) std::printf("< %s\n", difference.left.c_str());
  if (!difference.right.empty()) std::printf("> %s\n", difference.right.c_str());
}

Result<ExitCode> Run(const Options& options) {
  const DefaultPlatform platform(1);
  FileSystem& files = *platform.get().files;
  ATTUNE_ASSIGN_OR_RETURN(const AneProgramFiles left, ReadAneProgram(files, options.left, {}));
  ATTUNE_ASSIGN_OR_RETURN(const AneProgramFiles right, ReadAneProgram(files, options.right, {}));
  const auto differences = ane::mil::Diff(left.program, right.program);
  for (const auto& difference : differences) Print(difference, options.json);
  if (options.json) {
    JsonLine line;
    line.Add("event", "compared");
    line.Add("differences", static_cast<std::int64_t>(differences.size()));
    line.Print();
  } else if (differences.empty()) {
    std::printf("the programs compute the same\n");
  }
  return differences.empty() ? ExitCode::kOk : kFound;
}

}  // namespace

void AddAneDiffCommand(CLI::App* ane, Action* action) {
  CLI::App* command = ane->add_subcommand("diff", "Compare two programs by what they compute");
  auto options = std::make_shared<Options>();
  command->add_option("left", options->left, "MIL text")->required();
  command->add_option("right", options->right, "MIL text")->required();
  command->add_flag("--json", options->json, "One JSON object a line");
  command->callback([options, action] { *action = [options] { return Run(*options); }; });
}

}  // namespace attune
