#include "schedule/why.h"

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "attune/gate.h"
#include "base/philox.h"
#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::int32_t kOffset = 3600;
constexpr std::int64_t kSaturday = 20778;  // 2026-11-21.

// Local time of the night of Sat 21 Nov; 24 and more: after midnight.
std::int64_t At(int hour, int minute = 0) {
  return MidnightOf(kSaturday, kOffset) + hour * 3600 + minute * 60;
}

// Records of the job "keyboard", made in a row.
class Story {
 public:
  LedgerRecord& Add(LedgerEvent event, std::int64_t when, Reason reason = Reason::kNone) {
    LedgerRecord record;
    record.when = when;
    record.utc_offset_seconds = kOffset;
    record.job = "keyboard";
    record.event = event;
    record.reason = reason;
    records_.push_back(record);
    return records_.back();
  }
  // At `step` of 50, with so many steps and seconds of this sitting.
  LedgerRecord& Add(LedgerEvent event, std::int64_t when, std::int64_t step, std::int64_t here,
                    double wall, Reason reason = Reason::kNone) {
    LedgerRecord& record = Add(event, when, reason);
    record.run = 1;
    record.step = step;
    record.steps = 50;
    record.steps_here = here;
    record.used.wall_seconds = wall;
    return record;
  }
  LedgerRecord& Verdict(LedgerEvent event, std::int64_t when, GateReason reason) {
    LedgerRecord& record = Add(event, when, 50, 0, 0);
    record.generation = 4;
    record.gate_reason = static_cast<std::uint8_t>(reason);
    record.base_loss = 3.75;
    record.serving_loss = 3.5;
    record.candidate_loss = 3.25;
    record.gain_low = 0.031;
    return record;
  }
  // One sitting from the first step to the last.
  void Train() {
    Add(LedgerEvent::kStarted, At(25), 0, 0, 0);
    Add(LedgerEvent::kFinished, At(25, 5), 50, 50, 244);
  }

  std::vector<NightSummary> Tell(std::int64_t first = kSaturday,
                                 std::int64_t last = kSaturday) const {
    const std::vector<std::string> jobs = {"keyboard"};
    return Why(records_, jobs, first, last);
  }
  std::string Sentence(std::int64_t night = kSaturday) const {
    return Tell(night, night)[0].sentence;
  }

 private:
  std::vector<LedgerRecord> records_;
};

TEST(Why, ARunThroughIsToldWithItsGain) {
  Story story;
  story.Train();
  story.Verdict(LedgerEvent::kPromoted, At(25, 6), GateReason::kBetter);
  EXPECT_EQ(story.Sentence(),
            "trained 50 of 50 steps in 4 min; promoted generation 4, 7.1 % better than what "
            "served, at least 3.1 %.");
  EXPECT_TRUE(story.Tell()[0].ran);
  EXPECT_TRUE(story.Tell()[0].explained);
}

TEST(Why, SittingsAndPausesAreCounted) {
  Story story;
  story.Add(LedgerEvent::kStarted, At(23), 0, 0, 0);
  story.Add(LedgerEvent::kPaused, At(23, 5), 20, 20, 90, Reason::kUserActive);
  story.Add(LedgerEvent::kResumed, At(26), 20, 0, 0);
  story.Add(LedgerEvent::kPaused, At(26, 5), 25, 5, 20, Reason::kTooHot);
  story.Add(LedgerEvent::kResumed, At(27), 25, 0, 0);
  story.Add(LedgerEvent::kPaused, At(27, 5), 40, 15, 70, Reason::kUserActive);
  story.Add(LedgerEvent::kResumed, At(28), 40, 0, 0);
  story.Add(LedgerEvent::kExpired, At(28, 5), 45, 5, 20);
  EXPECT_EQ(story.Sentence(),
            "trained 45 of 50 steps in 3 min over 4 sittings (paused once: the device was too "
            "hot; paused twice: the device was in use; ran out of the system's time once).");
}

