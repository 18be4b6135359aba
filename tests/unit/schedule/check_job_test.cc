// Which numbers a job may have.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "schedule/policy.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::HasSubstr;

JobPolicy Job() {
  JobPolicy job;
  job.name = "keyboard";
  return job;
}

TEST(CheckJobPolicy, TakesWhatIsDocumented) {
  EXPECT_OK(CheckJobPolicy(Job()));
  JobPolicy job = Job();
  job.windows = {{0, 1440, 1}, {1439, 0, 64}};
  job.conditions.min_battery = 1;
  job.min_interval_seconds = job.backoff.first_seconds = job.backoff.max_seconds = 0;
  job.min_new_examples = 0;
  job.backoff = {.factor = 1, .jitter = 1};
  EXPECT_OK(CheckJobPolicy(job));
}

TEST(CheckJobPolicy, RefusesWhatIsNoNumberAndWhatIsOutOfRange) {
  double JobPolicy::*const direct[] = {&JobPolicy::min_interval_seconds,
                                       &JobPolicy::deadline_seconds, &JobPolicy::weight};
  double Backoff::*const backoff[] = {&Backoff::first_seconds, &Backoff::factor,
                                      &Backoff::max_seconds, &Backoff::jitter};
  double Budget::*const budget[] = {&Budget::wall_seconds, &Budget::cpu_seconds,
                                    &Budget::energy_joules};
  const auto refused = [](const JobPolicy& job) {
    return CheckJobPolicy(job).code() == StatusCode::kInvalidArgument;
  };
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    SCOPED_TRACE(bad);
    for (const auto field : direct) {
      JobPolicy job = Job();
      job.*field = bad;
      EXPECT_TRUE(refused(job));
    }
    for (const auto field : backoff) {
      JobPolicy job = Job();
      job.backoff.*field = bad;
      EXPECT_TRUE(refused(job));
    }
    for (const auto field : budget) {
      JobPolicy job = Job();
      job.per_run.*field = bad;
      EXPECT_TRUE(refused(job));
      job = Job();
      job.per_day.*field = bad;
      EXPECT_TRUE(refused(job));
    }
    JobPolicy job = Job();
    job.conditions.min_battery = bad;
    EXPECT_TRUE(refused(job));
  }
  for (const TimeWindow& window :
       {TimeWindow{-1, 60, 127}, {1440, 60, 127}, {0, 1441, 127}, {0, 60, 0}, {0, 60, 128}}) {
    JobPolicy job = Job();
    job.windows = {window};
    EXPECT_TRUE(refused(job));
  }
}

TEST(CheckJobPolicy, NamesTheJobAndBothNumbers) {
  JobPolicy job = Job();
  job.backoff.jitter = 3;
  EXPECT_THAT(CheckJobPolicy(job).message(),
              HasSubstr("job 'keyboard': backoff.jitter is 3, allowed 0 to 1"));
  job.name = "Key board";
  EXPECT_THAT(CheckJobPolicy(job).message(), HasSubstr("a-z0-9"));
}

}  // namespace
}  // namespace attune
