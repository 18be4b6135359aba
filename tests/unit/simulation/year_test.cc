// A simulated year of each kind of user, through the real policy, governor, runner
// and ledger.

#include <chrono>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "schedule/why.h"
#include "simulation/simulation.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

constexpr int kDays = 365;
constexpr std::uint64_t kSeed = 1;

std::vector<SimulatedJob> TwoJobs() {
  SimulatedJob keyboard;
  keyboard.policy.name = "keyboard";
  keyboard.policy.windows = {{21 * 60, 8 * 60}};
  keyboard.policy.per_run.wall_seconds = 1500;
  keyboard.policy.per_day.cpu_seconds = 1800;
  keyboard.steps = 400;
  keyboard.step_seconds = 1.5;
  keyboard.save_seconds = 0.3;
  SimulatedJob defects;
  defects.policy.name = "defects";
  defects.policy.min_new_examples = 40;
  defects.policy.weight = 2;
  defects.policy.conditions.min_battery = 0.5;
  defects.policy.per_day.wall_seconds = 1200;
  defects.policy.per_day.energy_joules = 3600;
  defects.steps = 900;
  defects.step_seconds = 0.8;
  return {keyboard, defects};
}

class Year : public ::testing::TestWithParam<UserKind> {};

TEST_P(Year, LosesNothingOverspendsNothingAndExplainsEveryNight) {
  const std::string user(UserKindName(GetParam()));
  SCOPED_TRACE(user + ", seed " + std::to_string(kSeed));
  const auto began = std::chrono::steady_clock::now();
  const Trace trace = MakeTrace(GetParam(), kDays, kSeed);
  const auto year = Simulate(trace, TwoJobs(), {});
  ASSERT_OK(year);
  const std::vector<std::string> jobs = {"keyboard", "defects"};
  const std::int64_t first = NightOf(trace.begin, trace.utc_offset_seconds);
  const auto nights = Why(year->records, jobs, first, first + kDays - 1);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();

  EXPECT_EQ(year->saved_steps_lost, 0);
  EXPECT_EQ(year->loss_violations, 0);
  EXPECT_EQ(year->budget_violations, 0);
  EXPECT_EQ(year->condition_violations, 0);
  for (const std::string& violation : year->violations) ADD_FAILURE() << violation;

  ASSERT_EQ(nights.size(), 2u * kDays);
  std::set<std::int64_t> trained;
  for (const NightSummary& night : nights) {
    if (night.ran) trained.insert(night.night);
    EXPECT_FALSE(night.sentence.empty());
    EXPECT_TRUE(night.ran || night.explained)
        << night.job << ", night " << night.night - first << ": " << night.sentence;
  }
  // Or nothing was put to the test.
  EXPECT_GE(year->runs, 20);
  EXPECT_GE(trained.size(), 60u);
  EXPECT_GE(year->kills_at_work, 3);
  std::printf("| %s | %lld | %zu | %lld | %lld | %lld | %lld | %.1f s | %.1f s |\n", user.c_str(),
              static_cast<long long>(year->runs), trained.size(),
              static_cast<long long>(year->steps_done), static_cast<long long>(year->kills_at_work),
              static_cast<long long>(year->steps_repeated),
              static_cast<long long>(year->records.size()), year->worst_loss_seconds, seconds);
}

INSTANTIATE_TEST_SUITE_P(OfFiveUsers, Year, ::testing::ValuesIn(kUserKinds));

TEST(Simulate, IsTheSameForTheSameTraceAndSeed) {
  const Trace trace = MakeTrace(UserKind::kErratic, 20, 9);
  const auto a = Simulate(trace, TwoJobs(), {}), b = Simulate(trace, TwoJobs(), {});
  ASSERT_OK(a);
  ASSERT_OK(b);
  EXPECT_EQ(a->records, b->records);
}

TEST(Simulate, TwoAtATimeKeepTheSamePromises) {
  SimulationOptions options;
  options.sitting.concurrent = 2;
  const auto month = Simulate(MakeTrace(UserKind::kEveryNight, 60, 4), TwoJobs(), options);
  ASSERT_OK(month);
  EXPECT_GE(month->runs, 10);
  for (const std::string& violation : month->violations) ADD_FAILURE() << violation;
}

TEST(Simulate, AShortDeadlineCostsNothingButTime) {
  SimulationOptions options;
  options.sitting.deadline_seconds = 90;
  const auto month = Simulate(MakeTrace(UserKind::kEveryNight, 30, 4), TwoJobs(), options);
  ASSERT_OK(month);
  EXPECT_GE(month->runs, 3);
  for (const std::string& violation : month->violations) ADD_FAILURE() << violation;
}

TEST(Simulate, RefusesSittingsThatWouldNeverEnd) {
  const Trace trace = MakeTrace(UserKind::kErratic, 1, 1);
  SimulationOptions options;
  options.sitting.wait = true;
  EXPECT_EQ(Simulate(trace, TwoJobs(), options).status().code(), StatusCode::kInvalidArgument);
  options.sitting.wait = false;
  options.sitting.facts_seconds = 0;
  EXPECT_EQ(Simulate(trace, TwoJobs(), options).status().code(), StatusCode::kInvalidArgument);
}

TEST(Simulate, RefusesCostsThatAreNone) {
  const Trace trace = MakeTrace(UserKind::kErratic, 1, 1);
  auto jobs = TwoJobs();
  jobs[1].policy.name = "keyboard";
  EXPECT_EQ(Simulate(trace, jobs, {}).status().code(), StatusCode::kInvalidArgument);
  jobs = TwoJobs();
  jobs[0].step_seconds = -1;
  EXPECT_EQ(Simulate(trace, jobs, {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Simulate(trace, {}, {}).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
