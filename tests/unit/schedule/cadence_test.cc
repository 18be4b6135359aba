#include "schedule/cadence.h"

#include <algorithm>
#include <limits>

#include "base/philox.h"
#include "base/strings.h"
#include "gtest/gtest.h"

namespace attune {
namespace {

constexpr std::uint64_t kSeeds = 200;

// A duration that drifts: up to 2 % from one to the next, between a hundredth and
// hundred times the first, and noise of a tenth.
class Drifting {
 public:
  explicit Drifting(double seconds) : least_(seconds / 100), seconds_(seconds) {}
  double Next(Philox& rng) {
    seconds_ *= 0.98 + 0.04 * static_cast<double>(rng.NextFloat());
    seconds_ = std::clamp(seconds_, least_, least_ * 10000);
    return seconds_ * (0.95 + 0.1 * static_cast<double>(rng.NextFloat()));
  }

 private:
  double least_, seconds_;
};

TEST(Cadence, KeepsItsPromiseWhileTimesDrift) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    Philox rng(seed);
    Drifting step(0.1), save(0.2);
    constexpr double kPromise = 30;
    Cadence cadence(kPromise);
    cadence.Began();
    double unsaved = 0;
    for (int i = 0; i < 2000; ++i) {
      const double took = step.Next(rng);
      unsaved += took;
      cadence.Stepped(took);
      if (!cadence.IsDue()) {
        ASSERT_LE(unsaved, kPromise);
        continue;
      }
      const double saving = save.Next(rng);
      // A kill at the last moment of the save. Where one step and one save alone
      // are more than the promise it cannot be kept, and every step is saved.
      if (unsaved > took) {
        ASSERT_LE(unsaved + saving, kPromise);
      }
      cadence.Saved(saving);
      unsaved = 0;
    }
  }
}

TEST(Cadence, SavesNoMoreOftenThanThePromiseNeeds) {
  for (const double step : {0.01, 0.3, 2.0}) {
    for (const double save : {0.01, 0.5, 3.0}) {
      SCOPED_TRACE(StrCat("steps of ", step, " s, saves of ", save, " s"));
      Cadence cadence(30);
      int steps = 0, saves = 0;
      for (; steps < 5000; ++steps) {
        cadence.Stepped(step);
        if (!cadence.IsDue()) continue;
        EXPECT_GT(cadence.unsaved_seconds() + cadence.step_seconds() + cadence.save_seconds(), 30);
        cadence.Saved(save);
        ++saves;
      }
      // The room for one step and one save is a quarter more than they take; the
      // first save is guessed at.
      const double between = 30 - 1.25 * (step + save) - step;
      EXPECT_LE(saves, 1 + step * steps / between);
      EXPECT_GE(saves, step * steps / 30 - 1);
    }
  }
}

TEST(Cadence, NothingUnsavedIsNeverDue) {
  Cadence cadence(0);
  EXPECT_FALSE(cadence.IsDue());
  cadence.Stepped(0.1);
  EXPECT_TRUE(cadence.IsDue());
  cadence.Saved(0.1);
  EXPECT_FALSE(cadence.IsDue());
  cadence.Stepped(0.1);
  cadence.Began();
  EXPECT_FALSE(cadence.IsDue());
}

TEST(Cadence, APromiseTooShortMeansASaveAfterEveryStep) {
  Cadence cadence(0.5);
  for (int i = 0; i < 10; ++i) {
    cadence.Stepped(0.4);
    EXPECT_TRUE(cadence.IsDue());
    cadence.Saved(0.2);
  }
}

TEST(Cadence, StopsInTimeForALastSave) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    Philox rng(seed);
    Drifting step(0.3), save(0.5);
    Cadence cadence(10);
    const double deadline = 100 + 200 * static_cast<double>(rng.NextFloat());
    double now = 0, last = 0;
    while (!cadence.MustStop(now, deadline)) {
      last = step.Next(rng);
      now += last;
      cadence.Stepped(last);
      if (!cadence.IsDue()) continue;
      const double saving = save.Next(rng);
      now += saving;
      cadence.Saved(saving);
    }
    const double room = cadence.step_seconds() + cadence.save_seconds();
    if (cadence.unsaved_seconds() > 0) now += save.Next(rng);
    EXPECT_LE(now, deadline);
    // And it gave nothing away but the room for one step, one save, and what the
    // last ones took.
    EXPECT_GT(now, deadline - 2 * room);
  }
}

TEST(Cadence, WithoutADeadlineItNeverStops) {
  Cadence cadence(30);
  cadence.Stepped(1e6);
  EXPECT_FALSE(cadence.MustStop(1e9, std::numeric_limits<double>::infinity()));
}

TEST(Cadence, BeforeAnythingIsMeasuredASecondEachIsKeptFree) {
  const Cadence cadence(30);
  EXPECT_EQ(cadence.step_seconds(), 1);
  EXPECT_EQ(cadence.save_seconds(), 1);
  EXPECT_TRUE(cadence.MustStop(10, 11.9));
  EXPECT_FALSE(cadence.MustStop(10, 12));
}

TEST(Cadence, ASlowStepIsForgottenAfterSixteenOthers) {
  Cadence cadence(30);
  cadence.Stepped(8);
  for (int i = 0; i < 15; ++i) cadence.Stepped(0.1);
  EXPECT_DOUBLE_EQ(cadence.step_seconds(), 10);
  cadence.Stepped(0.1);
  EXPECT_DOUBLE_EQ(cadence.step_seconds(), 0.125);
  EXPECT_DOUBLE_EQ(cadence.unsaved_seconds(), 9.6);
}

TEST(Cadence, NegativeTimesCountAsNone) {
  Cadence cadence(30);
  cadence.Stepped(-5);
  cadence.Saved(-5);
  EXPECT_EQ(cadence.step_seconds(), 0);
  EXPECT_EQ(cadence.unsaved_seconds(), 0);
}

}  // namespace
}  // namespace attune
