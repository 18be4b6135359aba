#include "session/sitting_log.h"

#include <algorithm>
#include <utility>

#include "schedule/why.h"

namespace attune {
namespace {

bool Tells(const LedgerRecord& record, Reason reason) {
  switch (record.event) {
    case LedgerEvent::kSkipped:
    case LedgerEvent::kPaused:
      return record.reason == reason;
    case LedgerEvent::kPromoted:
    case LedgerEvent::kKept:
    case LedgerEvent::kRejected:
      return reason == Reason::kTooSoon || reason == Reason::kFewExamples;
    case LedgerEvent::kFailed:
      return reason == Reason::kBackingOff;
    case LedgerEvent::kRefused:
      return reason == Reason::kNoMemory;
    default:
      return false;
  }
}

}  // namespace

Status SittingLog::Read(const std::vector<std::string>& jobs) {
  ATTUNE_ASSIGN_OR_RETURN(found_, ledger_.Read());
  appended_.clear();
  jobs_.clear();
  for (const std::string& job : jobs) {
    JobLedger& history = jobs_.emplace_back(job);
    for (const LedgerRecord& record : found_) history.Add(record);
  }
  return OkStatus();
}

Now SittingLog::now() const {
  const std::int64_t now = clock_.UnixSeconds();
  return {now, clock_.UtcOffsetSeconds(now)};
}

std::int64_t SittingLog::tonight() const {
  const Now when = now();
  return NightOf(when.unix_seconds, when.utc_offset_seconds);
}

Status SittingLog::Append(LedgerRecord record) {
  const Now when = now();
  record.when = when.unix_seconds;
  record.utc_offset_seconds = when.utc_offset_seconds;
  Status status = ledger_.Append(record);
  // Others may have had the vault for long; nothing was written.
  if (status.code() == StatusCode::kUnavailable) status = ledger_.Append(record);
  ATTUNE_RETURN_IF_ERROR(status);
  for (JobLedger& history : jobs_) history.Add(record);
  appended_.push_back(std::move(record));
  return OkStatus();
}

JobHistory SittingLog::History(std::size_t job, double weight, const Budget* here) const {
  return jobs_[job].At(now(), weight, here);
}

bool SittingLog::FindKilled(const std::string& job, LedgerRecord* last) const {
  return WasKilled(found_, job, last);
}

bool SittingLog::IsTold(const std::string& job, Reason reason) const {
  const std::int64_t tonight = this->tonight();
  const auto tells = [&](const LedgerRecord& record) {
    return record.job == job && Tells(record, reason) &&
           NightOf(record.when, record.utc_offset_seconds) == tonight;
  };
  // The newest ones are the likeliest.
  return std::any_of(appended_.rbegin(), appended_.rend(), tells) ||
         std::any_of(found_.rbegin(), found_.rend(), tells);
}

}  // namespace attune
