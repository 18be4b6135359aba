// `attune ane validate`: what a device would not take of a program.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ane/constraints/constraint.h"
#include "cli/ane_commands.h"
#include "cli/ane_files.h"
#include "cli/ane_target.h"
#include "cli/json_line.h"
#include "platform/platform.h"

namespace attune {
namespace {

struct Options {
  std::string program;
  std::vector<std::string> weights;
  AneTargetOptions target;
  bool json = false;
};

void Print(const std::string& file, const ane::Violation& violation, bool json) {
  if (json) {
    JsonLine line;
    line.Add("event", "violation").Add("rule", violation.rule);
    line.Add("severity", ane::SeverityName(violation.severity));
    line.Add("line", std::int64_t{violation.at.line});
    line.Add("column", std::int64_t{violation.at.column}).Add("message", violation.message);
    line.Print();
    return;
  }
  std::printf("%s:%d:%d: %s: %s [%s]\n", file.c_str(), violation.at.line, violation.at.column,
              std::string(ane::SeverityName(violation.severity)).c_str(), violation.message.c_str(),
              std::string(violation.rule).c_str());
}

Result<ExitCode> Run(const Options& options) {
  const DefaultPlatform platform(1);
  ATTUNE_ASSIGN_OR_RETURN(const ane::Target target, options.target.target());
  ATTUNE_ASSIGN_OR_RETURN(const AneProgramFiles files,
                          ReadAneProgram(*platform.get().files, options.program, options.weights));
  const auto violations =
      ane::Validate({files.program, files.weights.empty() ? nullptr : &files.weights, target});
  std::int64_t broken = 0;
  for (const ane::Violation& violation : violations) {
    Print(BaseName(options.program), violation, options.json);
    if (IsBroken(violation)) ++broken;
  }
  const auto all = static_cast<std::int64_t>(violations.size());
  if (options.json) {
    JsonLine line;
    line.Add("event", "validated").Add("target", ane::TargetName(target));
    line.Add("weights", !files.weights.empty()).Add("violations", broken);
    line.Add("advice", all - broken);
    line.Print();
  } else {
    std::printf("%s: %lld violations, %lld to know, on %s%s\n", BaseName(options.program).c_str(),
                static_cast<long long>(broken), static_cast<long long>(all - broken),
                ane::TargetName(target).c_str(),
                files.weights.empty() ? "; weights not looked at" : "");
  }
  return broken == 0 ? ExitCode::kOk : kFound;
}

}  // namespace

void AddAneValidateCommand(CLI::App* ane, Action* action) {
  CLI::App* command = ane->add_subcommand("validate", "Check a program against what devices take");
  auto options = std::make_shared<Options>();
  command->add_option("program", options->program, "MIL text")->required();
  command->add_option("weights,--weights", options->weights,
                      "Weight file, @model_path/...=FILE, or directory; default: beside it");
  AddAneTargetOptions(command, &options->target);
  command->add_flag("--json", options->json, "One JSON object a line");
  command->callback([options, action] { *action = [options] { return Run(*options); }; });
}

}  // namespace attune
