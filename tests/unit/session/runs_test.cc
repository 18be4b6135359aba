// Which runs feed a sequence, and which windows score a text.

#include <gtest/gtest.h>

#include <vector>

#include "session/prefill.h"
#include "session/scoring.h"

namespace attune {
namespace {

TEST(Prefill, TakesTheSmallestRunThatHoldsAll) {
  EXPECT_EQ(NextRunSize(1, 512), 1);
  EXPECT_EQ(NextRunSize(3, 512), 1);
  EXPECT_EQ(NextRunSize(4, 512), 16);
  EXPECT_EQ(NextRunSize(17, 512), 32);
  EXPECT_EQ(NextRunSize(700, 2048), 512);
}

TEST(Prefill, NeverRunsPastTheCache) {
  for (std::int64_t capacity : {1, 2, 15, 16, 17, 24, 100, 512}) {
    std::int64_t fed = 0;
    while (fed < capacity) {
      const std::int64_t size = NextRunSize(capacity - fed, capacity - fed);
      ASSERT_LE(fed + size, capacity);
      fed += size;
    }
    EXPECT_EQ(fed, capacity);
  }
}

// Every prediction is scored exactly once, whatever the window.
TEST(ScoreWindows, CoverEveryRowOnce) {
  for (std::int64_t window : {1, 2, 5, 8}) {
    for (std::int64_t rows = 0; rows < 40; ++rows) {
      std::vector<int> scored(static_cast<std::size_t>(rows));
      for (std::int64_t index = 0;; ++index) {
        const ScoreWindow at = WindowAt(index, rows, window);
        if (at.length == 0) break;
        ASSERT_LE(at.length, window);
        for (std::int64_t row = at.begin + at.skip; row < at.begin + at.length; ++row) {
          ++scored[static_cast<std::size_t>(row)];
        }
      }
      EXPECT_EQ(scored, std::vector<int>(static_cast<std::size_t>(rows), 1))
          << rows << " rows, window " << window;
    }
  }
}

TEST(ScoreWindows, LaterWindowsHaveHalfAWindowOfContext) {
  const ScoreWindow second = WindowAt(1, 100, 8);
  EXPECT_EQ(second.begin, 4);
  EXPECT_EQ(second.skip, 4);
}

TEST(Documents, AreTrimmedAndNeverEmpty) {
  const auto documents = SplitDocuments("<|endoftext|>\n a b\n<|endoftext|> \n<|endoftext|>c");
  EXPECT_EQ(documents, (std::vector<std::string_view>{"a b", "c"}));
  EXPECT_TRUE(SplitDocuments(" \n").empty());
}

}  // namespace
}  // namespace attune
