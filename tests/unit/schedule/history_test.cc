#include "schedule/history.h"

#include <limits>
#include <vector>

#include "base/philox.h"
#include "gtest/gtest.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

constexpr std::int64_t kHour = 3600;
// Mon 23 Nov 2026, 20:00 UTC.
const std::int64_t kEvening = MidnightOf(DayOf({2026, 11, 23}), 0) + 20 * kHour;

class History : public ::testing::Test {
 protected:
  History() { job_.name = "keyboard"; }

  LedgerRecord& Add(std::int64_t when, LedgerEvent event, const Budget& used = {}) {
    LedgerRecord record;
    record.when = when;
    record.job = job_.name;
    record.event = event;
    record.used = used;
    records_.push_back(record);
    return records_.back();
  }
  JobHistory At(std::int64_t when, std::int32_t offset = 0) const {
    return HistoryOf(records_, job_, {when, offset});
  }

  JobPolicy job_;
  std::vector<LedgerRecord> records_;
};

TEST_F(History, OfAnEmptyLedgerIsEmpty) {
  const JobHistory history = At(kEvening);
  EXPECT_FALSE(history.unfinished);
  EXPECT_EQ(history.first_seen, 0);
  EXPECT_EQ(history.latest_record, 0);
  EXPECT_EQ(history.used_today, Budget{});
  EXPECT_EQ(history.weighted_seconds, 0);
}

TEST_F(History, TellsWhenThingsHappened) {
  Add(kEvening, LedgerEvent::kSkipped);
  Add(kEvening + 10, LedgerEvent::kStarted);
  EXPECT_TRUE(At(kEvening + 20).unfinished);
  Add(kEvening + 30, LedgerEvent::kFinished);
  EXPECT_TRUE(At(kEvening + 30).unfinished) << "the gate comes after it";
  EXPECT_EQ(At(kEvening + 30).last_finished, kEvening + 30);
  Add(kEvening + 40, LedgerEvent::kKept);
  const JobHistory history = At(kEvening + 50);
  EXPECT_FALSE(history.unfinished);
  EXPECT_EQ(history.first_seen, kEvening);
  EXPECT_EQ(history.last_started, kEvening + 10);
  EXPECT_EQ(history.last_finished, kEvening + 40);
  EXPECT_EQ(history.latest_record, kEvening + 40);
}

TEST_F(History, RecordsOfOtherJobsTellTheTimeOnly) {
  Add(kEvening, LedgerEvent::kStarted, {100, 100, 100}).job = "other";
  const JobHistory history = At(kEvening);
  EXPECT_EQ(history.first_seen, 0);
  EXPECT_FALSE(history.unfinished);
  EXPECT_EQ(history.used_today, Budget{});
  EXPECT_EQ(history.latest_record, kEvening);
}

TEST_F(History, WhatASittingTellsSeveralTimesIsChargedOnce) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 100, LedgerEvent::kSaved, {100, 50, 200});
  Add(kEvening + 200, LedgerEvent::kSaved, {200, 90, 360});
  Add(kEvening + 250, LedgerEvent::kPaused, {250, 110, 440});
  Add(kEvening + 300, LedgerEvent::kResumed);
  Add(kEvening + 310, LedgerEvent::kPaused, {10, 5, 20});
  const JobHistory history = At(kEvening + 400);
  EXPECT_EQ(history.used_today, (Budget{260, 115, 460}));
  EXPECT_EQ(history.used_by_run, (Budget{260, 115, 460}));
  Add(kEvening + 500, LedgerEvent::kResumed);
  Add(kEvening + 550, LedgerEvent::kFinished, {50, 25, 100});
  Add(kEvening + 560, LedgerEvent::kKept, {60, 30, 120});
  Add(kEvening + 600, LedgerEvent::kStarted);
  Add(kEvening + 640, LedgerEvent::kPaused, {40, 20, 80});
  EXPECT_EQ(At(kEvening + 700).used_today, (Budget{360, 165, 660}));
  EXPECT_EQ(At(kEvening + 700).used_by_run, (Budget{40, 20, 80}));
}

TEST_F(History, ASittingAcrossMidnightIsChargedByTheDayOfItsRecords) {
  const std::int64_t midnight = kEvening + 4 * kHour;
  Add(midnight - 400, LedgerEvent::kStarted);
  Add(midnight - 100, LedgerEvent::kSaved, {300, 0, 0});
  Add(midnight + 200, LedgerEvent::kSaved, {600, 0, 0});
  Add(midnight + 300, LedgerEvent::kPaused, {700, 0, 0});
  EXPECT_EQ(At(midnight + 300).used_today.wall_seconds, 400);
  EXPECT_EQ(At(midnight + 300).used_by_run.wall_seconds, 700);
  EXPECT_EQ(At(midnight + 24 * kHour).used_today.wall_seconds, 0);
}

