// What the ledger tells, as lines for a person or as JSON.

#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cli/json_line.h"
#include "schedule/ledger.h"
#include "schedule/why.h"

namespace attune {

// "Sat 21 Nov, keyboard: trained 50 of 50 steps ...", one line each.
void PrintNights(std::span<const NightSummary> nights, bool json);

// One JSON object with everything that the record's event gives a meaning to.
void PrintRecordAsJson(const LedgerRecord& record);

// "2026-11-21 23:15", local time.
std::string LocalMomentText(std::int64_t unix_seconds, std::int32_t utc_offset_seconds);

}  // namespace attune
