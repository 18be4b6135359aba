// Reads the examples of one segment, all that can still be read of it.
//
// Threads: as Vault.

#pragma once

#include <cstdint>

#include "attune/example.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "vault/segment.h"
#include "vault/vault.h"

namespace attune {

struct SegmentReport {
  std::uint64_t examples = 0;  // Authentic ones.
  // Records that are missing or do not open, and other bytes that do not belong.
  std::uint64_t damaged = 0;
  // Bytes at the end of an open segment that are no record: a write that was cut
  // short or is under way, or a change from outside.
  std::uint64_t torn = 0;
  std::uint64_t bytes = 0;    // Up to the last authentic record.
  std::uint64_t last_id = 0;  // 0 without examples.
};

// Until `visit` returns false; the report is of the whole segment all the same.
//
//   kNotFound  the file or its key is not there
Result<SegmentReport> ReadSegment(Vault& vault, const SegmentEntry& segment,
                                  FunctionRef<bool(const StoredExample&)> visit);

// What the manifest says of the segment lies under this header.
std::string SegmentHeader(const SegmentEntry& segment);

}  // namespace attune
