#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "attune/status.h"
#include "base/checked_math.h"
#include "base/half.h"
#include "base/philox.h"
#include "base/strings.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return InvalidArgument(StrCat(n, " is odd"));
  return n / 2;
}

Result<int> Quarter(int n) {
  ATTUNE_ASSIGN_OR_RETURN(int half, Half(n));
  return Half(half);
}

TEST(Status, AnErrorTravelsUpWithItsMessage) {
  ASSERT_OK_AND_ASSIGN(int two, Quarter(8));
  EXPECT_EQ(two, 2);
  EXPECT_EQ(Quarter(6).status().ToString(), "invalid argument: 3 is odd");
  EXPECT_EQ(std::move(Half(1)).status().WithContext("call").message(), "call: 1 is odd");
}

TEST(StatusDeathTest, ReadingTheValueOfAnErrorAborts) { EXPECT_DEATH((void)*Half(3), "3 is odd"); }

TEST(CheckedMath, OverflowIsAnAnswer) {
  EXPECT_EQ(CheckedMul<std::uint64_t>(1u << 31, 2), std::uint64_t{1} << 32);
  EXPECT_FALSE(CheckedMul<std::uint64_t>(std::uint64_t{1} << 63, 2).has_value());
  EXPECT_FALSE(CheckedAdd<std::int64_t>(std::numeric_limits<std::int64_t>::max(), 1).has_value());
}

TEST(Half, EveryF16SurvivesARoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float wide = F32FromF16(half);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(F32FromF16(F16FromF32(wide))));
    } else {
      ASSERT_EQ(F16FromF32(wide), half) << bits;
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(F16FromF32(1.0f + 0x1p-11f), 0x3c00);      // Tie: down to even.
  EXPECT_EQ(F16FromF32(1.0f + 3 * 0x1p-11f), 0x3c02);  // Tie: up to even.
  EXPECT_EQ(F16FromF32(65519.0f), 0x7bff);             // Largest finite.
  EXPECT_EQ(F16FromF32(65520.0f), 0x7c00);             // Ties away into infinity.
  EXPECT_EQ(F16FromF32(0x1p-25f), 0x0000);             // Half the least subnormal.
  EXPECT_EQ(Bf16FromF32(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(Bf16FromF32(1.0f + 3 * 0x1p-8f), 0x3f82);
  EXPECT_TRUE(std::isnan(F32FromBf16(Bf16FromF32(std::numeric_limits<float>::quiet_NaN()))));
}

// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
TEST(Philox, MatchesThePublishedVectors) {
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t f = 0xffffffff;
  EXPECT_EQ(Philox4x32({f, f, f, f}, {f, f}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Philox, PositionRestoresTheStream) {
  Philox a(42, 7);
  for (int i = 0; i < 5; ++i) a.NextNormal();
  Philox b(42, 7);
  b.set_position(a.position());
  for (int i = 0; i < 9; ++i) EXPECT_EQ(a.NextU32(), b.NextU32());
}

TEST(Philox, DrawsBelowABoundAreUniform) {
  Philox rng(1);
  int counts[7] = {};
  for (int i = 0; i < 70000; ++i) ++counts[rng.NextBelow(7)];
  for (int count : counts) EXPECT_NEAR(count, 10000, 400);
}

}  // namespace
}  // namespace attune