TEST(Why, WhatAnEarlierNightTrainedIsNotCountedAgain) {
  Story story;
  story.Add(LedgerEvent::kStarted, At(23), 0, 0, 0);
  story.Add(LedgerEvent::kPaused, At(23, 5), 20, 20, 90, Reason::kNotOnPower).next_attempt = At(47);
  story.Add(LedgerEvent::kResumed, At(47), 20, 0, 0);
  story.Add(LedgerEvent::kFinished, At(47, 5), 50, 30, 120);
  EXPECT_EQ(story.Sentence(),
            "trained 20 of 50 steps in 90 s (paused once: the device was not on external power); "
            "next attempt from Sun 22 Nov 23:00.");
  EXPECT_EQ(story.Sentence(kSaturday + 1),
            "trained 30 steps, up to 50 of 50, in 2 min; the gate has not decided yet.");
}

TEST(Why, ASittingAcrossNoonBelongsToBothNights) {
  Story story;
  story.Add(LedgerEvent::kStarted, At(35), 0, 0, 0);
  story.Add(LedgerEvent::kSaved, At(35, 55), 20, 20, 3300);
  story.Add(LedgerEvent::kPaused, At(36, 30), 30, 30, 5400, Reason::kCancelled);
  EXPECT_EQ(story.Sentence(), "trained 20 of 50 steps in 55 min.");
  EXPECT_EQ(story.Sentence(kSaturday + 1),
            "trained 10 steps, up to 30 of 50, in 35 min (paused once: it was asked to stop).");
}

TEST(Why, KillsAreToldWithWhatTheyCost) {
  Story story;
  for (int i = 0; i < 2; ++i) {
    story.Add(i == 0 ? LedgerEvent::kStarted : LedgerEvent::kResumed, At(23 + i), 10 * i, 0, 0);
    story.Add(LedgerEvent::kSaved, At(23 + i, 5), 10 * i + 10, 10, 60);
    story.Add(LedgerEvent::kKilled, At(24 + i), 10 * i + 10, 10, 60);
  }
  EXPECT_THAT(story.Sentence(), HasSubstr("over 2 sittings (killed twice)."));
  story.Add(LedgerEvent::kResumed, At(25), 20, 0, 0);
  story.Add(LedgerEvent::kFinished, At(25, 9), 50, 30, 200);
  story.Verdict(LedgerEvent::kPromoted, At(25, 10), GateReason::kBetter);
  EXPECT_EQ(story.Sentence(),
            "trained 50 of 50 steps in 5 min over 3 sittings (killed twice, lost nothing that was "
            "saved); promoted generation 4, 7.1 % better than what served, at least 3.1 %.");
}

TEST(Why, AKillBelongsToTheNightOfTheLastSignOfLife) {
  Story story;
  story.Add(LedgerEvent::kStarted, At(23), 0, 0, 0);
  story.Add(LedgerEvent::kSaved, At(23, 5), 10, 10, 60);
  story.Add(LedgerEvent::kKilled, At(47), 12, 12, 90);
  story.Add(LedgerEvent::kResumed, At(47), 12, 0, 0);
  story.Add(LedgerEvent::kFinished, At(47, 9), 50, 38, 30);
  EXPECT_EQ(story.Sentence(),
            "trained 12 of 50 steps in 90 s (killed once, lost nothing that was saved).");
  EXPECT_EQ(story.Sentence(kSaturday + 1),
            "trained 38 steps, up to 50 of 50, in 30 s; the gate has not decided yet.");
}

TEST(Why, AStateThatWasLostIsNotGlossedOver) {
  Story back, anew;
  for (Story* story : {&back, &anew}) {
    story->Add(LedgerEvent::kStarted, At(23), 0, 0, 0);
    story->Add(LedgerEvent::kSaved, At(23, 5), 20, 20, 60);
  }
  back.Add(LedgerEvent::kResumed, At(24), 10, 0, 0);
  anew.Add(LedgerEvent::kStarted, At(24), 0, 0, 0);
  EXPECT_THAT(back.Sentence(), HasSubstr("(killed once, went back to step 10)"));
  EXPECT_THAT(anew.Sentence(), HasSubstr("(killed once, began anew)"));
}

