// Several jobs that want the device at the same time.

#include <limits>

#include "gtest/gtest.h"
#include "schedule/policy.h"

namespace attune {
namespace {

using Kind = Verdict::Kind;

constexpr std::int64_t kNow = 1'795'000'000;
constexpr std::int64_t kDay = 86400;

class Sharing : public ::testing::Test {
 protected:
  Sharing() {
    facts_.power = PowerSource::kExternal;
    for (const char* name : {"a", "b", "c"}) {
      JobPolicy policy;
      policy.name = name;
      policies_.push_back(policy);
    }
    histories_.resize(3);
    running_.resize(3);
    for (JobHistory& history : histories_) {
      history.new_examples = 100;
      history.first_seen = kNow - kDay;
    }
  }

  std::vector<Verdict> Ask(int concurrent = 1) const {
    std::vector<JobState> jobs;
    for (std::size_t i = 0; i < policies_.size(); ++i) {
      jobs.push_back({&policies_[i], histories_[i], running_[i] != 0});
    }
    return Decide(jobs, facts_, {kNow, 0}, concurrent, 1);
  }
  // A letter a job: R runs, W waits and S stops for another job, else the reason.
  std::string Told(int concurrent = 1) const {
    std::string told;
    for (const Verdict& verdict : Ask(concurrent)) {
      if (verdict.kind == Kind::kRun) {
        told += 'R';
      } else if (verdict.reason == Reason::kOtherJob) {
        told += verdict.kind == Kind::kStop ? 'S' : 'W';
        EXPECT_EQ(verdict.until, 0);
      } else {
        told += "(" + std::string(ReasonName(verdict.reason)) + ")";
      }
    }
    return told;
  }

  DeviceFacts facts_;
  std::vector<JobPolicy> policies_;
  std::vector<JobHistory> histories_;
  std::vector<char> running_;
};

TEST_F(Sharing, WhoHasTrainedLessGoesFirst) {
  histories_[0].weighted_seconds = 20;
  histories_[1].weighted_seconds = 10;
  histories_[2].weighted_seconds = 30;
  EXPECT_EQ(Told(), "WRW");
  EXPECT_EQ(Told(2), "RRW");
  EXPECT_EQ(Told(9), "RRR");
  EXPECT_EQ(Told(0), "WRW");  // One may run in any case.
}

TEST_F(Sharing, ABlockedJobDoesNotHoldUpTheOthers) {
  policies_[0].priority = 9;
  histories_[0].new_examples = 0;
  EXPECT_EQ(Told(), "(few examples)RW");
}

TEST_F(Sharing, PriorityGoesBeforeShares) {
  policies_[2].priority = 1;
  histories_[2].weighted_seconds = 1e6;
  EXPECT_EQ(Told(), "WWR");
}

TEST_F(Sharing, AnOverdueJobGoesBeforePriority) {
  policies_[1].priority = 5;
  policies_[2].deadline_seconds = kDay;
  EXPECT_EQ(Told(), "WWR");
  policies_[2].deadline_seconds = kDay + 1;
  EXPECT_EQ(Told(), "WRW");
}

TEST_F(Sharing, ANeglectedJobGoesBeforeAll) {
  policies_[1].priority = 5;
  policies_[2].deadline_seconds = 3600;
  histories_[0].first_seen = kNow - 30 * kDay;
  histories_[0].last_started = kNow - kNeglectSeconds;
  EXPECT_EQ(Told(), "RWW");
  histories_[0].last_started += 1;
  EXPECT_EQ(Told(), "WWR");
}

TEST_F(Sharing, AJobHasItsTurnBeforeItYieldsToAnybody) {
  running_[0] = true;
  policies_[1].priority = 5;
  histories_[0].last_started = kNow - 599;
  EXPECT_EQ(Told(), "RWW");
  histories_[0].last_started = kNow - 600;
  EXPECT_EQ(Told(), "SRW");
}

TEST_F(Sharing, AJobYieldsToItsEqualsOnceItIsATurnAhead) {
  running_[0] = true;
  histories_[0].last_started = kNow - 5000;
  histories_[0].weighted_seconds = 700;
  histories_[1].weighted_seconds = 100;
  histories_[2].weighted_seconds = 400;
  EXPECT_EQ(Told(), "RWW") << "a tie with itself at " << 700 - kTurnSeconds;
  histories_[0].weighted_seconds = 701;
  EXPECT_EQ(Told(), "SRW");
  policies_[0].weight = 0.5;  // A turn of as many real seconds is twice as much.
  EXPECT_EQ(Told(), "RWW");
}

TEST_F(Sharing, TooManyThatRunAreStopped) {
  running_.assign(3, true);
  histories_[1].weighted_seconds = -1;
  EXPECT_EQ(Told(), "SRS");
}

TEST_F(Sharing, TwoOfOneNameNeverRunTogether) {
  policies_[1].name = "a";
  EXPECT_EQ(Told(3), "RWR");
}

TEST_F(Sharing, ThoseThatStartTogetherMustFitTogether) {
  facts_.memory_available = 500;
  for (JobHistory& history : histories_) history.memory_needed = 300;
  histories_[2].memory_needed = 200;
  EXPECT_EQ(Told(2), "R(no memory)R");
  running_[0] = true;  // What it took is not available any more.
  EXPECT_EQ(Told(2), "RRW");
}

TEST_F(Sharing, ADependentWaitsForARunSinceItsOwnLastOne) {
  policies_[0].after = {"b", "c"};
  EXPECT_EQ(Told(3), "(dependency)RR");
  histories_[1].last_finished = kNow - 5 * kDay;
  EXPECT_EQ(Told(3), "(dependency)RR");
  histories_[2].last_finished = kNow - 4 * kDay;
  EXPECT_EQ(Told(3), "RRR");
  histories_[0].last_finished = kNow - 4 * kDay;
  EXPECT_EQ(Told(3), "(dependency)RR");
  histories_[0].unfinished = true;
  EXPECT_EQ(Told(3), "RRR");
}

TEST_F(Sharing, UnknownAndCyclicDependenciesWaitAndDoNotHang) {
  policies_[0].after = {"nobody"};
  policies_[1].after = {"c"};
  policies_[2].after = {"b", "c"};
  EXPECT_EQ(Told(), "(dependency)(dependency)(dependency)");
}

TEST_F(Sharing, FiguresThatAreNoneDoNoHarm) {
  histories_[0].weighted_seconds = std::numeric_limits<double>::quiet_NaN();
  policies_[1].weight = 0;
  policies_[2].weight = -std::numeric_limits<double>::infinity();
  running_.assign(3, true);
  EXPECT_EQ(Told(2), "SRR");
  EXPECT_TRUE(Decide({}, facts_, {kNow, 0}, 1, 1).empty());
}

}  // namespace
}  // namespace attune
