// Which examples may be stored.
//
// Threads: pure functions.

#pragma once

#include "attune/example.h"

namespace attune {

// No example is larger, whatever the policy says.
inline constexpr std::int64_t kMaxExampleBytes = std::int64_t{1} << 26;

// Whether the policy stores the example, the cap on duplicates aside. Text, prompt
// and label are looked at; a blob's content is not.
RecordOutcome Admit(const ExamplePolicy& policy, const Example& example);

}  // namespace attune