TEST(Why, ASittingWithoutAnEndIsNoted) {
  Story story;
  story.Add(LedgerEvent::kStarted, At(23), 0, 0, 0);
  story.Add(LedgerEvent::kSaved, At(23, 5), 20, 20, 60);
  EXPECT_EQ(story.Sentence(),
            "trained 20 of 50 steps in 60 s; the last sitting has not ended on record.");
  story.Add(LedgerEvent::kSaved, At(36, 5), 30, 30, 90);
  EXPECT_EQ(story.Sentence(), "trained 20 of 50 steps in 60 s.");
  EXPECT_EQ(story.Sentence(kSaturday + 1),
            "trained 10 steps, up to 30 of 50, in 30 s; the last sitting has not ended on record.");
}

TEST(Why, ANightThatSavedNothingSaysSo) {
  Story killed, paused;
  killed.Add(LedgerEvent::kStarted, At(23), 0, 0, 0);
  killed.Add(LedgerEvent::kStarted, At(47), 0, 0, 0);
  paused.Add(LedgerEvent::kStarted, At(23), 0, 0, 0);
  paused.Add(LedgerEvent::kPaused, At(23), 0, 0, 1, Reason::kForeground);
  EXPECT_EQ(killed.Sentence(), "began once, but saved no step (killed once, began anew).");
  EXPECT_EQ(paused.Sentence(),
            "began once, but saved no step (paused once: the app was in the foreground).");
  EXPECT_FALSE(paused.Tell()[0].ran);
}

TEST(Why, NightsWithoutARecordAreTold) {
  Story story;
  const auto nights = story.Tell(kSaturday, kSaturday + 6);
  EXPECT_THAT(nights, SizeIs(7));
  EXPECT_THAT(
      nights,
      Each(AllOf(Field(&NightSummary::sentence,
                       "nothing woke Attune: the device was off, or the timer is not "
                       "installed."),
                 Field(&NightSummary::explained, false), Field(&NightSummary::ran, false))));
}

TEST(Why, ANightWithRecordsOfOtherJobsOnlyIsNotCalledAsleep) {
  Story story;
  story.Add(LedgerEvent::kSkipped, At(23), Reason::kNotOnPower).job = "speech";
  EXPECT_EQ(story.Sentence(), "Attune was awake, but knew nothing of this job.");
  EXPECT_FALSE(story.Tell()[0].explained);
}

TEST(Why, SkipsNameWhatWasMissing) {
  Story story;
  story.Add(LedgerEvent::kSkipped, At(23), Reason::kNotOnPower);
  EXPECT_EQ(story.Sentence(), "did not train: the device was not on external power.");
  story.Add(LedgerEvent::kSkipped, At(24), Reason::kUserActive);
  EXPECT_EQ(story.Sentence(),
            "did not train: the device was in use; also the device was not on external power.");
  story.Add(LedgerEvent::kSkipped, At(25), Reason::kNotOnPower).next_attempt = At(47);
  EXPECT_EQ(story.Sentence(),
            "did not train: the device was not on external power; also the device was in use; "
            "next attempt from Sun 22 Nov 23:00.");
  for (const Reason reason : {Reason::kBatteryLow, Reason::kTooHot, Reason::kNoDisk}) {
    story.Add(LedgerEvent::kSkipped, At(26), reason);
  }
  EXPECT_EQ(story.Sentence(),
            "did not train: the device was not on external power; also the disk was too full, the "
            "device was too hot, and 2 more reasons.");
  EXPECT_TRUE(story.Tell()[0].explained);
}

