#include "schedule/ledger.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attune/gate.h"
#include "base/philox.h"
#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::HasSubstr;

constexpr int kEvents = 15, kReasons = 24, kGateReasons = 10, kCodes = 11;

LedgerRecord Promotion() {
  LedgerRecord record;
  record.when = 1795300200;
  record.utc_offset_seconds = -3 * 3600 - 1800;
  record.job = "keyboard";
  record.event = LedgerEvent::kPromoted;
  record.run = 7;
  record.step = record.steps = 50;
  record.steps_here = 30;
  record.used = {.wall_seconds = 244.5, .cpu_seconds = 118.25, .energy_joules = 473};
  record.generation = 4;
  record.gate_reason = static_cast<std::uint8_t>(GateReason::kBetter);
  record.base_loss = 3.75;
  record.serving_loss = 3.5;
  record.candidate_loss = 3.25;
  record.gain_low = 0.03125;
  record.anchor_change = -0.0078125;
  return record;
}

LedgerRecord RandomRecord(Philox& rng) {
  const auto count = [&] {
    return static_cast<std::int64_t>((std::uint64_t{rng.NextU32()} << 31 | rng.NextU32()) >>
                                     rng.NextBelow(63));
  };
  const auto real = [&] { return static_cast<double>(count()) / 1024; };
  LedgerRecord record;
  record.when = count() & 0x1fffffffff;
  record.utc_offset_seconds = static_cast<std::int32_t>(rng.NextBelow(129601)) - 64800;
  const std::uint32_t length = 1 + rng.NextBelow(64);
  for (std::uint32_t i = 0; i < length; ++i) record.job += "az09._-"[rng.NextBelow(7)];
  record.event = static_cast<LedgerEvent>(1 + rng.NextBelow(kEvents));
  record.reason = static_cast<Reason>(rng.NextBelow(kReasons));
  record.run = static_cast<std::uint64_t>(count());
  record.step = count();
  record.steps = count();
  record.steps_here = count();
  record.used = {real(), real(), real()};
  record.generation = static_cast<std::uint64_t>(count());
  record.gate_reason = static_cast<std::uint8_t>(rng.NextBelow(kGateReasons));
  record.base_loss = real();
  record.serving_loss = real();
  record.candidate_loss = real();
  record.gain_low = real() - 1000;
  record.anchor_change = real() - 1000;
  record.bytes_needed = count();
  record.bytes_available = count();
  record.next_attempt = count() & 0x1fffffffff;
  record.code = static_cast<StatusCode>(rng.NextBelow(kCodes));
  return record;
}

TEST(Ledger, RecordsSurviveEncodingUnchanged) {
  Philox rng(1);
  for (int i = 0; i < 20000; ++i) {
    SCOPED_TRACE(StrCat("seed 1, record ", i));
    const LedgerRecord record = RandomRecord(rng);
    const std::string bytes = EncodeLedgerRecord(record);
    EXPECT_EQ(bytes.size(), kMaxLedgerRecord - 64 + record.job.size());
    ASSERT_OK_AND_ASSIGN(const LedgerRecord again, DecodeLedgerRecord(bytes));
    ASSERT_TRUE(again == record);
  }
}

TEST(Ledger, EveryCodeHasItsPlaceAndNoOtherDoes) {
  LedgerRecord record = Promotion();
  const std::string bytes = EncodeLedgerRecord(record);
  const std::vector<std::pair<std::size_t, std::pair<int, int>>> allowed = {
      {1, {1, kEvents}}, {2, {0, kReasons - 1}}, {3, {0, kGateReasons - 1}}, {4, {0, kCodes - 1}}};
  for (const auto& [offset, range] : allowed) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[offset] = static_cast<char>(value);
      EXPECT_EQ(DecodeLedgerRecord(changed).ok(), value >= range.first && value <= range.second)
          << "byte " << offset << " is " << value;
    }
  }
}

TEST(Ledger, WhatDecodesEncodesToTheSameBytes) {
  const std::string bytes = EncodeLedgerRecord(Promotion());
  int accepted = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      const auto record = DecodeLedgerRecord(changed);
      if (!record.ok()) continue;
      ++accepted;
      ASSERT_EQ(EncodeLedgerRecord(*record), changed) << "byte " << i << " is " << value;
    }
  }
  EXPECT_GT(accepted, 20000);
}

TEST(Ledger, ShorterAndLongerRecordsAreRefused) {
  const std::string bytes = EncodeLedgerRecord(Promotion());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeLedgerRecord(bytes.substr(0, size)).status().code(), StatusCode::kDataLoss);
  }
  EXPECT_EQ(DecodeLedgerRecord(bytes + '\0').status().message(),
            "ledger record: 1 bytes after the end");
}

TEST(Ledger, LaterVersionsAreToldFromDamage) {
  std::string bytes = EncodeLedgerRecord(Promotion());
  bytes[0] = 2;
  EXPECT_EQ(DecodeLedgerRecord(bytes).status().code(), StatusCode::kUnsupported);
  bytes[0] = 0;
  EXPECT_EQ(DecodeLedgerRecord(bytes).status().code(), StatusCode::kDataLoss);
}