TEST_F(History, DaysAndNightsAreLocalAndSayWhenTheyEnd) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 100, LedgerEvent::kPaused, {100, 0, 0});
  const JobHistory history = At(kEvening + kHour);
  EXPECT_EQ(history.day_ends, kEvening + 4 * kHour);
  EXPECT_EQ(history.night_ends, kEvening + 16 * kHour);
  // The same records east of here: midnight has passed since.
  for (LedgerRecord& record : records_) record.utc_offset_seconds = 3 * 3600;
  EXPECT_EQ(At(kEvening + kHour - 1, 3 * 3600).used_today.wall_seconds, 100);
  EXPECT_EQ(At(kEvening + kHour, 3 * 3600).used_today.wall_seconds, 0);
}

TEST_F(History, AFlightWestDoesNotRefillTheDay) {
  Add(kEvening + 5 * kHour, LedgerEvent::kStarted);  // Tuesday, 01:00.
  Add(kEvening + 6 * kHour, LedgerEvent::kPaused, {kHour, 0, 0});
  const std::int32_t west = -8 * 3600;  // Monday again.
  EXPECT_EQ(At(kEvening + 7 * kHour, west).used_today.wall_seconds, kHour);
  EXPECT_EQ(At(kEvening + 14 * kHour, west).used_today.wall_seconds, kHour);
  EXPECT_EQ(At(kEvening + 36 * kHour, west).used_today.wall_seconds, 0);
  EXPECT_EQ(At(kEvening + 7 * kHour, west).day_ends, kEvening + 36 * kHour);
}

TEST_F(History, ARunGetsItsBudgetAfreshAtNoon) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 100, LedgerEvent::kPaused, {100, 0, 0}).reason = Reason::kRunBudgetSpent;
  EXPECT_TRUE(At(kEvening + 16 * kHour - 1).run_spent);
  EXPECT_EQ(At(kEvening + 16 * kHour - 1).used_by_run.wall_seconds, 100);
  EXPECT_FALSE(At(kEvening + 16 * kHour).run_spent);
  EXPECT_EQ(At(kEvening + 16 * kHour).used_by_run.wall_seconds, 0);
  Add(kEvening + 110, LedgerEvent::kStarted);  // Another run.
  EXPECT_EQ(At(kEvening + 110).used_by_run.wall_seconds, 0);
  EXPECT_FALSE(At(kEvening + 110).run_spent);
}

TEST_F(History, ADayThatTheRunnerCalledSpentIsSpentUntilMidnight) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 100, LedgerEvent::kPaused, {100, 0, 0}).reason = Reason::kBudgetSpent;
  EXPECT_TRUE(At(kEvening + 4 * kHour - 1).day_spent);
  EXPECT_FALSE(At(kEvening + 4 * kHour).day_spent);
}

TEST_F(History, AKilledSittingIsChargedWhatItMayHaveUsed) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 100, LedgerEvent::kSaved, {100, 200, 800});
  // Not found yet: the time since, at most 300 s, at the rates so far.
  EXPECT_EQ(At(kEvening + 150).used_today, (Budget{150, 300, 1200}));
  EXPECT_EQ(At(kEvening + kHour).used_today, (Budget{400, 800, 3200}));
  Add(kEvening + kHour, LedgerEvent::kKilled, {100, 200, 800});
  EXPECT_EQ(At(kEvening + kHour).used_today, (Budget{400, 800, 3200}));
  Add(kEvening + kHour, LedgerEvent::kKilled, {100, 200, 800});
  EXPECT_EQ(At(kEvening + 2 * kHour).used_today, (Budget{400, 800, 3200})) << "told twice";
}

TEST_F(History, AKillBeforeAnythingWasSavedIsChargedOneProcessor) {
  Add(kEvening, LedgerEvent::kStarted);
  EXPECT_EQ(At(kEvening + kHour).used_today, (Budget{300, 300, 0}));
  Add(kEvening + 200, LedgerEvent::kKilled, {20, 900, 7});
  EXPECT_EQ(At(kEvening + 200).used_today, (Budget{200, 900, 7})) << "whichever is more";
}