TEST(Why, EveryReasonMakesASentence) {
  for (int reason = 0; reason < 24; ++reason) {
    Story story;
    story.Add(LedgerEvent::kSkipped, At(23), static_cast<Reason>(reason));
    EXPECT_EQ(story.Sentence(),
              StrCat("did not train: ", ReasonSentence(static_cast<Reason>(reason)), "."));
    EXPECT_THAT(story.Sentence(), Not(HasSubstr("not known")));
  }
}

TEST(Why, MissingMemoryIsToldInBytes) {
  Story skipped, refused;
  LedgerRecord& skip = skipped.Add(LedgerEvent::kSkipped, At(23), Reason::kNoMemory);
  LedgerRecord& refusal = refused.Add(LedgerEvent::kRefused, At(23), Reason::kNoMemory);
  skip.bytes_needed = refusal.bytes_needed = 4200000000;
  skip.bytes_available = refusal.bytes_available = 1800000000;
  EXPECT_EQ(skipped.Sentence(),
            "did not train: the training would not have fit into memory (4200000000 bytes needed, "
            "1800000000 available).");
  EXPECT_EQ(refused.Sentence(),
            "did not train: it would not have fit into memory: 4200000000 bytes needed, "
            "1800000000 available.");
}

TEST(Why, WhatTheSystemWasAskedForIsTold) {
  Story story, later, unknown;
  story.Add(LedgerEvent::kScheduled, At(22)).next_attempt = At(26, 5);
  EXPECT_EQ(story.Sentence(),
            "did not train: the system was asked to wake Attune at Sun 22 Nov 02:05 and did not.");
  later.Add(LedgerEvent::kScheduled, At(22)).next_attempt = At(50);
  EXPECT_EQ(later.Sentence(),
            "did not train: the system was asked to wake Attune only at Mon 23 Nov 02:00.");
  unknown.Add(LedgerEvent::kScheduled, At(22));
  EXPECT_EQ(unknown.Sentence(), "did not train: the system did not wake Attune.");
}

TEST(Why, VerdictsComeWithTheirFigures) {
  const auto told = [](LedgerEvent event, GateReason reason, double candidate, double low) {
    Story story;
    story.Train();
    LedgerRecord& verdict = story.Verdict(event, At(25, 6), reason);
    verdict.candidate_loss = candidate;
    verdict.gain_low = low;
    verdict.anchor_change = 0.0316;
    const std::string sentence = story.Sentence();
    return sentence.substr(sentence.find("; ") + 2);
  };
  using enum LedgerEvent;
  using enum GateReason;
  EXPECT_EQ(told(kKept, kTooFewExamples, 0, 0),
            "kept what served, not generation 4: too few held-out examples to judge it by.");
  EXPECT_EQ(told(kKept, kBetter, 3.395, 0.01),
            "kept generation 4 to be promoted by hand: 3.0 % better than what served, at least "
            "1.0 %.");
  EXPECT_EQ(told(kKept, kNotBetterThanServing, 3.486, -0.008),
            "kept what served, not generation 4: 0.4 % better than what served, but perhaps 0.8 % "
            "worse.");
  EXPECT_EQ(told(kKept, kNotBetterThanServing, 3.57, -0.03),
            "kept what served, not generation 4: 2.0 % worse than what served.");
  EXPECT_EQ(told(kKept, kNotBetterThanBase, 3.8, 0),
            "kept what served, not generation 4: no better than the base model (3.800 against "
            "3.750 nats a token).");
  EXPECT_EQ(told(kRejected, kForgets, 3.25, 0),
            "rejected generation 4: its loss on the anchor set rose by 3.2 %.");
  EXPECT_EQ(told(kRejected, kNotFinite, 0, 0),
            "rejected generation 4: it computes numbers that are not finite.");
  EXPECT_EQ(told(kRejected, kDegenerate, 0, 0),
            "rejected generation 4: it wrote nothing, without an end or always the same.");
  EXPECT_EQ(told(kRejected, kSlow, 0, 0), "rejected generation 4: it is too slow.");
  EXPECT_EQ(told(kRejected, kMemorises, 0, 0),
            "rejected generation 4: it gives away what it was trained on.");
}

