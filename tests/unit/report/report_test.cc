#include "report/report.h"

#include <algorithm>
#include <string>
#include <vector>

#include "attune/gate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "report/reported_sitting.h"
#include "report/wording.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int32_t kZone = 3600;
const std::int64_t kNight = DayOf({2026, 11, 21});  // A Saturday.

std::int64_t At(int hour, int minute, int second = 0) {
  return MidnightOf(kNight, kZone) + ((hour * 60) + minute) * 60 + second;
}

LedgerRecord Record(std::int64_t when, const std::string& job, LedgerEvent event) {
  LedgerRecord record;
  record.when = when;
  record.utc_offset_seconds = kZone;
  record.job = job;
  record.event = event;
  record.run = 1;
  record.steps = 50;
  return record;
}

LedgerRecord Worked(LedgerRecord record, std::int64_t step, std::int64_t here, double seconds) {
  record.step = step;
  record.steps_here = here;
  record.used = {seconds, seconds, 4 * seconds};
  return record;
}

// One job is paused, killed and promoted; the other never runs.
std::vector<LedgerRecord> ANight(const std::string& job, const std::string& idle_job) {
  std::vector<LedgerRecord> records;
  records.push_back(Record(At(22, 0), job, LedgerEvent::kStarted));
  records.push_back(Worked(Record(At(22, 20), job, LedgerEvent::kPaused), 20, 20, 1200));
  records.back().reason = Reason::kUserActive;
  records.push_back(Record(At(23, 0), job, LedgerEvent::kResumed));
  records.push_back(Worked(Record(At(23, 5), job, LedgerEvent::kSaved), 30, 10, 300));
  records.push_back(Worked(Record(At(24, 0), job, LedgerEvent::kKilled), 30, 10, 600));
  records.push_back(Record(At(24, 0), job, LedgerEvent::kResumed));
  records.push_back(Worked(Record(At(24, 20), job, LedgerEvent::kFinished), 50, 20, 1200));
  LedgerRecord verdict = Record(At(24, 21), job, LedgerEvent::kPromoted);
  verdict.generation = 4;
  verdict.gate_reason = static_cast<std::uint8_t>(GateReason::kBetter);
  verdict.base_loss = 4.25;
  verdict.serving_loss = 4;
  verdict.candidate_loss = 3.75;
  verdict.gain_low = 0.03;
  records.push_back(verdict);
  records.push_back(Record(At(22, 0), idle_job, LedgerEvent::kSkipped));
  records.back().reason = Reason::kFewExamples;
  records.back().next_attempt = At(46, 0);
  return records;
}

std::size_t Count(const std::string& text, const std::string& piece) {
  std::size_t count = 0;
  for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) {
    ++count;
  }
  return count;
}

class Report : public ::testing::Test {
 protected:
  std::vector<std::string> jobs_ = {"keyboard", "defects"};
  std::vector<LedgerRecord> records_ = ANight("keyboard", "defects");
  ReportInput input_{records_, jobs_, kNight, kNight};
};

TEST_F(Report, PutsRecordsTogetherToSittings) {
  const auto sittings = SittingsOf(records_, "keyboard");
  ASSERT_EQ(sittings.size(), 3u);
  EXPECT_EQ(sittings[0].how, LedgerEvent::kPaused);
  EXPECT_EQ(sittings[0].end.unix_seconds, At(22, 20));
  EXPECT_EQ(sittings[1].how, LedgerEvent::kKilled);
  // As long as it is charged for, not until it was found.
  EXPECT_EQ(sittings[1].end.unix_seconds, At(23, 10));
  EXPECT_EQ(sittings[1].used.wall_seconds, 600);
  EXPECT_EQ(sittings[2].how, LedgerEvent::kFinished);
  EXPECT_EQ(sittings[2].end.unix_seconds, At(24, 21));
  EXPECT_EQ(SittingsOf(records_, "defects").size(), 0u);
}

TEST_F(Report, TheTimelineDrawsWhatHappenedWhen) {
  const std::string text = TimelineText(input_);
  EXPECT_THAT(text, HasSubstr("the night of Sat 21 Nov 2026"));
  EXPECT_THAT(text, HasSubstr("keyboard  trained on 1 of 1 night: 50 steps"));
  // 48 half hours from noon: 22:00 is the 20th.
  EXPECT_THAT(text, HasSubstr("....................|.x.^......................."));
  EXPECT_THAT(text, HasSubstr("................................................"));
  EXPECT_THAT(text, HasSubstr("too little new to learn from"));
}

TEST_F(Report, TheTimelinePageHasABarASittingAndASentenceALane) {
  const std::string page = TimelineHtml(input_);
  EXPECT_EQ(Count(page, "<rect class=\"b0\""), 3u);
  EXPECT_EQ(Count(page, "<rect class=\"b1\""), 0u);
  EXPECT_EQ(Count(page, "<title>Sat 21 Nov, "), 2u);
  EXPECT_EQ(Count(page, "class=\"mk kill\""), 2u);  // One in the legend.
  EXPECT_EQ(Count(page, "class=\"dm good\""), 2u);
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_THAT(page, HasSubstr("November 2026"));
}

