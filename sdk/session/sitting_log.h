// What a sitting knows of the past and tells of the present: the ledger as it was
// found, what it means for each job, and the records that are added.
//
// Threads: one at a time.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "ports/clock.h"
#include "schedule/history.h"
#include "schedule/ledger.h"

namespace attune {

class SittingLog {
 public:
  // Neither is owned.
  SittingLog(Ledger& ledger, Clock& clock) : ledger_(ledger), clock_(clock) {}

  // Of these jobs.
  Status Read(const std::vector<std::string>& jobs);

  // Adds the time to the record, and makes it durable. Where the vault is busy it waits
  // for it twice as long as the ledger does.
  Status Append(LedgerRecord record);

  Now now() const;
  // From noon to noon, by the day of its evening.
  std::int64_t tonight() const;
  // `here`: what the sitting has used of it so far; null: it does not run.
  JobHistory History(std::size_t job, double weight, const Budget* here) const;
  // The last record of a run that never said how it ended.
  bool FindKilled(const std::string& job, LedgerRecord* last) const;
  // Whether this night's records say already that the job did not run, or stopped,
  // for this reason, or that it has finished and so has nothing to do.
  bool IsTold(const std::string& job, Reason reason) const;

  // Those appended here, in order.
  const std::vector<LedgerRecord>& appended() const { return appended_; }

 private:
  Ledger& ledger_;
  Clock& clock_;
  std::vector<LedgerRecord> found_;
  std::vector<LedgerRecord> appended_;
  std::vector<JobLedger> jobs_;
};

}  // namespace attune