TEST(Why, AVerdictOfAnEarlierNightsTrainingIsTold) {
  Story story;
  story.Add(LedgerEvent::kResumed, At(23), 50, 0, 0);
  story.Verdict(LedgerEvent::kPromoted, At(23, 5), GateReason::kBetter).serving_loss = 0;
  EXPECT_EQ(story.Sentence(), "trained no further step, all were done; promoted generation 4.");
}

TEST(Why, FailuresNameTheirCode) {
  Story story;
  story.Add(LedgerEvent::kStarted, At(23), 0, 0, 0);
  LedgerRecord& failure = story.Add(LedgerEvent::kFailed, At(23, 5), 20, 20, 60);
  failure.code = StatusCode::kResourceExhausted;
  failure.next_attempt = At(23, 25);
  EXPECT_EQ(story.Sentence(),
            "trained 20 of 50 steps in 60 s; failed once: \"resource exhausted\"; next attempt "
            "from Sat 21 Nov 23:25.");
  story.Add(LedgerEvent::kFailed, At(24)).code = StatusCode::kDataLoss;
  EXPECT_THAT(story.Sentence(), HasSubstr("; failed twice, last with \"data loss\"."));
  Story at_once;
  at_once.Add(LedgerEvent::kFailed, At(24)).code = StatusCode::kIoError;
  EXPECT_EQ(at_once.Sentence(), "failed once: \"I/O error\".");
}

TEST(Why, ARollbackIsToldWithWhatServesNow) {
  Story story;
  story.Add(LedgerEvent::kRolledBack, At(20)).generation = 3;
  EXPECT_EQ(story.Sentence(), "rolled back to generation 3 because live figures got worse.");
  story.Add(LedgerEvent::kRolledBack, At(21));
  story.Add(LedgerEvent::kSkipped, At(23), Reason::kTooSoon);
  EXPECT_EQ(story.Sentence(),
            "did not train: the last run was too recent; rolled back to the base model because "
            "live figures got worse.");
}

TEST(Why, SeveralRunsInANightAreToldTogether) {
  Story story;
  story.Train();
  story.Verdict(LedgerEvent::kPromoted, At(25, 6), GateReason::kBetter);
  story.Add(LedgerEvent::kStarted, At(30), 0, 0, 0);
  story.Add(LedgerEvent::kPaused, At(30, 5), 20, 20, 7000, Reason::kOutOfTime);
  EXPECT_THAT(story.Sentence(), HasSubstr("trained 70 steps of 2 runs in 2 h 1 min over 2 sittings "
                                          "(paused once: the time that the system gave was over)"));
}

// --- Nights ---

TEST(Why, ANightLastsFromNoonToNoon) {
  EXPECT_EQ(NightOf(At(12), kOffset), kSaturday);
  EXPECT_EQ(NightOf(At(12) - 1, kOffset), kSaturday - 1);
  EXPECT_EQ(NightOf(At(36) - 1, kOffset), kSaturday);
  EXPECT_EQ(NightOf(At(36), kOffset), kSaturday + 1);
  EXPECT_EQ(NightName(kSaturday), "Sat 21 Nov");
  EXPECT_EQ(NightName(0), "Thu 1 Jan");
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_GT(NightOf(kMost, 1 << 30), NightOf(-kMost, -(1 << 30)));
}

