#include "schedule/governor.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint64_t kSeeds = 12;

double Uniform(Philox& rng, double least, double most) {
  return least + (most - least) * static_cast<double>(rng.NextFloat());
}
double LogUniform(Philox& rng, double least, double most) {
  return std::exp(Uniform(rng, std::log(least), std::log(most)));
}

// Cumulative CPU time over time, straight between points.
class CpuCurve {
 public:
  void Add(double seconds, double cpu) {
    if (seconds <= 0) return;
    points_.push_back({now() + seconds, this->cpu() + cpu});
  }
  double now() const { return points_.back().time; }
  double cpu() const { return points_.back().cpu; }

  double At(double time) const {
    if (time <= 0) return 0;
    const auto after = std::lower_bound(points_.begin(), points_.end(), time,
                                        [](const Point& p, double t) { return p.time < t; });
    if (after == points_.end()) return cpu();
    const Point& b = *after;
    const Point& a = *(after - 1);
    return a.cpu + (b.cpu - a.cpu) * (time - a.time) / (b.time - a.time);
  }
  double UseOver(double window, double end) const { return At(end) - At(end - window); }
  // The most over any window of so many seconds that ends after `from`. On straight
  // pieces the maximum lies where an end of the window meets a point.
  double MostOver(double window, double from = 0) const {
    double most = 0;
    for (const Point& point : points_) {
      for (const double end : {point.time, point.time + window}) {
        if (end >= from && end <= now()) most = std::max(most, UseOver(window, end));
      }
    }
    return most;
  }

 private:
  struct Point {
    double time = 0, cpu = 0;
  };
  std::vector<Point> points_ = {{0, 0}};
};

struct Work {
  double wall = 0, cores = 1;
};

// Works and rests as the governor says, on a machine without a clock.
struct Machine {
  explicit Machine(GovernorOptions options = {}) : governor(std::move(options)) {
    governor.Begin(0, kCpuBefore);
  }

  // The rest that was asked for.
  double Step(const Work& work, double oversleep = 0) {
    curve.Add(work.wall, work.wall * work.cores);
    worked += work.wall;
    const double rest = governor.AfterWork(curve.now(), kCpuBefore + curve.cpu(), work.wall);
    curve.Add(rest + oversleep, 0);
    return rest;
  }
  void Idle(double seconds, double cpu = 0) { curve.Add(seconds, cpu); }

  static constexpr double kCpuBefore = 1234;
  Governor governor;
  CpuCurve curve;
  double worked = 0;
};

GovernorOptions NoLines() {
  GovernorOptions options;
  options.lines.clear();
  return options;
}
DeviceFacts Thermal(ThermalState state) {
  DeviceFacts facts;
  facts.thermal = state;
  return facts;
}

void ExpectBelowLines(const Machine& machine, const GovernorOptions& options) {
  for (const CpuLine& line : options.lines) {
    EXPECT_LT(machine.curve.MostOver(line.window_seconds), line.share * line.window_seconds)
        << "over " << line.window_seconds << " s";
  }
}

struct Kind {
  const char* name;
  std::function<Work(Philox&)> draw;
};

// Steps that the promise covers without notice: 3.12 CPU seconds at most.
const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {"tiny, one core",
       [](Philox& rng) {
         return Work{Uniform(rng, 0.001, 0.02), 1};
       }},
      {"any, one core",
       [](Philox& rng) {
         return Work{LogUniform(rng, 0.001, 2.9), 1};
       }},
      {"long, one core",
       [](Philox& rng) {
         return Work{Uniform(rng, 2, 2.9), 1};
       }},
      {"any, two cores",
       [](Philox& rng) {
         return Work{LogUniform(rng, 0.001, 1.4), 2};
       }},
      {"any, any cores",
       [](Philox& rng) {
         const double cores = Uniform(rng, 0.2, 6);
         return Work{LogUniform(rng, 0.001, std::min(3.0, 2.9 / cores)), cores};
       }},
      {"rarely long",
       [](Philox& rng) {
         return Work{rng.NextBelow(200) == 0 ? 2.9 : 0.05, 1};
       }},
  };
  return kinds;
}

