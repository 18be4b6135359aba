#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/ledger_lines.h"
#include "cli/vault_flags.h"
#include "config/config.h"
#include "ports/clock.h"
#include "posix/posix_file_system.h"
#include "schedule/why.h"
#include "session/vault_ledger.h"

namespace attune {
namespace {

constexpr std::int64_t kMostNights = 400;

struct WhyArguments {
  VaultFlags vault;
  std::string config;
  std::string job;
  std::string last = "7d";
  bool records = false;
  bool json = false;
};

// "7d": 7.
Result<std::int64_t> ParseNights(std::string_view text) {
  std::int64_t nights = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, nights);
  if (error != std::errc() || nights < 1 || nights > kMostNights ||
      std::string_view(stop, static_cast<std::size_t>(end - stop)) != "d") {
    return InvalidArgument(StrCat("--last: expected 1d to ", kMostNights, "d"));
  }
  return nights;
}

// In the order in which they first appear.
std::vector<std::string> JobsOf(const std::vector<LedgerRecord>& records) {
  std::vector<std::string> jobs;
  for (const LedgerRecord& record : records) {
    if (std::find(jobs.begin(), jobs.end(), record.job) == jobs.end()) jobs.push_back(record.job);
  }
  return jobs;
}

// Where the ledger lies, and the jobs if they are known without it.
Result<std::string> LedgerVault(const WhyArguments& arguments, std::vector<std::string>* jobs) {
  if (arguments.config.empty()) return arguments.vault.directory;
  PosixFileSystem files;
  ATTUNE_ASSIGN_OR_RETURN(const Config config, ReadConfig(files, arguments.config));
  for (const NightJob& job : config.night.jobs) jobs->push_back(job.policy.name);
  return config.night.vault;
}

void PrintRecords(const std::vector<LedgerRecord>& records, const std::vector<std::string>& jobs,
                  std::int64_t first) {
  for (const LedgerRecord& record : records) {
    if (NightOf(record.when, record.utc_offset_seconds) < first) continue;
    if (std::find(jobs.begin(), jobs.end(), record.job) == jobs.end()) continue;
    PrintRecordAsJson(record);
  }
}

Result<ExitCode> Tell(const WhyArguments& arguments) {
  if (arguments.config.empty() == arguments.vault.directory.empty()) {
    return InvalidArgument("needs --config or --vault, one of the two");
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t nights, ParseNights(arguments.last));
  std::vector<std::string> jobs;
  ATTUNE_ASSIGN_OR_RETURN(const std::string directory, LedgerVault(arguments, &jobs));
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  ATTUNE_ASSIGN_OR_RETURN(const auto ledger,
                          VaultLedger::Open(platform->get(), directory, /*create=*/false));
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<LedgerRecord> records, ledger->Read());
  if (jobs.empty()) jobs = JobsOf(records);
  if (!arguments.job.empty()) {
    if (std::find(jobs.begin(), jobs.end(), arguments.job) == jobs.end()) {
      return NotFound(StrCat("no such job; there are: ", StrJoin(jobs, ", ")));
    }
    jobs = {arguments.job};
  }
  Clock& clock = *platform->get().clock;
  const std::int64_t now = clock.UnixSeconds();
  const std::int64_t last = NightOf(now, clock.UtcOffsetSeconds(now));
  if (arguments.records) PrintRecords(records, jobs, last - nights + 1);
  PrintNights(Why(records, jobs, last - nights + 1, last), arguments.json || arguments.records);
  if (jobs.empty() && !arguments.json) std::printf("nothing is on record\n");
  if (ledger->damaged() > 0) {
    std::fprintf(stderr, "attune: why: %llu records could not be read\n",
                 static_cast<unsigned long long>(ledger->damaged()));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddWhyCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("why", "Say what happened each night, and why nothing");
  auto arguments = std::make_shared<WhyArguments>();
  command->add_option("--config", arguments->config, "The configuration whose nights they are");
  command->add_option("--vault", arguments->vault.directory, "Instead: the vault with the ledger");
  AddKeyFlags(command, &arguments->vault);
  command->add_option("--job", arguments->job, "Of this one only");
  command->add_option("--last", arguments->last, "So many nights, with the coming one")
      ->capture_default_str();
  command->add_flag("--records", arguments->records, "Every record first, as JSON");
  command->add_flag("--json", arguments->json, "One JSON object a line");
  command->callback([arguments, action] { *action = [arguments] { return Tell(*arguments); }; });
}

}  // namespace attune
