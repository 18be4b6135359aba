#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/json_line.h"
#include "cli/schedule_commands.h"
#include "config/config.h"
#include "posix/posix_file_system.h"
#include "report/report.h"
#include "schedule/why.h"
#include "simulation/simulation.h"
#include "simulation/trace.h"

namespace attune {
namespace {

constexpr int kMostDays = 3650;

struct SimulateArguments {
  std::string config = "night.yaml";
  std::string trace;
  std::string user = "every-night";
  std::uint64_t seed = 1;
  int days = 0;
  double wake_every = 900, deadline = 0;
  SimulatedJob cost;  // Of every job.
  std::string html, write_trace;
  bool json = false;
};

Status WriteText(const std::string& path, const std::string& text) {
  PosixFileSystem files;
  const std::span<const std::byte> part = std::as_bytes(std::span(text));
  return files.WriteAtomically(path, std::span(&part, 1));
}

Result<Trace> TraceOf(const SimulateArguments& arguments) {
  if (!arguments.trace.empty()) {
    PosixFileSystem files;
    ATTUNE_ASSIGN_OR_RETURN(const auto mapping, files.Map(arguments.trace));
    const auto bytes = mapping->bytes();
    return ParseTrace({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                      BaseName(arguments.trace));
  }
  const std::optional<UserKind> kind = UserKindOf(arguments.user);
  if (!kind.has_value()) {
    std::vector<std::string_view> names;
    for (const UserKind one : kUserKinds) names.push_back(UserKindName(one));
    return InvalidArgument(StrCat("no such kind of user; there are: ", StrJoin(names, ", ")));
  }
  return MakeTrace(*kind, arguments.days > 0 ? arguments.days : 365, arguments.seed);
}

void PrintJson(const Simulated& simulated, std::int64_t nights, std::int64_t unexplained,
               double seconds) {
  JsonLine()
      .Add("nights", nights)
      .Add("unexplained", unexplained)
      .Add("wakeups", simulated.wakeups)
      .Add("runs", simulated.runs)
      .Add("steps", simulated.steps_done)
      .Add("steps_repeated", simulated.steps_repeated)
      .Add("kills", simulated.kills_at_work)
      .Add("worst_loss_seconds", simulated.worst_loss_seconds)
      .Add("saved_steps_lost", simulated.saved_steps_lost)
      .Add("loss_violations", simulated.loss_violations)
      .Add("budget_violations", simulated.budget_violations)
      .Add("condition_violations", simulated.condition_violations)
      .Add("records", static_cast<std::int64_t>(simulated.records.size()))
      .Add("seconds_taken", seconds)
      .Print();
}

void PrintCounts(const Simulated& simulated, std::int64_t unexplained, double seconds) {
  const auto number = [](std::int64_t value) { return static_cast<long long>(value); };
  std::printf("%lld wake-ups, %lld runs finished, %lld steps (%lld repeated after %lld kills)\n",
              number(simulated.wakeups), number(simulated.runs), number(simulated.steps_done),
              number(simulated.steps_repeated), number(simulated.kills_at_work));
  std::printf(
      "must be 0: saved steps lost %lld, kills that cost too much %lld, budgets exceeded "
      "%lld, steps under broken conditions %lld, nights unexplained %lld\n",
      number(simulated.saved_steps_lost), number(simulated.loss_violations),
      number(simulated.budget_violations), number(simulated.condition_violations),
      number(unexplained));
  for (const std::string& violation : simulated.violations) {
    std::printf("  %s\n", violation.c_str());
  }
  std::printf("simulated in %.1f s\n", seconds);
}

Result<ExitCode> RunSimulation(const SimulateArguments& arguments) {
  PosixFileSystem files;
  ATTUNE_ASSIGN_OR_RETURN(const Config config, ReadConfig(files, arguments.config));
  ATTUNE_ASSIGN_OR_RETURN(const Trace trace, TraceOf(arguments));
  if (!arguments.write_trace.empty()) {
    ATTUNE_RETURN_IF_ERROR(WriteText(arguments.write_trace, FormatTrace(trace)));
  }
  std::vector<SimulatedJob> jobs;
  std::vector<std::string> names;
  for (const NightJob& job : config.night.jobs) {
    jobs.push_back(arguments.cost);
    jobs.back().policy = job.policy;
    jobs.back().steps = job.run.training.steps;
    names.push_back(job.policy.name);
  }
  SimulationOptions options;
  options.days = arguments.days;
  options.wake_every_seconds = arguments.wake_every;
  options.sitting.deadline_seconds = arguments.deadline;
  options.sitting.concurrent = config.night.concurrent;
  options.sitting.max_loss_seconds = config.night.max_loss_seconds;
  options.sitting.watts = config.night.watts;
  options.sitting.seed = config.night.seed;
  if (config.night.governor != nullptr) options.sitting.governor = *config.night.governor;

  const auto began = std::chrono::steady_clock::now();
  ATTUNE_ASSIGN_OR_RETURN(const Simulated simulated, Simulate(trace, jobs, options));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const double length = options.days > 0 ? options.days * 86400.0 : trace.seconds;
  const auto days = static_cast<std::int64_t>(std::min(trace.seconds, length) / 86400.0 + 0.999);
  const std::int64_t first = NightOf(trace.begin, trace.utc_offset_seconds);
  const ReportInput input{simulated.records, names, first,
                          first + std::max<std::int64_t>(days, 1) - 1};
  std::int64_t unexplained = 0;
  for (const NightSummary& night : Why(input.records, input.jobs, input.first, input.last)) {
    unexplained += !night.ran && !night.explained;
  }
  if (arguments.json) {
    PrintJson(simulated, days, unexplained, seconds);
  } else {
    std::printf("%s\n", TimelineText(input).c_str());
    PrintCounts(simulated, unexplained, seconds);
  }
  if (!arguments.html.empty()) {
    ATTUNE_RETURN_IF_ERROR(WriteText(arguments.html, TimelineHtml(input)));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddScheduleSimulateCommand(CLI::App* schedule, Action* action) {
  CLI::App* command = schedule->add_subcommand(
      "simulate", "Play days of a device on a virtual clock: what would run when");
  auto arguments = std::make_shared<SimulateArguments>();
  SimulatedJob& cost = arguments->cost;
  const auto days = CLI::Range(0, kMostDays);
  command->add_option("--config", arguments->config, "The configuration whose jobs they are")
      ->capture_default_str();
  auto* trace = command->add_option("--trace", arguments->trace, "What the device does, as a file");
  command
      ->add_option("--user", arguments->user,
                   "Instead: every-night, erratic, never-idle, power-saver or shift-worker")
      ->capture_default_str()
      ->excludes(trace);
  command->add_option("--seed", arguments->seed, "Of the user")->capture_default_str();
  command->add_option("--days", arguments->days, "So many; 0: all of the trace, or 365")
      ->capture_default_str()
      ->check(days);
  command->add_option("--wake-every", arguments->wake_every, "Seconds between wake-ups")
      ->capture_default_str();
  command->add_option("--deadline", arguments->deadline, "Seconds a wake-up may take; 0: any")
      ->capture_default_str();
  command->add_option("--step-seconds", cost.step_seconds, "What a step costs")
      ->capture_default_str();
  command->add_option("--save-seconds", cost.save_seconds, "What a save costs")
      ->capture_default_str();
  command->add_option("--conclude-seconds", cost.conclude_seconds, "What the gate costs")
      ->capture_default_str();
  command->add_option("--processors", cost.processors, "Kept busy by a step")
      ->capture_default_str();
  command->add_option("--html", arguments->html, "Also as a page: a row a night");
  command->add_option("--write-trace", arguments->write_trace, "Keep the trace in this file");
  command->add_flag("--json", arguments->json, "The counts as one JSON object");
  command->callback(
      [arguments, action] { *action = [arguments] { return RunSimulation(*arguments); }; });
}

}  // namespace attune