TEST(Ledger, FiguresOutOfRangeAreRefused) {
  const std::string bytes = EncodeLedgerRecord(Promotion());
  constexpr std::size_t kFigures = 18 + 8;  // After the job's name.
  const auto set = [&](std::size_t offset, std::string_view value) {
    std::string changed = bytes;
    changed.replace(offset, value.size(), value);
    return DecodeLedgerRecord(changed).ok();
  };
  const std::string minus_one(8, '\xff');
  EXPECT_FALSE(set(5, minus_one));                        // Time.
  EXPECT_FALSE(set(13, std::string("\xff\xff\0\1", 4)));  // Offset, a day and more.
  EXPECT_TRUE(set(kFigures, minus_one));                  // Run: any number.
  for (int count = 2; count < 8; ++count) {               // Steps, bytes, next attempt.
    EXPECT_FALSE(set(kFigures + static_cast<std::size_t>(count) * 8, minus_one)) << count;
  }
  const std::string infinity("\0\0\0\0\0\0\xf0\x7f", 8), nan("\1\0\0\0\0\0\xf0\x7f", 8);
  const std::string minus_one_half("\0\0\0\0\0\0\xe0\xbf", 8);
  for (int real = 8; real < 16; ++real) {
    SCOPED_TRACE(real);
    const std::size_t offset = kFigures + static_cast<std::size_t>(real) * 8;
    EXPECT_FALSE(set(offset, infinity));
    EXPECT_FALSE(set(offset, nan));
    EXPECT_EQ(set(offset, minus_one_half), real >= 14);  // Gain, change.
  }
  EXPECT_EQ(kFigures + 16 * 8, bytes.size());
}

TEST(Ledger, WhatAFigureCannotBeIsWrittenAsTheNearest) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  LedgerRecord record = Promotion();
  record.when = -5;
  record.utc_offset_seconds = 1 << 30;
  record.step = record.bytes_available = -1;
  record.next_attempt = std::numeric_limits<std::int64_t>::max();
  record.used = {-1, infinity, nan};
  record.candidate_loss = nan;
  record.gain_low = -infinity;
  ASSERT_OK_AND_ASSIGN(const LedgerRecord written, DecodeLedgerRecord(EncodeLedgerRecord(record)));
  EXPECT_EQ(written.when, 0);
  EXPECT_EQ(written.utc_offset_seconds, 18 * 3600);
  EXPECT_EQ(written.step, 0);
  EXPECT_EQ(written.bytes_available, 0);
  EXPECT_EQ(written.next_attempt, 253402300799);
  EXPECT_TRUE(written.used == Budget{});
  EXPECT_EQ(written.candidate_loss, 0);
  EXPECT_EQ(written.gain_low, 0);
  EXPECT_EQ(written.generation, 4u);
}

TEST(Ledger, JobNamesAreNarrow) {
  EXPECT_TRUE(IsJobName("a"));
  EXPECT_TRUE(IsJobName("key_board-2.en"));
  EXPECT_TRUE(IsJobName(std::string(64, 'z')));
  for (const std::string& name :
       {std::string(), std::string(65, 'z'), std::string("Keyboard"), std::string("a b"),
        std::string("a/b"), std::string("a\n"), std::string("\xc3\xa9"), std::string("a\0b", 3)}) {
    EXPECT_FALSE(IsJobName(name)) << name;
  }
  std::string bytes = EncodeLedgerRecord(Promotion());
  bytes[18] = 'K';
  EXPECT_EQ(DecodeLedgerRecord(bytes).status().message(), "ledger record: not a job's name");
}

TEST(LedgerDeathTest, ANameThatIsNoneIsADefect) {
  LedgerRecord record = Promotion();
  record.job = "Not a name";
  EXPECT_DEATH(EncodeLedgerRecord(record), "IsJobName");
}

TEST(Ledger, EveryEventHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int event = 1; event <= kEvents; ++event) {
    names.insert(LedgerEventName(static_cast<LedgerEvent>(event)));
  }
  EXPECT_EQ(names.size(), std::size_t{kEvents});
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(LedgerEventName(static_cast<LedgerEvent>(200)), "unknown");
}

// "0005  68 0a ...  when", a field a line.
std::string Dump(std::string_view bytes, const std::vector<std::pair<int, const char*>>& fields) {
  std::string text = StrCat("```text\na promotion, ", bytes.size(), " bytes\n");
  std::size_t offset = 0;
  for (const auto& [size, meaning] : fields) {
    char piece[16];
    std::snprintf(piece, sizeof piece, "%04zx ", offset);
    text += piece;
    std::string hex;
    for (int i = 0; i < size; ++i) {
      std::snprintf(piece, sizeof piece, " %02x", static_cast<unsigned char>(bytes[offset++]));
      hex += piece;
    }
    text += hex + std::string(26 - hex.size(), ' ') + meaning + '\n';
  }
  EXPECT_EQ(offset, bytes.size());
  return text + "```\n";
}

TEST(Ledger, ARecordIsAsDocumented) {
  const std::string dump =
      Dump(EncodeLedgerRecord(Promotion()), {{1, "version 1"},
                                             {1, "event: promoted"},
                                             {1, "reason: none"},
                                             {1, "gate's reason: better"},
                                             {1, "status code: ok"},
                                             {8, "when: 1795300200"},
                                             {4, "local time: -12600 s"},
                                             {1, "length of the name"},
                                             {8, "\"keyboard\""},
                                             {8, "run 7"},
                                             {8, "generation 4"},
                                             {8, "50 steps done"},
                                             {8, "of 50"},
                                             {8, "30 of them in this sitting"},
                                             {8, "no bytes needed"},
                                             {8, "none available"},
                                             {8, "no next attempt"},
                                             {8, "244.5 s"},
                                             {8, "118.25 s of CPU time"},
                                             {8, "473 J"},
                                             {8, "3.75 nats a token by the base"},
                                             {8, "3.5 by what served"},
                                             {8, "3.25 by the candidate"},
                                             {8, "gain: 0.03125 at least"},
                                             {8, "anchor loss: -0.0078125"}});
  std::ifstream in(ATTUNE_SOURCE_DIR "/docs/formats/ledger.md");
  const std::string document{std::istreambuf_iterator<char>(in), {}};
  EXPECT_THAT(document, HasSubstr(dump));
}

}  // namespace
}  // namespace attune
