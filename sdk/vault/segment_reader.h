// Reads the records of one segment, all that can still be read of it.
//
// Threads: as Vault.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "attune/example.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "vault/segment.h"
#include "vault/vault.h"

namespace attune {

// What was found in a segment so far, and where reading goes on.
struct SegmentReport {
  SegmentScan scan;
  std::uint64_t records = 0;    // Authentic and understood.
  std::uint64_t malformed = 0;  // The clear header, and records that were not understood.
  // Records that are missing, do not open or are malformed, and other bytes that do
  // not belong.
  std::uint64_t damaged = 0;
  // Bytes at the end of an open segment that are no record: a write that was cut
  // short or is under way, or a change from outside.
  std::uint64_t torn = 0;
};

// Gives what was appended since the report was made, by an authentic record each, to
// `take`, which says whether it understood. Begins with a report as made by default.
//
//   kNotFound  the file or its key is not there
Status ReadOn(Vault& vault, Role role, const SegmentFile& segment, SegmentReport* report,
              FunctionRef<bool(std::string_view record)> take);

// The examples of a segment, until `visit` returns false; the report is of the whole
// segment all the same.
Result<SegmentReport> ReadSegment(Vault& vault, const SegmentEntry& segment,
                                  FunctionRef<bool(const StoredExample&)> visit);

// The file from `offset` to its end, or up to `limit`; empty if it is not that long.
Result<std::string> ReadSegmentBytes(Vault& vault, Role role, std::uint64_t file,
                                     std::uint64_t offset, std::uint64_t limit);

// What the manifest says of the segment lies under this header.
std::string SegmentHeader(Role role, const SegmentFile& segment);

}  // namespace attune