void ForEachKindAndSeed(const std::function<void(const Kind&, Philox&)>& body) {
  for (const Kind& kind : Kinds()) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE(StrCat(kind.name, ", seed ", seed));
      Philox rng(seed);
      body(kind, rng);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(Governor, StaysBelowTheLinesOverAnyWindow) {
  ForEachKindAndSeed([](const Kind& kind, Philox& rng) {
    Machine machine;
    while (machine.curve.now() < 700) machine.Step(kind.draw(rng));
    ExpectBelowLines(machine, {});
  });
}

TEST(Governor, LosesNoMoreThanTheTargetDemands) {
  ForEachKindAndSeed([](const Kind& kind, Philox& rng) {
    Machine machine;
    while (machine.curve.now() < 700) machine.Step(kind.draw(rng), Uniform(rng, 0, 0.01));
    const double share = machine.curve.cpu() / machine.curve.now();
    EXPECT_GT(share, 0.95 * 0.50);
    EXPECT_LT(share, 0.50);
  });
}

TEST(Governor, StaysBelowTheLinesWithIdleGapsAndForeignUse) {
  ForEachKindAndSeed([](const Kind& kind, Philox& rng) {
    Machine machine;
    while (machine.curve.now() < 1000) {
      Work work = kind.draw(rng);
      if (rng.NextBelow(50) == 0) machine.Idle(LogUniform(rng, 0.1, 100));
      if (rng.NextBelow(4) == 0) {
        const double foreign = std::min(0.3, 2.9 - work.wall * work.cores);
        machine.Idle(0.3, std::max(0.0, foreign));
      }
      machine.Step(work, rng.NextBelow(3) == 0 ? Uniform(rng, 0, 0.05) : 0);
    }
    ExpectBelowLines(machine, {});
  });
}

TEST(Governor, WorksEvenlyAfterIdling) {
  for (const double idle : {2.0, 30.0, 200.0, 5000.0}) {
    SCOPED_TRACE(idle);
    Machine machine;
    while (machine.curve.now() < 100) machine.Step({0.2, 1});
    machine.Idle(idle);
    const double from = machine.curve.now();
    while (machine.curve.now() < from + 100) machine.Step({0.2, 1});
    // The target over ten seconds, a second's credit, one step.
    EXPECT_LT(machine.curve.MostOver(10, from), 0.48 * 10 + 0.48 + 0.2 + 1e-6);
  }
}

TEST(Governor, TheFirstStepAfterIdlingHasOneSecondOfCredit) {
  Machine machine;
  machine.Step({0.1, 1});
  machine.Idle(1000);
  EXPECT_NEAR(machine.Step({2.5, 1}), 2.5 / 0.48 - 2.5 - 1, 1e-9);
}

TEST(Governor, RestsAreAsLongAsTheStepsBeforeDemand) {
  Machine machine;
  for (int i = 0; i < 200; ++i) {
    const double rest = machine.Step({0.5, 1});
    EXPECT_NEAR(rest, 0.5 / 0.48 - 0.5, 1e-9);
  }
}

TEST(Governor, HeatAndMemoryHalveTheTimeAtWork) {
  DeviceFacts fair = Thermal(ThermalState::kFair), memory, both = fair;
  memory.memory_pressure = both.memory_pressure = MemoryPressure::kWarning;
  for (const DeviceFacts& facts : {fair, memory, both}) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE(seed);
      Machine machine(NoLines());
      machine.governor.SetFacts(facts);
      EXPECT_EQ(machine.governor.duty(), 0.5);
      Philox rng(seed);
      while (machine.curve.now() < 300) {
        machine.Step({LogUniform(rng, 0.001, 3), 2}, Uniform(rng, 0, 0.02));
      }
      const double duty = machine.worked / machine.curve.now();
      EXPECT_GT(duty, 0.5 * 0.95);
      EXPECT_LE(duty, 0.5 + 1e-9);
    }
  }
}

TEST(Governor, WithoutLinesHeatOrPressureThereIsNoRest) {
  Machine machine(NoLines());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(machine.Step({1, 4}), 0);
  EXPECT_EQ(machine.governor.target_share(), kInfinity);
  EXPECT_EQ(machine.governor.LongestStep(), kInfinity);
  EXPECT_EQ(machine.governor.duty(), 1);
}

TEST(Governor, OfLineAndDutyTheLongerRestCounts) {
  Machine cool, warm;
  warm.governor.SetFacts(Thermal(ThermalState::kFair));
  // One core: duty 0.5 demands less rest than a share of 0.48 does. A quarter of a
  // core: the line demands none at all.
  EXPECT_DOUBLE_EQ(warm.Step({1, 1}), cool.Step({1, 1}));
  EXPECT_EQ(cool.Step({1, 0.25}), 0);
  EXPECT_NEAR(warm.Step({1, 0.25}), 1, 0.1);
}

TEST(Governor, LinesAreLiftedOnExternalPowerIfSoConfigured) {
  GovernorOptions options;
  options.lines_on_external_power = false;
  DeviceFacts plugged;
  plugged.power = PowerSource::kExternal;
  for (const bool lifted : {true, false}) {
    options.lines_on_external_power = !lifted;
    Machine machine(options);
    machine.governor.SetFacts(plugged);
    EXPECT_EQ(machine.governor.target_share() == kInfinity, lifted);
    EXPECT_EQ(machine.Step({1, 1}) == 0, lifted);
    machine.governor.SetFacts({});
    EXPECT_DOUBLE_EQ(machine.governor.target_share(), 0.48);
  }
}