TEST_F(History, AGuessAboutAKillDoesNotRaiseTheNextOne) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 100, LedgerEvent::kSaved, {100, 50, 200});
  Add(kEvening + 110, LedgerEvent::kKilled, {100, 50, 5000});
  Add(kEvening + 120, LedgerEvent::kResumed);
  EXPECT_EQ(At(kEvening + 130).used_today.energy_joules, 5020);
}

TEST_F(History, AKillAroundAClockSetBackIsChargedInFull) {
  Add(kEvening, LedgerEvent::kStarted);
  EXPECT_EQ(At(kEvening - 9 * kHour).used_today.wall_seconds, kUnrecordedSeconds);
}

TEST_F(History, AKillThatNobodyRecordedIsChargedByTheNextBegin) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + kHour, LedgerEvent::kResumed);
  EXPECT_EQ(At(kEvening + kHour).used_today.wall_seconds, 300);
}

TEST_F(History, ASittingWhoseBeginningIsNoLongerKeptIsOneAllTheSame) {
  Add(kEvening, LedgerEvent::kSaved, {1000, 1000, 0});
  EXPECT_EQ(At(kEvening + 100).used_today.wall_seconds, 1100);
}

TEST_F(History, WhatFailsBeforeItBeginsIsChargedToo) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 100, LedgerEvent::kPaused, {100, 0, 0});
  Add(kEvening + 200, LedgerEvent::kFailed, {5, 0, 0});
  EXPECT_EQ(At(kEvening + 200).used_today.wall_seconds, 105);
}

TEST_F(History, WhatASittingKnowsOfItselfIsTakenInsteadOfAGuess) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 100, LedgerEvent::kSaved, {100, 50, 0});
  JobLedger ledger(job_.name);
  for (const LedgerRecord& record : records_) ledger.Add(record);
  const Budget here = {120, 60, 0};
  EXPECT_EQ(ledger.At({kEvening + 200, 0}, 1, &here).used_today, here);
  EXPECT_EQ(ledger.At({kEvening + 200, 0}, 1).used_today, (Budget{200, 150, 0}));
}

TEST_F(History, FailuresAddUpUntilASittingGetsSomewhere) {
  Add(kEvening, LedgerEvent::kFailed);
  Add(kEvening + 1, LedgerEvent::kFailed);
  EXPECT_EQ(At(kEvening + 2).failures_in_a_row, 2);
  EXPECT_EQ(At(kEvening + 2).last_failed, kEvening + 1);
  Add(kEvening + 3, LedgerEvent::kPaused);  // Without a step.
  EXPECT_EQ(At(kEvening + 3).failures_in_a_row, 2);
  Add(kEvening + 4, LedgerEvent::kPaused).steps_here = 1;
  EXPECT_EQ(At(kEvening + 4).failures_in_a_row, 0);
  Add(kEvening + 5, LedgerEvent::kFailed);
  Add(kEvening + 6, LedgerEvent::kRejected);
  EXPECT_EQ(At(kEvening + 6).failures_in_a_row, 0);
}

TEST_F(History, KillsWithoutProgressBecomeFailuresAndOthersDoNot) {
  for (int kill = 1; kill <= 10; ++kill) {
    Add(kEvening + 2 * kill, LedgerEvent::kResumed).step = 5;
    Add(kEvening + 2 * kill + 1, LedgerEvent::kKilled);
    EXPECT_EQ(At(kEvening + 21).failures_in_a_row, std::max(0, kill - kFreeKills));
  }
  EXPECT_EQ(At(kEvening + 21).last_failed, kEvening + 21);
  for (int kill = 1; kill <= 10; ++kill) {
    Add(kEvening + 50 + 2 * kill, LedgerEvent::kResumed).step = 5 + kill;
    Add(kEvening + 50 + 2 * kill + 1, LedgerEvent::kKilled);
    EXPECT_EQ(At(kEvening + 80).failures_in_a_row, 0);
  }
}

