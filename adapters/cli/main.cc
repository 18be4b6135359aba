// attune: adapts a small language model to one person, from the command line.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "base/strings.h"
#include "cli/commands.h"

namespace attune {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 internal error, 2 bad input or usage, 3 refused (memory or\n"
    "space), 4 not now: try again later, 130 interrupted.";

// "attune: train: message" on one line.
int Fail(const std::string& subcommand, std::string message, ExitCode code) {
  for (char& c : message) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  std::fprintf(stderr, "attune: %s%s%s\n", subcommand.c_str(), subcommand.empty() ? "" : ": ",
               message.c_str());
  return static_cast<int>(code);
}

// Without what the user typed: it may be their text.
std::string UsageMessage(const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    return "an argument that belongs to no option; text with blanks needs quotes; try --help";
  }
  std::string message = error.what();
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) {
    message.resize(std::min(message.find(" = "), message.size()));
  }
  return message;
}

// "vault forget".
std::string CalledSubcommand(const CLI::App& app) {
  const auto called = app.get_subcommands();
  if (called.empty()) return "";
  const std::string inner = CalledSubcommand(*called.front());
  return StrCat(called.front()->get_name(), inner.empty() ? "" : " ", inner);
}

void AddFooters(CLI::App* app) {
  app->footer(kFooter);
  for (CLI::App* command : app->get_subcommands({})) AddFooters(command);
}

int Main(int argc, char** argv) {
  CLI::App app("Adapts a small language model to one person, on their device.", "attune");
  app.set_version_flag("--version", "attune " ATTUNE_VERSION);
  app.require_subcommand(1);
  Action action;
  AddRecordCommand(&app, &action);
  AddRunCommand(&app, &action);
  AddVaultCommand(&app, &action);
  AddScheduleCommand(&app, &action);
  AddWhyCommand(&app, &action);
  AddReportCommand(&app, &action);
  AddGenerateCommand(&app, &action);
  AddScoreCommand(&app, &action);
  AddSuggestCommand(&app, &action);
  AddTrainCommand(&app, &action);
  AddEvalCommand(&app, &action);
  AddDoctorCommand(&app, &action);
  AddInspectCommand(&app, &action);
  AddBenchCommand(&app, &action);
  AddAneCommand(&app, &action);
  AddFooters(&app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version.
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return Fail(CalledSubcommand(app), UsageMessage(error), ExitCode::kBadInput);
  }
  const Result<ExitCode> result = action();
  if (result.ok()) return static_cast<int>(*result);
  return Fail(CalledSubcommand(app), result.status().message(), ExitCodeOf(result.status()));
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  try {
    return attune::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    return attune::Fail("", "out of memory", attune::ExitCode::kRefused);
  } catch (const std::exception& error) {
    return attune::Fail("", error.what(), attune::ExitCode::kInternal);
  }
}