TEST_F(Report, AYearHasARowANightAndACardAMonth) {
  const ReportInput year{records_, jobs_, kNight - 364, kNight};
  EXPECT_EQ(Count(TimelineHtml(year), "<article class=\"card\"><h2>"), 13u);
  const std::string text = TimelineText(year);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 365 * 2 + 6);
}

// It may be better and wait for its owner, or there was nothing to judge it by.
TEST_F(Report, TheMorningDoesNotSayWhyAllWereKept) {
  for (LedgerRecord& record : records_) {
    if (record.event != LedgerEvent::kPromoted) continue;
    record.event = LedgerEvent::kKept;
    record.gate_reason = static_cast<std::uint8_t>(GateReason::kTooFewExamples);
  }
  const std::string text = MorningText(input_, {});
  EXPECT_THAT(text, HasSubstr("0 generations promoted, 1 kept back."));
}

TEST_F(Report, TheMorningTellsEachJobItsGateAndItsSittings) {
  const std::vector<ReportedCurve> curves = {{"keyboard", 4, "<svg><title>curve</title></svg>"}};
  const std::string text = MorningText(input_, curves);
  EXPECT_THAT(text, HasSubstr("1 of 2 jobs trained 50 steps in 50 min over 3 sittings"));
  EXPECT_THAT(text, HasSubstr("keyboard: promoted"));
  EXPECT_THAT(text, HasSubstr("22:00:00 to 22:20:00  20 steps, to 20 of 50"));
  EXPECT_THAT(text, HasSubstr("base 4.250, serving 4.000, candidate 3.750"));
  EXPECT_THAT(text, HasSubstr("gain over what served at least +3.0 %\n"));
  EXPECT_THAT(text, HasSubstr("defects: did not run"));
  EXPECT_THAT(text, HasSubstr("not before 22 Nov 2026, 22:00"));
  EXPECT_THAT(text, HasSubstr("12.0 kJ (3.33 Wh)"));

  const std::string page = MorningHtml(input_, curves);
  EXPECT_THAT(page, HasSubstr("<svg><title>curve</title></svg>"));
  EXPECT_THAT(page, HasSubstr("badge good\">promoted"));
  EXPECT_THAT(page, HasSubstr("badge soft\">did not run"));
  EXPECT_EQ(Count(page, "<tr><td>22:00:00</td>"), 1u);
}

TEST_F(Report, NothingFromOutsideBecomesMarkup) {
  const std::string nasty = "<script>alert('\"&\x01\xff')</script>";
  const std::vector<std::string> jobs = {nasty};
  const std::vector<LedgerRecord> records = ANight(nasty, nasty);
  const ReportInput input{records, jobs, kNight, kNight};
  for (const std::string& page : {TimelineHtml(input), MorningHtml(input, {})}) {
    EXPECT_THAT(page, Not(HasSubstr("<script")));
    EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;&quot;&amp;??&#39;)"));
    EXPECT_EQ(page.find('\x01'), std::string::npos);
    EXPECT_EQ(page.find('\xff'), std::string::npos);
  }
}

TEST_F(Report, PagesNeedNothingElse) {
  for (const std::string& page : {TimelineHtml(input_), MorningHtml(input_, {})}) {
    EXPECT_THAT(page, Not(HasSubstr("<script")));
    EXPECT_THAT(page, Not(HasSubstr(" src=")));
    EXPECT_THAT(page, Not(HasSubstr("href=")));
    EXPECT_THAT(page, Not(HasSubstr("url(")));
    EXPECT_THAT(page, Not(HasSubstr("@import")));
  }
}

TEST(ReportBounds, AnyTimesAreSafe) {
  const std::vector<std::string> jobs = {"a"};
  std::vector<LedgerRecord> records = ANight("a", "a");
  for (LedgerRecord& record : records) {
    record.when = record.when % 2 == 0 ? std::int64_t{1} << 62 : -(std::int64_t{1} << 62);
    record.used.wall_seconds = 1e300;
    record.used.energy_joules = -1e300;
    record.next_attempt = std::int64_t{1} << 62;
  }
  const ReportInput input{records, jobs, -100000, 100000};
  EXPECT_LT(TimelineHtml(input).size(), std::size_t{4} << 20);
  EXPECT_LT(MorningText(input, {}).size(), std::size_t{4} << 20);
  EXPECT_FALSE(TimelineText({records, jobs, 5, 4}).empty());
  EXPECT_FALSE(MorningHtml({{}, {}, 0, 0}, {}).empty());
}

TEST(ReportWording, RoundsAsPeopleDo) {
  EXPECT_EQ(DurationText(0.42), "0.4 s");
  EXPECT_EQ(DurationText(59.6), "1 min");
  EXPECT_EQ(DurationText(250), "4 min 10 s");
  EXPECT_EQ(DurationText(7500), "2 h 5 min");
  EXPECT_EQ(DurationText(-1), "0.0 s");
  EXPECT_EQ(EnergyText(850), "850 J");
  EXPECT_EQ(EnergyText(3600), "3.6 kJ (1.00 Wh)");
  EXPECT_EQ(PercentText(-0.031), "-3.1 %");
  EXPECT_EQ(Escaped("a\xc3\xa4\xe2\x82\xac"), "a\xc3\xa4\xe2\x82\xac");
  EXPECT_EQ(Escaped("\xc0\xaf\xed\xa0\x80\xef\xbf\xbe"), "????????");
}

}  // namespace
}  // namespace attune