// Such as a gate's check that no sitting is long enough for.
TEST_F(History, SittingsCutOffWithoutProgressBecomeFailures) {
  std::int64_t when = kEvening;
  for (int sitting = 1; sitting <= 10; ++sitting) {
    Add(++when, LedgerEvent::kResumed).step = 50;
    Add(++when, LedgerEvent::kFinished).step = 50;
    LedgerRecord& end =
        Add(++when, sitting % 2 == 0 ? LedgerEvent::kPaused : LedgerEvent::kExpired);
    end.step = 50;
    end.reason = sitting % 2 == 0 ? Reason::kUserActive : Reason::kOutOfTime;
    EXPECT_EQ(At(when).failures_in_a_row, std::max(0, sitting - kFreeKills));
  }
  EXPECT_EQ(At(when).last_failed, when);
  // A kill among them is one more; a locked device is none.
  Add(++when, LedgerEvent::kResumed).step = 50;
  Add(++when, LedgerEvent::kKilled).step = 50;
  EXPECT_EQ(At(when).failures_in_a_row, 11 - kFreeKills);
  Add(++when, LedgerEvent::kResumed).step = 50;
  Add(++when, LedgerEvent::kPaused).reason = Reason::kDeviceLocked;
  EXPECT_EQ(At(when).failures_in_a_row, 11 - kFreeKills);
  Add(++when, LedgerEvent::kResumed).step = 50;
  Add(++when, LedgerEvent::kKept);
  EXPECT_EQ(At(when).failures_in_a_row, 0);
}

TEST_F(History, ARefusalTellsWhatIsNeededUntilItFits) {
  Add(kEvening, LedgerEvent::kRefused).bytes_needed = 12345;
  EXPECT_EQ(At(kEvening).memory_needed, 12345);
  EXPECT_EQ(At(kEvening).failures_in_a_row, 0);
  Add(kEvening + 1, LedgerEvent::kStarted);
  EXPECT_EQ(At(kEvening + 1).memory_needed, 0);
}

TEST_F(History, OldTrainingCountsLessAndWeightDivides) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + 80, LedgerEvent::kPaused, {80, 0, 0});
  EXPECT_NEAR(At(kEvening + 80).weighted_seconds, 80, 1e-9);
  EXPECT_NEAR(At(kEvening + 80 + 72 * kHour).weighted_seconds, 40, 1e-9);
  Add(kEvening + 80 + 72 * kHour, LedgerEvent::kPaused, {80, 0, 0});
  EXPECT_NEAR(At(kEvening + 80 + 72 * kHour).weighted_seconds, 120, 1e-9);
  job_.weight = 4;
  EXPECT_NEAR(At(kEvening + 80 + 144 * kHour).weighted_seconds, 15, 1e-9);
}

TEST_F(History, AClockSetBackKeepsDistancesAndUse) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + kHour, LedgerEvent::kKept, {kHour, 0, 0});
  const std::int64_t back = kEvening - 900 * kHour;
  EXPECT_EQ(At(back).last_finished, back - 1);
  EXPECT_EQ(At(back).used_today.wall_seconds, kHour);
  Add(back, LedgerEvent::kSkipped);
  EXPECT_EQ(At(back + kHour).last_finished, back - 1);
  EXPECT_EQ(At(back + kHour).last_started, back - 1 - kHour);
  EXPECT_EQ(At(back + 2 * kHour).used_today.wall_seconds, kHour);
  // The day goes on where it was: at 21:00, three hours before its end.
  EXPECT_EQ(At(back + kHour).day_ends, back - 1 + 3 * kHour);
  EXPECT_EQ(At(back + 3 * kHour).used_today.wall_seconds, 0);
}

TEST_F(History, AClockSetRightAgainCountsNothingTwice) {
  Add(kEvening, LedgerEvent::kStarted);
  Add(kEvening + kHour, LedgerEvent::kKept, {kHour, 0, 0});
  Add(1000, LedgerEvent::kSkipped);  // A start without a clock battery.
  const JobHistory history = At(kEvening + 2 * kHour);
  EXPECT_EQ(history.last_finished, kEvening + kHour);
  EXPECT_EQ(history.used_today.wall_seconds, kHour);
}

TEST_F(History, WhatWasDoneOnAWrongClockCountsFromWhenItWasSetRight) {
  Add(kEvening, LedgerEvent::kSkipped);
  Add(1000, LedgerEvent::kStarted);
  Add(1060, LedgerEvent::kKept);
  EXPECT_EQ(At(1100).last_finished, 1060);
  EXPECT_EQ(At(kEvening + kHour).last_finished, kEvening + kHour);
  Add(kEvening + kHour, LedgerEvent::kSkipped);
  EXPECT_EQ(At(kEvening + 2 * kHour).last_finished, kEvening + kHour);
}

TEST_F(History, AClockSetRightAgainIsTrustedAtOnce) {
  Add(kEvening, LedgerEvent::kSkipped);
  Add(kEvening - 1000, LedgerEvent::kSkipped);
  EXPECT_GT(At(kEvening).clock_doubted_until, 0);
  EXPECT_EQ(At(kEvening + 1).clock_doubted_until, 0);
}

