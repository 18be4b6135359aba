// Which examples a policy no longer keeps.
//
// Threads: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "attune/example.h"
#include "vault/manifest.h"

namespace attune {

struct Expiry {
  // Segments of earlier days go by age.
  std::int64_t before_day = 0;
  // Of the others, by number or size: all before this place in the list, and of the
  // one there the oldest examples until so many, and so many bytes, are gone.
  std::size_t segment = 0;
  std::uint64_t examples = 0;
  std::uint64_t bytes = 0;
};

// `segments` as in a manifest, with what is known of the open one filled in.
Expiry FindExpiry(const ExamplePolicy& policy, const std::vector<SegmentEntry>& segments,
                  std::int64_t today);

}  // namespace attune