TEST(Why, ANightInWhichTheClockChangesIsOneNight) {
  // Europe, 2026-10-25 03:00 summer time: 02:00 once more.
  const std::int64_t night = DayOf({2026, 10, 24});
  Story story;
  story.Add(LedgerEvent::kStarted, MidnightOf(night + 1, 7200) + 2 * 3600, 0, 0, 0)
      .utc_offset_seconds = 7200;
  story
      .Add(LedgerEvent::kPaused, MidnightOf(night + 1, 7200) + 3 * 3600 + 60, 20, 20, 3660,
           Reason::kNotOnPower)
      .utc_offset_seconds = 3600;
  story.Add(LedgerEvent::kSkipped, MidnightOf(night + 2, 3600) - 12 * 3600 - 1, Reason::kTooHot)
      .utc_offset_seconds = 3600;
  const auto nights = story.Tell(night - 1, night + 1);
  ASSERT_THAT(nights, SizeIs(3));
  EXPECT_FALSE(nights[0].explained);
  EXPECT_EQ(
      nights[1].sentence,
      "trained 20 of 50 steps in 61 min (paused once: the device was not on external power).");
  EXPECT_FALSE(nights[2].explained);
}

TEST(Why, AClockSetBackNeitherLosesNorDoublesANight) {
  Story story;
  story.Add(LedgerEvent::kStarted, At(24 + 23), 0, 0, 0);
  story.Add(LedgerEvent::kSaved, At(24 + 23, 5), 20, 20, 60);
  // Set back by a day in the midst of the sitting.
  story.Add(LedgerEvent::kPaused, At(23, 6), 30, 30, 90, Reason::kClockImplausible);
  const auto nights = story.Tell(kSaturday, kSaturday + 1);
  ASSERT_THAT(nights, SizeIs(2));
  EXPECT_EQ(nights[0].sentence,
            "trained 10 steps, up to 30 of 50, in 30 s (paused once: the clock had been set back "
            "and was not trusted yet).");
  EXPECT_EQ(nights[1].sentence, "trained 20 of 50 steps in 60 s.");
}

// Records in any order, of any time: one sentence a night and job, in their order.
TEST(Why, EveryNightGetsOneSentenceAJob) {
  const std::vector<std::string> jobs = {"speech", "keyboard"};
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    Philox rng(seed);
    std::vector<LedgerRecord> records(rng.NextBelow(80));
    std::map<std::pair<std::int64_t, std::string>, int> on_record;
    for (LedgerRecord& record : records) {
      record.when = At(0) + static_cast<std::int64_t>(rng.NextBelow(12 * 86400));
      record.utc_offset_seconds = static_cast<std::int32_t>(rng.NextBelow(28)) * 3600 - 14 * 3600;
      record.job = jobs[rng.NextBelow(2)];
      record.event = static_cast<LedgerEvent>(1 + rng.NextBelow(15));
      record.reason = static_cast<Reason>(rng.NextBelow(24));
      record.gate_reason = static_cast<std::uint8_t>(rng.NextBelow(10));
      record.steps = rng.NextBelow(100);
      record.step = rng.NextBelow(100);
      record.steps_here = rng.NextBelow(100);
      record.used.wall_seconds = rng.NextBelow(10000);
      record.next_attempt = rng.NextBelow(2) * record.when;
      ++on_record[{NightOf(record.when, record.utc_offset_seconds), record.job}];
    }
    const auto nights = Why(records, jobs, kSaturday, kSaturday + 9);
    ASSERT_THAT(nights, SizeIs(20));
    for (std::size_t i = 0; i < nights.size(); ++i) {
      EXPECT_EQ(nights[i].night, kSaturday + static_cast<std::int64_t>(i / 2));
      EXPECT_EQ(nights[i].job, jobs[i % 2]);
      EXPECT_TRUE(nights[i].sentence.ends_with('.'));
      EXPECT_EQ(nights[i].sentence.find('\n'), std::string::npos);
      EXPECT_LT(nights[i].sentence.size(), 1000u);
      // What is on record of a night explains it.
      const bool recorded = on_record.contains({nights[i].night, nights[i].job});
      EXPECT_TRUE(nights[i].explained || !recorded) << nights[i].sentence;
    }
  }
}

TEST(Why, NoNightsMakeNoSentences) {
  EXPECT_TRUE(Story().Tell(kSaturday, kSaturday - 1).empty());
  EXPECT_TRUE(Why({}, {}, kSaturday, kSaturday).empty());
}

}  // namespace
}  // namespace attune
