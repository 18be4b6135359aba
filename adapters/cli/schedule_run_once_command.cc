#include <CLI/CLI.hpp>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attune/night.h"
#include "base/strings.h"
#include "cli/interrupt.h"
#include "cli/ledger_lines.h"
#include "cli/progress_bar.h"
#include "cli/schedule_commands.h"
#include "cli/vault_flags.h"
#include "config/config.h"
#include "ports/clock.h"
#include "posix/posix_file_system.h"
#include "schedule/policy.h"
#include "schedule/why.h"

namespace attune {
namespace {

struct RunOnceArguments {
  std::string config;
  VaultFlags vault;  // Its keys.
  double deadline = 0;
  int workers = 0;
  bool json = false;
};

// What a signal stops; null while there is nothing to stop.
std::atomic<Night*> g_night{nullptr};
static_assert(std::atomic<Night*>::is_always_lock_free);

void StopNight(int count) {
  Night* const night = g_night.load();
  if (night == nullptr) return;
  if (count == 1) {
    night->Stop();
  } else {
    night->StopNow();
  }
}

// Shows every step, on a bar for each job or as JSON.
class NightDisplay {
 public:
  explicit NightDisplay(bool json) : json_(json) {}

  void Show(const NightEvent& event) {
    if (json_) {
      PrintAsJson(event);
      return;
    }
    const auto [bar, added] = bars_.try_emplace(event.job, stderr, event.job);
    bar->second.Show(event.training);
  }
  void Finish() {
    if (!bars_.empty()) bars_.begin()->second.Finish();
  }

 private:
  static void PrintAsJson(const NightEvent& event) {
    const TrainingEvent& training = event.training;
    JsonLine line;
    line.Add("event", "step").Add("job", event.job);
    line.Add("step", training.step).Add("steps", training.steps).Add("loss", training.loss);
    line.Add("seconds", training.seconds).Add("rest_seconds", event.rest_seconds);
    if (training.skipped) line.Add("skipped", training.reason);
    if (training.has_held_out_loss) line.Add("held_out_loss", training.held_out_loss);
    line.Print();
  }

  const bool json_;
  std::map<std::string, ProgressBar> bars_;
};

void PrintNextAttempt(std::int64_t next_attempt, Clock& clock, bool json) {
  if (json) {
    JsonLine line;
    line.Add("event", "done").Add("next_attempt", next_attempt).Print();
  } else if (next_attempt > 0) {
    const std::int32_t offset = clock.UtcOffsetSeconds(next_attempt);
    std::printf("next attempt  %s\n", LocalMomentText(next_attempt, offset).c_str());
  } else {
    std::printf("next attempt  when the device's state changes\n");
  }
}

// Of jobs that wait now; the ledger tells it only where nothing else happened.
void PrintWaits(const NightReport& report, const std::vector<std::string>& jobs, bool json) {
  for (std::size_t i = 0; i < jobs.size() && i < report.verdicts.size(); ++i) {
    const Verdict& verdict = report.verdicts[i];
    if (verdict.kind != Verdict::Kind::kWait) continue;
    if (json) {
      JsonLine line;
      line.Add("event", "waits").Add("job", jobs[i]).Add("reason", ReasonName(verdict.reason));
      line.Add("until", verdict.until).Print();
    } else {
      std::printf("waits         %s: %s\n", jobs[i].c_str(),
                  std::string(ReasonSentence(verdict.reason)).c_str());
    }
  }
}

// A job that failed or would not fit tells its caller so; one that waits is fine.
ExitCode CodeOf(const NightReport& report) {
  ExitCode code = Interrupted() ? ExitCode::kInterrupted : ExitCode::kOk;
  for (const LedgerRecord& record : report.records) {
    if (record.event == LedgerEvent::kRefused) code = ExitCode::kRefused;
    if (record.event == LedgerEvent::kFailed && record.code != StatusCode::kOk) {
      return ExitCodeOf(Status(record.code, ""));
    }
  }
  return code;
}

Result<NightReport> Train(Night& night, const RunOnceArguments& arguments) {
  NightDisplay display(arguments.json);
  g_night.store(&night);
  CallAtInterrupts(&StopNight);
  const Status started =
      night.Start(arguments.deadline, [&](const NightEvent& event) { display.Show(event); });
  // One that came before there was anything to stop.
  if (Interrupted()) night.Stop();
  Result<NightReport> report = started.ok() ? night.Wait() : Result<NightReport>(started);
  g_night.store(nullptr);
  display.Finish();
  return report;
}

Result<ExitCode> RunOnce(const RunOnceArguments& arguments) {
  PosixFileSystem files;
  ATTUNE_ASSIGN_OR_RETURN(const Config config, ReadConfig(files, arguments.config));
  PlatformOptions options;
  options.workers = arguments.workers;
  options.background = true;
  options.vault_directory = config.night.vault;
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault, options));
  ATTUNE_ASSIGN_OR_RETURN(const auto night, Night::Open(platform->get(), config.night));
  ATTUNE_ASSIGN_OR_RETURN(const NightReport report, Train(*night, arguments));

  Clock& clock = *platform->get().clock;
  const std::int64_t now = clock.UnixSeconds();
  const std::int64_t tonight = NightOf(now, clock.UtcOffsetSeconds(now));
  std::vector<std::string> jobs;
  for (const NightJob& job : config.night.jobs) jobs.push_back(job.policy.name);
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<LedgerRecord> records, night->ReadLedger());
  if (arguments.json) {
    for (const LedgerRecord& record : report.records) PrintRecordAsJson(record);
  }
  PrintNights(Why(records, jobs, tonight, tonight), arguments.json);
  PrintWaits(report, jobs, arguments.json);
  PrintNextAttempt(report.next_attempt, clock, arguments.json);
  return CodeOf(report);
}

}  // namespace

void AddScheduleRunOnceCommand(CLI::App* schedule, Action* action) {
  CLI::App* command = schedule->add_subcommand(
      "run-once", "Train what may be trained now, write down the rest, and end");
  auto arguments = std::make_shared<RunOnceArguments>();
  command->add_option("--config", arguments->config, "The configuration file")->required();
  AddKeyFlags(command, &arguments->vault);
  command->add_option("--deadline", arguments->deadline, "Be done after so many seconds; 0: none")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  command->add_option("--workers", arguments->workers, "Threads; 0: one a processor")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "One JSON object a line on stdout, no bar");
  command->callback([arguments, action] { *action = [arguments] { return RunOnce(*arguments); }; });
}

}  // namespace attune
