#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/vault_flags.h"
#include "config/config.h"
#include "ports/clock.h"
#include "posix/posix_file_system.h"
#include "report/report.h"
#include "schedule/why.h"
#include "session/generation_curve.h"
#include "session/vault_ledger.h"

namespace attune {
namespace {

constexpr int kMostNights = 400;

struct ReportArguments {
  std::string config = "night.yaml";
  VaultFlags vault;  // Its keys.
  int nights = 1;
  std::string html;
  std::string timeline;
};

Status WritePage(const std::string& path, const std::string& page) {
  PosixFileSystem files;
  const std::span<const std::byte> part = std::as_bytes(std::span(page));
  return files.WriteAtomically(path, std::span(&part, 1));
}

// Of every generation that was judged in these nights and is still kept.
std::vector<ReportedCurve> CurvesOf(const Platform& platform, const NightOptions& night,
                                    const std::vector<LedgerRecord>& records, std::int64_t first) {
  std::vector<ReportedCurve> curves;
  for (const LedgerRecord& record : records) {
    const bool judged = record.event == LedgerEvent::kPromoted ||
                        record.event == LedgerEvent::kKept ||
                        record.event == LedgerEvent::kRejected;
    if (!judged || record.generation == 0) continue;
    if (NightOf(record.when, record.utc_offset_seconds) < first) continue;
    for (const NightJob& job : night.jobs) {
      if (job.policy.name != record.job) continue;
      auto svg = CurveOfGeneration(platform, {job.adaptation.vault, job.adaptation.adapter},
                                   record.generation);
      // One that was dropped since has none to show.
      if (svg.ok() && !svg->empty()) curves.push_back({record.job, record.generation, *svg});
    }
  }
  return curves;
}

Result<ExitCode> Report(const ReportArguments& arguments) {
  PosixFileSystem files;
  ATTUNE_ASSIGN_OR_RETURN(const Config config, ReadConfig(files, arguments.config));
  const NightOptions& night = config.night;
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  ATTUNE_ASSIGN_OR_RETURN(const auto ledger,
                          VaultLedger::Open(platform->get(), night.vault, /*create=*/false));
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<LedgerRecord> records, ledger->Read());
  std::vector<std::string> jobs;
  for (const NightJob& job : night.jobs) jobs.push_back(job.policy.name);

  Clock& clock = *platform->get().clock;
  const std::int64_t now = clock.UnixSeconds();
  const std::int64_t last = NightOf(now, clock.UtcOffsetSeconds(now));
  const std::int64_t first = last - arguments.nights + 1;
  const ReportInput input{records, jobs, first, last};
  const auto curves = CurvesOf(platform->get(), night, records, first);
  std::fputs(MorningText(input, curves).c_str(), stdout);
  if (!arguments.html.empty()) {
    ATTUNE_RETURN_IF_ERROR(WritePage(arguments.html, MorningHtml(input, curves)));
  }
  if (!arguments.timeline.empty()) {
    ATTUNE_RETURN_IF_ERROR(WritePage(arguments.timeline, TimelineHtml(input)));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddReportCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("report", "The morning report: what the night brought");
  auto arguments = std::make_shared<ReportArguments>();
  command->add_option("--config", arguments->config, "The configuration whose night it was")
      ->capture_default_str();
  AddKeyFlags(command, &arguments->vault);
  command->add_option("--nights", arguments->nights, "So many, from noon to noon, with this one")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostNights));
  command->add_option("--html", arguments->html, "Also as a page, with the loss curves");
  command->add_option("--timeline", arguments->timeline, "And all nights at a glance, as a page");
  command->callback([arguments, action] { *action = [arguments] { return Report(*arguments); }; });
}

}  // namespace attune
