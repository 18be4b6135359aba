// What became of suggestions: how often one was shown and how often it was taken.
// The app counts, an Adaptation keeps the counts by generation, and goes back to what
// served before where users take to a new generation less.
//
// Threads: values.

#pragma once

#include <cstdint>

namespace attune {

struct Outcome {
  std::int64_t shown = 0;
  std::int64_t accepted = 0;  // Of those.
  bool operator==(const Outcome&) const = default;
};

struct OutcomeOptions {
  bool roll_back = true;  // False: only tell.
  // Shown by both generations before they are compared at all.
  std::int64_t min_shown = 200;
  // That a generation which is as good as the one before it never goes, however often
  // outcomes are reported. Holds where suggestions are taken independently of each
  // other; in bursts of alike ones less.
  double confidence = 0.99;
  // A relative drop that is smaller is let pass, however certain.
  double min_drop = 0.05;
  bool operator==(const OutcomeOptions&) const = default;
};

struct OutcomeReport {
  // The one that had made the suggestions, and all its outcomes so far. 0: the bare
  // base.
  std::uint64_t generation = 0;
  Outcome outcome;
  // What it is compared with: what would serve in its place, and its outcomes.
  std::uint64_t before = 0;
  Outcome outcome_before;
  // The probability of so few by chance, were both equally good; 1 where they were
  // not compared this time.
  double p_value = 1;
  // It was found worse; and it made way.
  bool worse = false;
  bool rolled_back = false;
  std::uint64_t serving = 0;  // Now.
};

}  // namespace attune