// A machine whose lines were lifted for so long, and the instant at which they came
// into force again.
Machine Unplugged(GovernorOptions options, const Work& work, double seconds, double* from) {
  options.lines_on_external_power = false;
  Machine machine(options);
  DeviceFacts plugged;
  plugged.power = PowerSource::kExternal;
  machine.governor.SetFacts(plugged);
  while (machine.curve.now() < seconds) machine.Step(work);
  machine.governor.SetFacts({});
  machine.Step({0, 0});
  *from = machine.curve.now();
  return machine;
}

TEST(Governor, LinesThatComeIntoForceCountWhatWasUsedBefore) {
  GovernorOptions brief;
  brief.lines = {{2, 0.8}};
  for (const GovernorOptions& options : {GovernorOptions(), brief}) {
    for (const Work& work : {Work{1, 2}, Work{0.05, 4}, Work{0.05, 0.6}}) {
      double from = 0;
      Machine machine = Unplugged(options, work, 400, &from);
      while (machine.curve.now() < from + 400) machine.Step({0.1, 1});
      for (const CpuLine& line : options.lines) {
        EXPECT_LT(machine.curve.MostOver(line.window_seconds, from),
                  line.share * line.window_seconds);
      }
    }
  }
}

TEST(Governor, ALongStepMayComeUnannouncedAfterLinesCameIntoForce) {
  for (int before = 0; before < 40; ++before) {
    SCOPED_TRACE(before);
    double from = 0;
    Machine machine = Unplugged({}, {0.05, 0.6}, 400, &from);
    for (int i = 0; i < before; ++i) machine.Step({0.05, 1});
    machine.Step({machine.governor.LongestStep(), 1});
    EXPECT_LT(machine.curve.MostOver(180, from), 180 * 0.5);
  }
}

TEST(Governor, WhatWasOwedBeforeLinesWereLiftedIsForgotten) {
  Machine machine;
  const double at = machine.curve.now();
  machine.curve.Add(3, 3);
  EXPECT_GT(machine.governor.AfterWork(at + 3, Machine::kCpuBefore + 3, 3), 3);
  machine.governor.SetOptions(NoLines());
  EXPECT_EQ(machine.Step({0.1, 1}), 0);
  machine.governor.SetOptions({});
  EXPECT_NEAR(machine.Step({0.1, 1}), 0.1 / 0.48 - 0.1, 1e-9);
}

GovernorOptions RandomOptions(Philox& rng) {
  GovernorOptions options;
  if (rng.NextBelow(3) == 0) options.lines = {{30, Uniform(rng, 0.3, 1.5)}};
  if (rng.NextBelow(3) == 0) options.lines.push_back({400, Uniform(rng, 0.2, 0.6)});
  if (rng.NextBelow(6) == 0) options.lines.clear();
  options.lines_on_external_power = rng.NextBelow(2) == 0;
  options.margin = Uniform(rng, 0.02, 0.3);
  options.duty_fair = Uniform(rng, 0.2, 1);
  return options;
}
DeviceFacts RandomFacts(Philox& rng) {
  DeviceFacts facts;
  facts.power = rng.NextBelow(2) == 0 ? PowerSource::kExternal : PowerSource::kBattery;
  facts.thermal = static_cast<ThermalState>(rng.NextBelow(2));
  facts.memory_pressure = static_cast<MemoryPressure>(rng.NextBelow(2));
  return facts;
}

// No step ends with more use behind it than the lines then in force allow, whatever
// was in force before.
TEST(Governor, KeepsThePromiseThroughChangesOfOptionsAndFacts) {
  int steps = 0;
  for (std::uint64_t seed = 1; seed <= 10 * kSeeds; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    Philox rng(seed);
    Machine machine;
    GovernorOptions options;
    DeviceFacts facts;
    double step = 0.01;
    while (machine.curve.now() < 2000) {
      if (rng.NextBelow(100) == 0) machine.governor.SetOptions(options = RandomOptions(rng));
      if (rng.NextBelow(100) == 0) machine.governor.SetFacts(facts = RandomFacts(rng));
      // What has changed since the last rest was asked for.
      machine.Step({0, 0});
      step = std::min({LogUniform(rng, 0.01, 2.5), machine.governor.LongestStep(), 2.5});
      machine.Step({step, 1});
      ++steps;
      if (facts.power == PowerSource::kExternal && !options.lines_on_external_power) continue;
      for (const CpuLine& line : options.lines) {
        const double begin = machine.curve.now() - line.window_seconds;
        ASSERT_LE(machine.curve.At(machine.curve.now()) - machine.curve.At(begin),
                  line.share * line.window_seconds);
      }
    }
  }
  EXPECT_GT(steps, 50000);
}