TEST_F(History, AWrongRecordFromTheFutureBlocksNothingForLong) {
  const std::int64_t future = kEvening + 200000 * kHour;
  Add(future, LedgerEvent::kStarted);
  Add(future + 60, LedgerEvent::kKept, {60, 0, 0});
  Add(kEvening, LedgerEvent::kSkipped);
  EXPECT_EQ(At(kEvening + 12 * kHour).last_finished, kEvening - 1);
  EXPECT_EQ(At(kEvening + 24 * kHour).used_today.wall_seconds, 0);
}

TEST_F(History, AClockSetBackIsDoubtedForAnHourOnceNoted) {
  Add(kEvening, LedgerEvent::kSkipped);
  EXPECT_EQ(At(kEvening - kClockTolerance).clock_doubted_until, 0);
  const std::int64_t back = kEvening - kClockTolerance - 1;
  EXPECT_EQ(At(back).clock_doubted_until, back + kClockDoubtSeconds);
  EXPECT_EQ(At(back - 60).clock_doubted_until, back - 60 + kClockDoubtSeconds);
  Add(back - kHour, LedgerEvent::kSkipped);
  EXPECT_EQ(At(back - 60).clock_doubted_until, back);
  EXPECT_EQ(At(back).clock_doubted_until, 0);
}

TEST_F(History, WasKilledWhenTheNewestSittingDidNotEnd) {
  LedgerRecord last;
  EXPECT_FALSE(WasKilled(records_, "keyboard", &last));
  const auto killed = [&] { return WasKilled(records_, "keyboard", &last); };
  Add(1, LedgerEvent::kStarted);
  EXPECT_TRUE(killed());
  EXPECT_EQ(last.when, 1);
  EXPECT_FALSE(WasKilled(records_, "other", &last));
  Add(2, LedgerEvent::kSaved);
  Add(3, LedgerEvent::kSkipped);
  Add(3, LedgerEvent::kPaused).job = "other";
  EXPECT_TRUE(killed());
  EXPECT_EQ(last.when, 2);
  for (const auto end : {LedgerEvent::kPaused, LedgerEvent::kExpired, LedgerEvent::kKilled,
                         LedgerEvent::kFailed, LedgerEvent::kRefused, LedgerEvent::kPromoted,
                         LedgerEvent::kKept, LedgerEvent::kRejected}) {
    Add(4, end);
    EXPECT_FALSE(killed());
    Add(5, LedgerEvent::kResumed);
    EXPECT_TRUE(killed());
  }
  Add(6, LedgerEvent::kFinished);
  EXPECT_TRUE(killed());
  EXPECT_EQ(last.when, 6);
  Add(7, LedgerEvent::kPromoted);
  Add(7, LedgerEvent::kFinished);  // Told in the other order.
  EXPECT_FALSE(killed());
}

TEST_F(History, ForeignFiguresDoNoHarm) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Add(std::numeric_limits<std::int64_t>::max(), LedgerEvent::kStarted, {kNone, -1, kInfinity})
      .utc_offset_seconds = std::numeric_limits<std::int32_t>::min();
  Add(std::numeric_limits<std::int64_t>::min(), LedgerEvent::kSaved, {kInfinity, kNone, -kInfinity})
      .utc_offset_seconds = std::numeric_limits<std::int32_t>::max();
  const JobHistory history = At(kEvening, std::numeric_limits<std::int32_t>::min());
  EXPECT_TRUE(history.weighted_seconds >= 0);
  EXPECT_GE(history.used_today.wall_seconds, 1e12);
  EXPECT_GE(history.used_today.cpu_seconds, 0);
  EXPECT_LE(history.last_started, kEvening);
}

TEST_F(History, AYearFoldedRecordByRecordIsTheSame) {
  Philox random(1);
  for (int i = 0; i < 20000; ++i) {
    const auto event = static_cast<LedgerEvent>(1 + random.NextBelow(15));
    const double used = random.NextFloat() * 100.0F;
    Add(kEvening + i * 1500, event, {used, used, used}).job = i % 2 == 0 ? "keyboard" : "other";
  }
  JobLedger ledger(job_.name);
  for (const LedgerRecord& record : records_) ledger.Add(record);
  const Now now{records_.back().when + 10, 0};
  const JobHistory a = At(now.unix_seconds), b = ledger.At(now, job_.weight);
  EXPECT_EQ(a.used_today, b.used_today);
  EXPECT_EQ(a.weighted_seconds, b.weighted_seconds);
  EXPECT_GT(a.weighted_seconds, 0);
}

}  // namespace
}  // namespace attune
