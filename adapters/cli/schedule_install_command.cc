#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/schedule_commands.h"
#include "cli/vault_flags.h"
#include "config/config.h"
#include "platform/platform.h"
#include "posix/posix_file_system.h"
#include "text/utf8.h"

#ifdef __linux__
#include "linux/systemd_units.h"
#endif

namespace attune {
namespace {

struct InstallArguments {
  std::string config = "night.yaml";
  VaultFlags vault;  // Its keys.
  std::string every = "15min";
  double deadline = 0;
  std::string name = "attune-night";
  std::string directory;
  bool no_namespaces = false;
  bool dry_run = false;
};

#ifdef __linux__

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxUnitBytes = 1 << 16;

Result<std::string> Absolute(const std::string& path, const char* what) {
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) return InvalidArgument(StrCat(what, ": ", error.message()));
  if (!IsValidUtf8(absolute.native())) {
    return InvalidArgument(StrCat(what, ": a path that is not UTF-8; systemd takes no other"));
  }
  return absolute.native();
}

// The directory itself, or its nearest parent that is there: what has to be
// writable so that it can be made.
Result<std::string> Existing(const std::string& directory, const char* what) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string absolute, Absolute(directory, what));
  fs::path path = absolute;
  std::error_code error;
  while (!fs::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return path.native();
}

Result<std::string> UnitDirectory(const InstallArguments& arguments) {
  if (!arguments.directory.empty()) return Absolute(arguments.directory, "--directory");
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && config[0] == '/') return JoinPath(config, "systemd/user");
  const char* const home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return JoinPath(home, ".config/systemd/user");
  return FailedPrecondition(
      "no directory for units: neither XDG_CONFIG_HOME nor HOME is set; use --directory");
}

// Everything that a night writes to: the vaults and the keys, each once.
Result<std::vector<std::string>> Writable(const Config& config, const std::string& keys) {
  std::vector<std::string> paths;
  const auto add = [&paths](const std::string& directory, const char* what) -> Status {
    ATTUNE_ASSIGN_OR_RETURN(std::string path, Existing(directory, what));
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
      paths.push_back(std::move(path));
    }
    return OkStatus();
  };
  ATTUNE_RETURN_IF_ERROR(add(config.night.vault, "vault"));
  for (const NightJob& job : config.night.jobs) {
    ATTUNE_RETURN_IF_ERROR(add(job.adaptation.vault, "vault"));
  }
  ATTUNE_RETURN_IF_ERROR(add(keys, "keys"));
  return paths;
}

Result<SystemdUnitOptions> UnitOptionsOf(const InstallArguments& arguments) {
  PosixFileSystem files;
  ATTUNE_ASSIGN_OR_RETURN(const Config config, ReadConfig(files, arguments.config));
  std::string keys = arguments.vault.keys;
  if (keys.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(keys, DefaultKeyDirectory());
  }
  SystemdUnitOptions options;
  options.name = arguments.name;
  options.namespaces = !arguments.no_namespaces;
  options.deadline_seconds = arguments.deadline;
  ATTUNE_ASSIGN_OR_RETURN(options.every_seconds, ParseInterval(arguments.every));
  ATTUNE_ASSIGN_OR_RETURN(options.program, Absolute("/proc/self/exe", "program"));
  ATTUNE_ASSIGN_OR_RETURN(options.writable, Writable(config, keys));
  ATTUNE_ASSIGN_OR_RETURN(const std::string file, Absolute(arguments.config, "--config"));
  ATTUNE_ASSIGN_OR_RETURN(keys, Absolute(keys, "--keys"));
  options.arguments = {"schedule", "run-once", "--config", file, "--keys", keys};
  if (!arguments.vault.passphrase_file.empty()) {
    if (arguments.vault.passphrase_file == "-") {
      return InvalidArgument("--passphrase-file: nobody is there to type it; give a file");
    }
    ATTUNE_ASSIGN_OR_RETURN(const std::string passphrase,
                            Absolute(arguments.vault.passphrase_file, "--passphrase-file"));
    options.arguments.insert(options.arguments.end(), {"--passphrase-file", passphrase});
  }
  if (arguments.deadline > 0) {
    options.arguments.insert(options.arguments.end(), {"--deadline", StrCat(arguments.deadline)});
  }
  return options;
}

// Nothing is there, or what we wrote ourselves.
Status CheckOurs(FileSystem& files, const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) return OkStatus();
  if (status.type() == fs::file_type::regular) {
    const auto text = files.Read(path, kMaxUnitBytes);
    if (text.ok() && text->starts_with(kUnitMark)) return OkStatus();
  }
  return FailedPrecondition(
      StrCat(BaseName(path), " is there, and not ours: move it away, or use another --name"));
}