TEST(Governor, AskedAgainItTellsTheRestThatIsLeft) {
  Machine machine;
  machine.curve.Add(2, 2);
  const double rest = machine.governor.AfterWork(2, Machine::kCpuBefore + 2, 2);
  EXPECT_NEAR(machine.governor.AfterWork(2 + rest / 2, Machine::kCpuBefore + 2, 0), rest / 2, 1e-9);
  EXPECT_NEAR(machine.governor.AfterWork(2 + rest, Machine::kCpuBefore + 2, 0), 0, 1e-9);
}

// From the second one on each is given the room that the first one needed.
TEST(Governor, StepsTooLongToComeUnannouncedAreGivenRoom) {
  for (const double cpu : {5.0, 12.0, 20.0, 40.0}) {
    for (const double cores : {1.0, 2.0, 4.0}) {
      SCOPED_TRACE(StrCat(cpu, " CPU seconds on ", cores, " cores"));
      Machine machine;
      EXPECT_LT(machine.governor.LongestStep(), cpu);
      for (int i = 0; i < 100; ++i) machine.Step({cpu / cores, cores});
      ExpectBelowLines(machine, {});
      EXPECT_GT(machine.curve.cpu() / machine.curve.now(), 0.4 * (1 - cpu / 90));
    }
  }
}

TEST(Governor, AStepLongerThanALineGetsAWindowOfItsOwn) {
  Machine machine;
  for (int i = 0; i < 5; ++i) {
    const double rest = machine.Step({50, 1});
    EXPECT_GE(rest, i == 0 ? 60 : 100);
  }
  EXPECT_DOUBLE_EQ(machine.curve.MostOver(60), 50);  // Above 48: it cannot be kept.
  EXPECT_LT(machine.curve.MostOver(180), 180 * 0.5 + 50);
}

TEST(Governor, OneStepOutOfAllBoundsCostsOneWindowOfRest) {
  Machine machine;
  const double rest = machine.Step({10000, 1});
  EXPECT_NEAR(rest, 180, 1e-6);
}

TEST(Governor, ClocksThatStandStillOrGoBackDoNoHarm) {
  Governor governor{GovernorOptions{}};
  double most = 0;
  for (const double now : {10.0, 9.0, 9.0, -5.0, 11.0, 11.5}) {
    most = std::max(most, governor.AfterWork(now, 20 - now, 0.1));
  }
  EXPECT_GE(most, 0);
  EXPECT_LE(most, 180);
}

TEST(Governor, ItsMemoryIsBounded) {
  Machine machine;
  // A day of steps of a millisecond would be 40 million: a tenth of an hour shows it.
  while (machine.curve.now() < 360) machine.Step({0.001, 1});
  ExpectBelowLines(machine, {});
  EXPECT_GT(machine.curve.cpu() / machine.curve.now(), 0.475);
}

TEST(Governor, OptionsOutOfRangeAreNamed) {
  EXPECT_OK(CheckGovernorOptions({}));
  EXPECT_OK(CheckGovernorOptions(NoLines()));
  const auto refused = [](const std::function<void(GovernorOptions&)>& change) {
    GovernorOptions options;
    change(options);
    const Status status = CheckGovernorOptions(options);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return status.message();
  };
  const double nan = std::nan("");
  EXPECT_EQ(refused([](auto& o) { o.lines[0].window_seconds = 0; }),
            "a CPU line over 0 s, allowed above 0 to 3600");
  refused([](auto& o) { o.lines[1].window_seconds = 3601; });
  refused([&](auto& o) { o.lines[0].window_seconds = nan; });
  EXPECT_EQ(refused([](auto& o) { o.lines[1].share = -1; }), "a CPU line of -1, allowed above 0");
  refused([](auto& o) { o.lines[1].share = kInfinity; });
  EXPECT_EQ(refused([](auto& o) { o.margin = 1; }), "margin is 1, allowed 0 to 0.9");
  refused([&](auto& o) { o.margin = nan; });
  refused([](auto& o) { o.duty_nominal = 0; });
  EXPECT_EQ(refused([](auto& o) { o.duty_fair = 1.5; }), "duty_fair is 1.5, allowed 0.01 to 1");
  refused([&](auto& o) { o.duty_memory_warning = nan; });
}

}  // namespace
}  // namespace attune
