// Days and times of day as people write them, in UTC.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "attune/status.h"

namespace attune {

// "2025-09-01", or with a time behind it, "2025-09-01 07:52" or "... 07:52:30":
// Unix seconds.
Result<std::int64_t> ParseMoment(std::string_view text);

// "2025-09-01 07:52".
std::string MomentText(std::int64_t unix_seconds);

}  // namespace attune
