#include "schedule/ledger.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <limits>

#include "attune/gate.h"
#include "base/check.h"
#include "base/strings.h"

namespace attune {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::int64_t kMaxTime = 253402300799;  // The end of the year 9999.
constexpr std::int32_t kMaxUtcOffset = 18 * 3600;
constexpr double kMaxReal = std::numeric_limits<double>::max();

constexpr auto kLastEvent = static_cast<std::uint8_t>(LedgerEvent::kRefused);
constexpr auto kLastReason = static_cast<std::uint8_t>(Reason::kOutOfTime);
constexpr auto kLastGateReason = static_cast<std::uint8_t>(GateReason::kMemorises);
constexpr auto kLastCode = static_cast<std::uint8_t>(StatusCode::kInternal);

class Writer {
 public:
  template <std::unsigned_integral T>
  void Number(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i))));
    }
  }
  template <typename T>
  void Field(const T& value, T least, T most) {
    if constexpr (std::same_as<T, double>) {
      const double finite = std::isfinite(value) ? std::clamp(value, least, most) : 0.0;
      Number(std::bit_cast<std::uint64_t>(finite));
    } else {
      Number(static_cast<std::make_unsigned_t<T>>(std::clamp(value, least, most)));
    }
  }
  void Code(std::uint8_t value, std::uint8_t least, std::uint8_t most) {
    ATTUNE_CHECK(value >= least && value <= most);
    Number(value);
  }
  void Name(std::string_view name) {
    ATTUNE_CHECK(IsJobName(name));
    Number(static_cast<std::uint8_t>(name.size()));
    bytes_.append(name);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// The first fault stays; reading on yields zeros.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <std::unsigned_integral T>
  T Number() {
    const std::string_view bytes = Take(sizeof(T));
    T value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value =
          static_cast<T>(value | static_cast<T>(static_cast<std::uint8_t>(bytes[i])) << (8 * i));
    }
    return value;
  }
  template <typename T>
  void Field(T& value, T least, T most) {
    if constexpr (std::same_as<T, double>) {
      value = std::bit_cast<double>(Number<std::uint64_t>());
    } else {
      value = static_cast<T>(Number<std::make_unsigned_t<T>>());
    }
    // A NaN is in no range. Minus zero is in that of counts, and stays what it is.
    if (!(value >= least && value <= most)) Fail("a figure is out of range");
  }
  std::uint8_t Code(std::uint8_t least, std::uint8_t most) {
    const auto value = Number<std::uint8_t>();
    if (value < least || value > most) {
      Fail(StrCat("code ", value, ", allowed ", least, " to ", most));
      return least;
    }
    return value;
  }
  std::string Name() {
    const std::string_view name = Take(Number<std::uint8_t>());
    if (!IsJobName(name)) Fail("not a job's name");
    return std::string(name);
  }
  Status Finish() {
    if (!bytes_.empty()) Fail(StrCat(bytes_.size(), " bytes after the end"));
    return fault_.empty() ? OkStatus() : DataLoss("ledger record: " + fault_);
  }

 private:
  std::string_view Take(std::size_t count) {
    if (count > bytes_.size()) {
      Fail(StrCat(bytes_.size(), " bytes left, ", count, " needed"));
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  void Fail(std::string fault) {
    if (fault_.empty()) fault_ = std::move(fault);
  }

  std::string_view bytes_;
  std::string fault_;
};

// The figures in the order of docs/formats/ledger.md, for reading and writing alike.
template <typename Codec, typename Record>
void Figures(Codec& codec, Record& record) {
  constexpr std::int64_t kNone = 0, kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::uint64_t kNoId = 0, kLastId = std::numeric_limits<std::uint64_t>::max();
  codec.Field(record.run, kNoId, kLastId);
  codec.Field(record.generation, kNoId, kLastId);
  for (auto* count : {&record.step, &record.steps, &record.steps_here, &record.bytes_needed,
                      &record.bytes_available}) {
    codec.Field(*count, kNone, kMost);
  }
  codec.Field(record.next_attempt, kNone, kMaxTime);
  for (auto* spent :
       {&record.used.wall_seconds, &record.used.cpu_seconds, &record.used.energy_joules,
        &record.base_loss, &record.serving_loss, &record.candidate_loss}) {
    codec.Field(*spent, 0.0, kMaxReal);
  }
  codec.Field(record.gain_low, -kMaxReal, kMaxReal);
  codec.Field(record.anchor_change, -kMaxReal, kMaxReal);
}

}  // namespace

std::string_view LedgerEventName(LedgerEvent event) {
  switch (event) {
    case LedgerEvent::kScheduled:
      return "scheduled";
    case LedgerEvent::kStarted:
      return "started";
    case LedgerEvent::kResumed:
      return "resumed";
    case LedgerEvent::kSaved:
      return "saved";
    case LedgerEvent::kPaused:
      return "paused";
    case LedgerEvent::kExpired:
      return "expired";
    case LedgerEvent::kKilled:
      return "killed";
    case LedgerEvent::kSkipped:
      return "skipped";
    case LedgerEvent::kFinished:
      return "finished";
    case LedgerEvent::kPromoted:
      return "promoted";
    case LedgerEvent::kKept:
      return "kept";
    case LedgerEvent::kRejected:
      return "rejected";
    case LedgerEvent::kRolledBack:
      return "rolled back";
    case LedgerEvent::kFailed:
      return "failed";
    case LedgerEvent::kRefused:
      return "refused";
  }
  return "unknown";
}

bool IsGateVerdict(LedgerEvent event) {
  return event == LedgerEvent::kPromoted || event == LedgerEvent::kKept ||
         event == LedgerEvent::kRejected;
}

bool IsJobName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxJobName &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") ==
             std::string_view::npos;
}

std::string EncodeLedgerRecord(const LedgerRecord& record) {
  Writer writer;
  writer.Number(kVersion);
  writer.Code(static_cast<std::uint8_t>(record.event), 1, kLastEvent);
  writer.Code(static_cast<std::uint8_t>(record.reason), 0, kLastReason);
  writer.Code(record.gate_reason, 0, kLastGateReason);
  writer.Code(static_cast<std::uint8_t>(record.code), 0, kLastCode);
  writer.Field(record.when, std::int64_t{0}, kMaxTime);
  writer.Field(record.utc_offset_seconds, -kMaxUtcOffset, kMaxUtcOffset);
  writer.Name(record.job);
  Figures(writer, record);
  return writer.Take();
}

Result<LedgerRecord> DecodeLedgerRecord(std::string_view bytes) {
  Reader reader(bytes);
  const auto version = reader.Number<std::uint8_t>();
  if (version > kVersion) {
    return Unsupported(StrCat("ledger record: version ", version, ", this build reads ", kVersion));
  }
  if (version != kVersion) return DataLoss("ledger record: no version");
  LedgerRecord record;
  record.event = static_cast<LedgerEvent>(reader.Code(1, kLastEvent));
  record.reason = static_cast<Reason>(reader.Code(0, kLastReason));
  record.gate_reason = reader.Code(0, kLastGateReason);
  record.code = static_cast<StatusCode>(reader.Code(0, kLastCode));
  reader.Field(record.when, std::int64_t{0}, kMaxTime);
  reader.Field(record.utc_offset_seconds, -kMaxUtcOffset, kMaxUtcOffset);
  record.job = reader.Name();
  Figures(reader, record);
  ATTUNE_RETURN_IF_ERROR(reader.Finish());
  return record;
}

}  // namespace attune
