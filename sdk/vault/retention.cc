#include "vault/retention.h"

#include <algorithm>
#include <limits>

namespace attune {
namespace {

// How much there is beyond what may be kept.
std::uint64_t Excess(std::uint64_t there, std::int64_t keep) {
  if (keep <= 0) return 0;
  return there - std::min(there, static_cast<std::uint64_t>(keep));
}

}  // namespace

Expiry FindExpiry(const ExamplePolicy& policy, const std::vector<SegmentEntry>& segments,
                  std::int64_t today) {
  Expiry expiry;
  // The whole of the day has to lie that far back.
  expiry.before_day =
      policy.keep_days > 0 ? today - policy.keep_days : std::numeric_limits<std::int64_t>::min();
  for (const SegmentEntry& segment : segments) {
    if (segment.day < expiry.before_day) continue;
    expiry.examples += segment.records;
    expiry.bytes += segment.bytes;
  }
  expiry.examples = Excess(expiry.examples, policy.keep_examples);
  expiry.bytes = Excess(expiry.bytes, policy.keep_bytes);
  for (; expiry.segment < segments.size(); ++expiry.segment) {
    const SegmentEntry& segment = segments[expiry.segment];
    if (segment.day < expiry.before_day) continue;
    if (expiry.examples == 0 && expiry.bytes == 0) break;
    if (segment.records > expiry.examples && segment.bytes > expiry.bytes) break;
    expiry.examples -= std::min(expiry.examples, segment.records);
    expiry.bytes -= std::min(expiry.bytes, segment.bytes);
  }
  return expiry;
}

}  // namespace attune