Status Write(FileSystem& files, const std::string& path, const std::string& text) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  return files.WriteAtomically(path, {&bytes, 1});
}

// For a shell.
std::string ShellQuoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

void PrintWhatToDo(const std::string& directory, const SystemdUnitOptions& options) {
  const char* const name = options.name.c_str();
  std::printf(
      "wrote %s.service and %s.timer to %s\n\n"
      "to begin             systemctl --user daemon-reload\n"
      "                     systemctl --user enable --now %s.timer\n"
      "also logged out      loginctl enable-linger\n"
      "when it wakes next   systemctl --user list-timers %s.timer\n"
      "what it did          attune why --config %s --keys %s\n",
      name, name, directory.c_str(), name, name, ShellQuoted(options.arguments[3]).c_str(),
      ShellQuoted(options.arguments[5]).c_str());
}

Result<ExitCode> Install(const InstallArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const SystemdUnitOptions options, UnitOptionsOf(arguments));
  ATTUNE_ASSIGN_OR_RETURN(const SystemdUnits units, MakeSystemdUnits(options));
  if (arguments.dry_run) {
    std::printf("# %s.service\n%s\n# %s.timer\n%s", options.name.c_str(), units.service.c_str(),
                options.name.c_str(), units.timer.c_str());
    return ExitCode::kOk;
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string directory, UnitDirectory(arguments));
  PosixFileSystem files;
  const std::string service = JoinPath(directory, options.name + ".service");
  const std::string timer = JoinPath(directory, options.name + ".timer");
  ATTUNE_RETURN_IF_ERROR(CheckOurs(files, service));
  ATTUNE_RETURN_IF_ERROR(CheckOurs(files, timer));
  ATTUNE_RETURN_IF_ERROR(files.CreateDirectories(directory));
  // The timer last: it starts the other one.
  ATTUNE_RETURN_IF_ERROR(Write(files, service, units.service));
  ATTUNE_RETURN_IF_ERROR(Write(files, timer, units.timer));
  PrintWhatToDo(directory, options);
  return ExitCode::kOk;
}

Result<ExitCode> Uninstall(const InstallArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string directory, UnitDirectory(arguments));
  PosixFileSystem files;
  int removed = 0;
  for (const char* kind : {".timer", ".service"}) {
    const std::string path = JoinPath(directory, arguments.name + kind);
    ATTUNE_RETURN_IF_ERROR(CheckOurs(files, path));
    if (!files.Exists(path)) continue;
    ATTUNE_RETURN_IF_ERROR(files.Remove(path));
    ++removed;
  }
  if (removed == 0) return NotFound(StrCat("no units of that name: ", arguments.name));
  std::printf(
      "removed %d units from %s\n\n"
      "to end it            systemctl --user disable --now %s.timer\n"
      "                     systemctl --user daemon-reload\n",
      removed, directory.c_str(), arguments.name.c_str());
  return ExitCode::kOk;
}

#else

Result<ExitCode> Install(const InstallArguments&) {
  return Unsupported("only with systemd; elsewhere the application asks its system to be woken");
}
Result<ExitCode> Uninstall(const InstallArguments& arguments) { return Install(arguments); }

#endif

void AddPlaceFlags(CLI::App* command, InstallArguments* arguments) {
  command->add_option("--directory", arguments->directory,
                      "Where the units go; default: the user's, ~/.config/systemd/user");
  command
      ->add_option("--name", arguments->name, "Of the units, to tell several configurations apart")
      ->capture_default_str();
}

}  // namespace

void AddScheduleInstallCommand(CLI::App* schedule, Action* action) {
  CLI::App* command =
      schedule->add_subcommand("install", "Let systemd wake run-once: a user's timer and service");
  auto arguments = std::make_shared<InstallArguments>();
  command->add_option("--config", arguments->config, "The configuration file")
      ->capture_default_str();
  AddKeyFlags(command, &arguments->vault);
  command->add_option("--every", arguments->every, "How often to look whether it may train")
      ->capture_default_str();
  command->add_option("--deadline", arguments->deadline, "Seconds that one look may take; 0: any")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  AddPlaceFlags(command, arguments.get());
  command->add_flag("--no-namespaces", arguments->no_namespaces,
                    "For a kernel that gives users none: system call filters alone");
  command->add_flag("--dry-run", arguments->dry_run, "Print the units, write nothing");
  command->callback([arguments, action] { *action = [arguments] { return Install(*arguments); }; });
}

void AddScheduleUninstallCommand(CLI::App* schedule, Action* action) {
  CLI::App* command = schedule->add_subcommand("uninstall", "Remove what install wrote");
  auto arguments = std::make_shared<InstallArguments>();
  AddPlaceFlags(command, arguments.get());
  command->callback(
      [arguments, action] { *action = [arguments] { return Uninstall(*arguments); }; });
}

}  // namespace attune
