// Splits messages in order of time: learn from the oldest, decide when to stop on
// what follows, test on the latest. A later part holds nothing that is nearly the
// same as an earlier message, or the test would ask what was learned by heart.
//
// Determinism: a pure function of the messages and the options.
// Memory: besides the messages, some 350 bytes a message and 4 for each of its shingles,
// of which the 256 least are kept: 1.4 KB at most. Time: linear.
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "session/dataset.h"

namespace attune {

struct SplitOptions {
  double held_out_fraction = 0.1;
  std::int64_t held_out_examples = 1000;  // At most, evenly chosen.
  // Of those before the held-out ones, the latest; none where there would be fewer
  // than kMinStopping.
  double stopping_fraction = 0;
  bool keep_near_duplicates = false;
};
inline constexpr std::int64_t kMinStopping = 20;

// `messages` in order of time. With a held-out fraction above 0 and two messages or
// more, there is one to learn from and one to test on, unless it was a near-duplicate.
DatasetSplit SplitForRun(std::vector<Message> messages, const SplitOptions& options);

// What two texts that mean to be the same have in common: letters and digits, ASCII
// ones in lower case, every digit as 0, and one space for all between. A text without
// any is as it is.
std::string NormalText(std::string_view text);

// Messages of these texts are nearly the same: equal in normal form, or of a Jaccard
// index of at least kNearDuplicate between their sets of 5-byte shingles, of long
// texts as estimated from 256 of both.
inline constexpr double kNearDuplicate = 0.7;
bool AreNearDuplicates(std::string_view a, std::string_view b);

// For each message from `first` on: whether it is a near-duplicate of one before it,
// learned or not. Pairs are looked for by min-hashes in bands, which find one at the
// threshold with a probability of 99 %, and equal normal forms always.
std::vector<bool> FindNearDuplicates(const std::vector<Message>& messages, std::size_t first);

}  // namespace attune
