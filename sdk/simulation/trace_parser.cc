// docs/formats/trace.md, read.

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "schedule/civil_time.h"
#include "schedule/ledger.h"
#include "simulation/trace.h"
#include "simulation/trace_facts.h"

namespace attune {
namespace {

constexpr std::int64_t kMaxSeconds = kMaxTraceDays * kSecondsPerDay;
constexpr std::int64_t kMaxExamples = 1'000'000'000;
constexpr std::size_t kMaxWords = 32;

struct Word {
  std::string_view text;
  std::size_t column = 0;  // From 1.
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Words of a line up to a '#'; one more than kMaxWords at most.
std::vector<Word> WordsOf(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<Word> words;
  std::size_t at = 0;
  while (words.size() <= kMaxWords) {
    while (at < line.size() && IsBlank(line[at])) ++at;
    if (at == line.size()) break;
    const std::size_t begin = at;
    while (at < line.size() && !IsBlank(line[at])) ++at;
    words.push_back({line.substr(begin, at - begin), begin + 1});
  }
  return words;
}

// The part of `text` before `separator`, which is taken off with it; all of it
// where there is none.
std::string_view Cut(std::string_view* text, char separator) {
  const std::size_t end = text->find(separator);
  const std::string_view part = text->substr(0, end);
  *text = end == std::string_view::npos ? std::string_view() : text->substr(end + 1);
  return part;
}

// "22:10", "22:10:05", "22:10:05.250".
std::optional<std::int64_t> ParseTimeOfDay(std::string_view text) {
  if (text.size() != 5 && text.size() != 8 && text.size() != 12) return std::nullopt;
  const bool has_seconds = text.size() > 5, has_fraction = text.size() > 8;
  if (text[2] != ':' || (has_seconds && text[5] != ':') || (has_fraction && text[8] != '.')) {
    return std::nullopt;
  }
  const auto hours = ParseCount(text.substr(0, 2), 23), minutes = ParseCount(text.substr(3, 2), 59);
  const auto seconds = has_seconds ? ParseCount(text.substr(6, 2), 59) : 0;
  const auto fraction = has_fraction ? ParseCount(text.substr(9), 999) : 0;
  if (!hours || !minutes || !seconds || !fraction) return std::nullopt;
  return ((*hours * 60 + *minutes) * 60 + *seconds) * 1000 + *fraction;
}

// "+01:00".
std::optional<std::int32_t> ParseOffset(std::string_view text) {
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const auto hours = ParseCount(text.substr(1, 2), 18), minutes = ParseCount(text.substr(4), 59);
  if (!hours || !minutes) return std::nullopt;
  const auto seconds = static_cast<std::int32_t>((*hours * 60 + *minutes) * 60);
  return text[0] == '-' ? -seconds : seconds;
}

// "90s", "15m", "2h", "1d".
std::optional<std::int64_t> ParseDuration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  constexpr std::pair<char, std::int64_t> kUnits[] = {
      {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  for (const auto& [letter, length] : kUnits) {
    if (text.back() != letter) continue;
    const auto count = ParseCount(text.substr(0, text.size() - 1), kMaxSeconds / length);
    if (!count) return std::nullopt;
    return *count * length;
  }
  return std::nullopt;
}

std::optional<CivilDate> ParseDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = ParseCount(text.substr(0, 4), 9999), month = ParseCount(text.substr(5, 2), 12),
             day = ParseCount(text.substr(8), 31);
  if (!year || !month || !day || *year < 1970 || *month < 1 || *day < 1) return std::nullopt;
  const CivilDate date{static_cast<int>(*year), static_cast<int>(*month), static_cast<int>(*day)};
  // The 31st of a month of 30 days comes back as another date.
  if (DateOf(DayOf({date.year, date.month, 1}) + date.day - 1) != date) return std::nullopt;
  return date;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  Result<Trace> Parse() {
    ATTUNE_RETURN_IF_ERROR(ParseHead());
    while (NextLine()) {
      if (ended_) return Error(words_.front(), "a line after the end");
      ATTUNE_RETURN_IF_ERROR(ParseChange());
    }
    if (!ended_ && !trace_.points.empty()) trace_.seconds = trace_.points.back().at;
    return std::move(trace_);
  }

 private:
  // To the next line that has words.
  bool NextLine() {
    while (!rest_.empty()) {
      ++line_;
      words_ = WordsOf(Cut(&rest_, '\n'));
      if (!words_.empty()) return true;
    }
    return false;
  }

  Status Error(const Word& word, std::string_view what) const {
    return InvalidArgument(StrCat(name_, ":", line_, ":", word.column, ": ", what));
  }
  // Behind the last word of the line, which may have none at the end of the text.
  Status ErrorAtEnd(std::string_view what) const {
    if (words_.empty()) return Error({"", 1}, what);
    const Word& last = words_.back();
    return Error({"", last.column + last.text.size()}, what);
  }

  Status ParseHead() {
    if (!NextLine() || words_[0].text != "attune-trace") {
      return InvalidArgument(StrCat(name_, ":", std::max<std::int64_t>(line_, 1),
                                    ":1: no trace: the first line is 'attune-trace 1'"));
    }
    if (words_.size() != 2 || words_[1].text != "1") {
      return ErrorAtEnd("this build reads version 1 of traces");
    }
    constexpr std::string_view kForm = "'begin 2025-01-01 12:00 utc+01:00' is missing";
    if (!NextLine()) return ErrorAtEnd(kForm);
    if (words_.size() != 4 || words_[0].text != "begin") return Error(words_[0], kForm);
    const auto date = ParseDate(words_[1].text);
    if (!date) return Error(words_[1], "a date from 1970-01-01 to 9999-12-31 is needed");
    const auto time = ParseTimeOfDay(words_[2].text);
    if (!time || *time % 1000 != 0) return Error(words_[2], "a time such as 12:00 is needed");
    const auto offset =
        words_[3].text.starts_with("utc") ? ParseOffset(words_[3].text.substr(3)) : std::nullopt;
    if (!offset) return Error(words_[3], "an offset such as utc+01:00 is needed");
    trace_.utc_offset_seconds = *offset;
    begin_ms_ = *time;
    trace_.begin = MidnightOf(DayOf(*date), *offset) + *time / 1000;
    return OkStatus();
  }

  Status ParseChange() {
    if (words_.size() < 3) return ErrorAtEnd("a change is '+<day>d <time> <what>'");
    if (words_.size() > kMaxWords) return Error(words_.back(), "too many words");
    std::string_view day = words_[0].text;
    const bool is_day = day.size() > 2 && day.front() == '+' && day.back() == 'd';
    const auto days =
        is_day ? ParseCount(day.substr(1, day.size() - 2), kMaxTraceDays) : std::nullopt;
    if (!days) return Error(words_[0], StrCat("a day from +0d to +", kMaxTraceDays, "d is needed"));
    const auto time = ParseTimeOfDay(words_[1].text);
    if (!time) return Error(words_[1], "a time such as 22:10 or 22:10:05.250 is needed");
    const std::int64_t at = *days * kSecondsPerDay * 1000 + *time - begin_ms_;
    if (at < latest_ms_) {
      return Error(words_[0], latest_ms_ == 0 ? "before the begin" : "before the line above");
    }
    latest_ms_ = at;
    const double seconds = static_cast<double>(at) / 1000.0;
    if (words_[2].text == "end") {
      ended_ = true;
      trace_.seconds = seconds;
      return words_.size() == 3 ? OkStatus() : Error(words_[3], "nothing follows 'end'");
    }
    TracePoint point;
    point.at = seconds;
    point.facts = facts_;
    ATTUNE_RETURN_IF_ERROR(ParseEvent(&point));
    facts_ = point.facts;
    trace_.points.push_back(std::move(point));
    return OkStatus();
  }

  Status ParseEvent(TracePoint* point) {
    const Word& word = words_[2];
    std::string_view value = word.text;
    const std::string_view key = Cut(&value, '=');
    if (word.text == "kill") {
      point->event = TraceEvent::kKill;
    } else if (key == "reboot") {
      point->event = TraceEvent::kReboot;
      ATTUNE_RETURN_IF_ERROR(ParseSeconds(word, value, point));
    } else if (key == "clock") {
      point->event = TraceEvent::kClockJump;
      if (!value.starts_with('+') && !value.starts_with('-')) {
        return Error(word, "'clock' is +15m, -2h and the like");
      }
      ATTUNE_RETURN_IF_ERROR(ParseSeconds(word, value.substr(1), point));
      if (value.front() == '-') point->seconds = -point->seconds;
    } else if (key == "utc") {
      const auto offset = ParseOffset(value);
      if (!offset) return Error(word, "'utc' is an offset such as +02:00");
      point->event = TraceEvent::kZone;
      point->seconds = *offset;
    } else if (key == "examples") {
      return ParseExamples(value, point);
    } else {
      return ParseFacts(point);
    }
    return words_.size() == 3 ? OkStatus() : Error(words_[3], "one such change a line");
  }

  Status ParseSeconds(const Word& word, std::string_view text, TracePoint* point) {
    const auto seconds = ParseDuration(text);
    if (!seconds) return Error(word, "a duration such as 90s, 15m, 2h or 1d is needed");
    point->seconds = *seconds;
    return OkStatus();
  }

  Status ParseExamples(std::string_view value, TracePoint* point) {
    const auto count = ParseCount(value, kMaxExamples);
    if (!count) return Error(words_[2], "'examples' is a count");
    point->event = TraceEvent::kExamples;
    point->count = *count;
    if (words_.size() == 3) return OkStatus();
    std::string_view job = words_[3].text;
    if (words_.size() != 4 || Cut(&job, '=') != "job" || !IsJobName(job)) {
      return Error(words_[3], "'job=NAME' alone may follow, of a-z, 0-9, '.', '_' and '-'");
    }
    point->job = job;
    return OkStatus();
  }

  Status ParseFacts(TracePoint* point) {
    std::uint32_t seen = 0;
    for (std::size_t i = 2; i < words_.size(); ++i) {
      std::string_view value = words_[i].text;
      const std::string_view key = Cut(&value, '=');
      const auto all = FactWords();
      const auto word = std::find_if(all.begin(), all.end(),
                                     [key](const FactWord& one) { return one.key == key; });
      if (word == all.end()) return Error(words_[i], "unknown word; see docs/formats/trace.md");
      const std::uint32_t bit = std::uint32_t{1} << (word - all.begin());
      if ((seen & bit) != 0) return Error(words_[i], StrCat("'", word->key, "' twice in a line"));
      seen |= bit;
      if (!word->parse(value, &point->facts)) {
        return Error(words_[i], StrCat("'", word->key, "' is ", word->allowed));
      }
    }
    return OkStatus();
  }

  std::string_view rest_;
  const std::string& name_;
  std::int64_t line_ = 0;
  std::vector<Word> words_;
  Trace trace_;
  DeviceFacts facts_;
  std::int64_t begin_ms_ = 0;   // Since midnight.
  std::int64_t latest_ms_ = 0;  // Of the last change, since the begin.
  bool ended_ = false;
};

}  // namespace

Result<Trace> ParseTrace(std::string_view text, const std::string& name) {
  if (text.size() > kMaxTraceBytes) {
    return InvalidArgument(
        StrCat(name, ": ", text.size(), " bytes, a trace has at most ", kMaxTraceBytes));
  }
  return Parser(text, name).Parse();
}

}  // namespace attune
