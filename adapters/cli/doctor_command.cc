#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/doctor_checks.h"
#include "cli/vault_flags.h"
#include "config/config.h"
#include "platform/platform.h"
#include "posix/posix_file_system.h"

namespace attune {
namespace {

struct DoctorArguments {
  std::string config = "night.yaml";
  VaultFlags vault;  // Its keys.
  bool json = false;
};

constexpr ExitCode kFailed = ExitCode{1};

Finding ConfigFinding(const Result<Config>& config, const std::string& path) {
  Finding finding{.check = "configuration", .job = {}, .what = BaseName(path)};
  if (config.ok()) {
    const std::size_t jobs = config->night.jobs.size();
    finding.what += StrCat(": ", jobs, jobs == 1 ? " job" : " jobs");
    return finding;
  }
  finding.level = Level::kFail;
  finding.what = config.status().message();
  finding.advice = "nothing else was checked";
  return finding;
}

Result<ExitCode> Examine(const DoctorArguments& arguments) {
  Findings findings(arguments.json);
  PosixFileSystem files;
  const Result<Config> config = ReadConfig(files, arguments.config);
  findings.Add(ConfigFinding(config, arguments.config));
  if (!config.ok()) return kFailed;
  const NightOptions& night = config->night;

  PlatformOptions options;
  options.workers = 1;
  options.vault_directory = night.vault;
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault, options));
  std::string keys = arguments.vault.keys;
  if (keys.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(keys, DefaultKeyDirectory());
  }
  const ClockReading begin = ReadClocks(platform->get());
  const DeviceFacts facts = platform->get().monitor->Read();
  CheckKeys(files, keys, &findings);
  CheckVaults(platform->get(), night, &findings);
  CheckModels(platform->get(), night, facts, &findings);
  CheckSpace(night, &findings);
  CheckDevice(night, facts, &findings);
  CheckTimer(files, arguments.config, &findings);
  CheckClock(platform->get(), night, begin, &findings);
  findings.PrintSummary();
  return findings.failed() ? kFailed : ExitCode::kOk;
}

}  // namespace

void AddDoctorCommand(CLI::App* app, Action* action) {
  CLI::App* command =
      app->add_subcommand("doctor", "Check a configuration, what it names, and the device");
  auto arguments = std::make_shared<DoctorArguments>();
  command->add_option("--config", arguments->config, "The configuration file")
      ->capture_default_str();
  AddKeyFlags(command, &arguments->vault);
  command->add_flag("--json", arguments->json, "One JSON object a finding");
  command->callback([arguments, action] { *action = [arguments] { return Examine(*arguments); }; });
}

}  // namespace attune
