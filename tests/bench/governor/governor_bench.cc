// Trains a LoRA on real messages for so long, with the governor between the steps or
// without, for tests/bench/governor/run to measure from outside.
//
//   governor_bench --model DIR --data FILE --output DIR [--seconds 420] [--free]
//                  [--fair] [--scale 1] [--workers 0] [--batch 4] [--evaluate-every -1]
//
// --free: no governor. --fair: no lines, but the thermal state "fair". --scale: lines so
// much lower, for a machine on which training does not get what they allow. Prints one
// JSON object. On external power the lines hold too: the options' default.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "attune/personalize.h"
#include "base/strings.h"
#include "platform/platform.h"
#include "ports/clock.h"
#include "schedule/governor.h"

namespace attune {
namespace {

struct Options {
  PersonalizeOptions training;
  double seconds = 420, scale = 1;
  bool free = false, fair = false;
  int workers = 0;
};

// What the steps and rests came to, seconds.
struct Course {
  std::int64_t steps = 0;
  double work = 0, rest = 0, longest_step = 0, longest_piece = 0;
  // At the end of the first step: what comes before it is loading.
  double loaded = 0, cpu_loaded = 0;
};

[[noreturn]] void Die(const Status& status) {
  std::fprintf(stderr, "governor_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

Options Parse(int argc, char** argv) {
  Options options;
  TrainingOptions& training = options.training.training;
  training.steps = 1000000;      // It is stopped long before.
  training.evaluate_every = -1;  // Before the first step only.
  options.training.held_out_messages = 50;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (flag == "--model") {
      options.training.model = value();
    } else if (flag == "--data") {
      options.training.data = value();
    } else if (flag == "--output") {
      options.training.output = value();
    } else if (flag == "--seconds") {
      options.seconds = std::atof(value());
    } else if (flag == "--scale") {
      options.scale = std::atof(value());
    } else if (flag == "--workers") {
      options.workers = std::atoi(value());
    } else if (flag == "--batch") {
      training.batch = std::atoll(value());
    } else if (flag == "--evaluate-every") {
      training.evaluate_every = std::atoll(value());
    } else if (flag == "--free") {
      options.free = true;
    } else if (flag == "--fair") {
      options.fair = true;
    } else {
      Die(InvalidArgument(StrCat("unknown option ", flag)));
    }
  }
  return options;
}

Governor MakeGovernor(const Options& options) {
  GovernorOptions governor;
  DeviceFacts facts;
  if (options.fair || options.free) governor.lines.clear();
  for (CpuLine& line : governor.lines) line.share *= options.scale;
  if (const Status status = CheckGovernorOptions(governor); !status.ok()) Die(status);
  if (options.fair) facts.thermal = ThermalState::kFair;
  Governor made(governor);
  made.SetFacts(facts);
  return made;
}

// As a sitting does.
void Rest(Clock& clock, double seconds, double deadline) {
  const double end = std::min(clock.MonotonicSeconds() + seconds, deadline);
  while (clock.MonotonicSeconds() < end) {
    clock.Sleep(std::min(0.05, end - clock.MonotonicSeconds()));
  }
}

int Main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  const DefaultPlatform platform(options.workers);
  Clock& clock = *platform.get().clock;
  Governor governor = MakeGovernor(options);
  const double begin = clock.MonotonicSeconds(), deadline = begin + options.seconds;
  governor.Begin(begin, clock.ProcessCpuSeconds());
  double work_began = begin, cpu_before = clock.ProcessCpuSeconds();
  Course course;
  const auto on_step = [&](const TrainingEvent& event) {
    const double now = clock.MonotonicSeconds(), cpu = clock.ProcessCpuSeconds();
    const double rest = governor.AfterWork(now, cpu, now - work_began);
    if (course.steps == 0) {
      course.loaded = now;
      course.cpu_loaded = cpu;
    }
    course.steps = event.step;
    course.work += now - work_began;
    course.longest_step = std::max(course.longest_step, event.seconds);
    course.longest_piece = std::max(course.longest_piece, cpu - cpu_before);
    if (rest > 0) Rest(clock, rest, deadline);
    work_began = clock.MonotonicSeconds();
    course.rest += work_began - now;
    cpu_before = cpu;
    return work_began < deadline;
  };
  const auto report = Personalize(platform.get(), options.training, on_step);
  if (!report.ok()) Die(report.status());
  std::printf(
      "{\"steady_steps\": %lld, \"steady_seconds\": %.3f, \"steady_cpu\": %.3f, "
      "\"seconds\": %.3f, \"work\": %.3f, \"rest\": %.3f, \"longest_step\": %.4f, "
      "\"longest_piece_cpu\": %.4f, \"surprise_cpu\": %.3f, \"workers\": %d}\n",
      static_cast<long long>(course.steps - 1), work_began - course.loaded,
      cpu_before - course.cpu_loaded, work_began - begin, course.work, course.rest,
      course.longest_step, course.longest_piece, std::min(governor.LongestStep(), 1e9),
      platform.workers());
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) { return attune::Main(argc, argv); }
