// The bounds of docs/internals/scheduler.md on shares and waiting, for jobs that may
// always run. Use is counted here, and not by the code under test.

#include <cmath>
#include <string>
#include <vector>

#include "base/philox.h"
#include "gtest/gtest.h"
#include "schedule/history.h"
#include "schedule/policy.h"

namespace attune {
namespace {

constexpr std::uint64_t kSeed = 20261122;
constexpr std::uint32_t kMaxStep = 60;
constexpr std::int64_t kDay = 86400;

struct Runner {
  explicit Runner(std::string name, double weight, int priority) : ledger(name) {
    policy.name = std::move(name);
    policy.weight = weight;
    policy.priority = priority;
    policy.min_interval_seconds = 0;
    policy.min_new_examples = 0;
    policy.conditions.external_power = false;
  }
  JobPolicy policy;
  JobLedger ledger;
  bool running = false;
  Budget here;
  double total = 0, recent = 0;  // Seconds; over the weight, with decay.
  double others = 0;             // Training of others since it last ran.
  double neglected = 0;          // The part of it after so long.
  std::int64_t last_ran = 0, started = 0, told = 0;
};

class Race {
 public:
  explicit Race(std::uint64_t stream) : random_(kSeed, stream) {}

  void Add(double weight, int priority) {
    runners.emplace_back("job" + std::to_string(runners.size()), weight, priority);
    runners.back().last_ran = now;
    Tell(runners.back(), LedgerEvent::kSkipped);  // Seen.
  }

  void Step() {
    const std::vector<Verdict> verdicts = Ask();
    const auto seconds = static_cast<double>(1 + random_.NextBelow(kMaxStep));
    for (std::size_t i = 0; i < runners.size(); ++i) {
      const bool runs = verdicts[i].kind == Verdict::Kind::kRun;
      if (runs && !runners[i].running) Tell(runners[i], LedgerEvent::kStarted);
      if (runs || !runners[i].running) continue;
      EXPECT_GE(static_cast<double>(now - runners[i].started), kTurnSeconds) << "it had no turn";
      Tell(runners[i], LedgerEvent::kPaused);
    }
    Pass(seconds);
    if (random_.NextBelow(200) == 0) EndSitting();
  }

  std::vector<Runner> runners;
  std::int64_t now = 1'795'000'000;

 private:
  std::vector<Verdict> Ask() const {
    std::vector<JobState> states;
    for (const Runner& runner : runners) {
      const Budget* here = runner.running ? &runner.here : nullptr;
      states.push_back(
          {&runner.policy, runner.ledger.At({now, 0}, runner.policy.weight, here), runner.running});
    }
    return Decide(states, DeviceFacts{}, {now, 0}, 1, kSeed);
  }

  void Tell(Runner& runner, LedgerEvent event) {
    runner.running = event == LedgerEvent::kStarted || event == LedgerEvent::kSaved;
    if (event == LedgerEvent::kStarted) {
      runner.here = {};
      runner.started = now;
    }
    runner.told = now;
    LedgerRecord record;
    record.when = now;
    record.job = runner.policy.name;
    record.event = event;
    record.used = runner.here;
    record.steps_here = 1;
    for (Runner& each : runners) each.ledger.Add(record);
  }

  void Pass(double seconds) {
    now += static_cast<std::int64_t>(seconds);
    for (Runner& runner : runners) {
      runner.recent *= std::exp2(-seconds / kShareHalfLifeSeconds);
      runner.others += seconds;
      if (now - runner.last_ran >= kNeglectSeconds) runner.neglected += seconds;
      if (!runner.running) continue;
      runner.here.wall_seconds += seconds;
      runner.total += seconds;
      runner.recent += seconds / runner.policy.weight;
      runner.others = runner.neglected = 0;
      runner.last_ran = now;
      if (now - runner.told > 200) Tell(runner, LedgerEvent::kSaved);
    }
  }

  void EndSitting() {
    for (Runner& runner : runners) {
      if (runner.running) Tell(runner, LedgerEvent::kPaused);
    }
    const std::uint32_t gap = random_.NextBelow(20'000);
    now += gap;
    for (Runner& runner : runners) runner.recent *= std::exp2(-(gap / kShareHalfLifeSeconds));
  }

  Philox random_;
};

// Training, over the weight, by which one equal may be ahead of another. What a record
// tells has not decayed since the one before: that is the last part in a thousand.
double Bound(const Runner& ahead) {
  return 1.001 * (kTurnSeconds + kMaxStep) / ahead.policy.weight;
}

TEST(PolicyFairness, EqualsStayWithinATurnOfEachOtherAndWaitNoLongerThanThatTakes) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  double closest = 0;
  for (std::uint64_t stream = 0; stream < 40 && !HasFailure(); ++stream) {
    Race race(stream);
    Philox random(kSeed + 1, stream);
    const std::uint32_t count = 2 + random.NextBelow(3);
    for (std::uint32_t i = 0; i < count; ++i) race.Add(std::exp2(4 * random.NextFloat() - 2), 0);
    for (int step = 0; step < 4000; ++step) {
      race.Step();
      for (const Runner& a : race.runners) {
        double wait = 0;
        for (const Runner& b : race.runners) {
          ASSERT_LE(a.recent - b.recent, Bound(a)) << "sequence " << stream << " step " << step;
          closest = std::max(closest, (a.recent - b.recent) / Bound(a));
          if (&a != &b) wait += b.policy.weight * (Bound(a) + Bound(b));
        }
        ASSERT_LE(a.others, wait) << "sequence " << stream << " step " << step;
      }
    }
  }
  EXPECT_GT(closest, 0.9) << "the bound is far from what happens";
}

TEST(PolicyFairness, SharesOfTwoWeeksFollowTheWeights) {
  Race race(1000);
  for (const double weight : {1.0, 2.0, 5.0}) race.Add(weight, 0);
  const std::int64_t end = race.now + 14 * kDay;
  while (race.now < end) race.Step();
  double total = 0;
  for (const Runner& runner : race.runners) total += runner.total;
  for (const Runner& runner : race.runners) {
    EXPECT_NEAR(runner.total / total, runner.policy.weight / 8, 0.01);
  }
}

TEST(PolicyFairness, APriorityDoesNotStarveTheOthers) {
  Race race(1001);
  race.Add(1, 5);
  for (int i = 0; i < 3; ++i) race.Add(1, 0);
  const std::int64_t end = race.now + 60 * kDay;
  // Once neglected: the turn under way, those of two others that are neglected as well,
  // and a step of its own.
  const double longest = 3 * (kTurnSeconds + kMaxStep) + kMaxStep;
  while (race.now < end) {
    race.Step();
    for (const Runner& runner : race.runners) ASSERT_LE(runner.neglected, longest);
  }
  for (const Runner& runner : race.runners) EXPECT_GE(runner.total, 7 * kTurnSeconds);
  EXPECT_GT(race.runners[0].total, 40 * kTurnSeconds);
}

}  // namespace
}  // namespace attune
