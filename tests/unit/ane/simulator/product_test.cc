// The product kernel against a scalar account of the same rules, bit for bit.

#include "ane/simulator/kernels/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "ane/simulator/aligned.h"
#include "base/half.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

float Half(float x) { return F32FromF16(F16FromF32(x)); }

float Stuck(float sum, float next, const MacRules& rules) {
  if (std::isinf(sum)) return sum;
  if (std::abs(next) >= rules.saturation) {
    return std::copysign(std::numeric_limits<float>::infinity(), next);
  }
  return next;
}

float Product(float a, float b, const MacRules& rules) {
  float p = a * b;
  if (rules.round_products || rules.round_tiles) p = Half(p);
  p = std::abs(p) >= rules.smallest_product ? p : 0;
  return rules.round_tiles ? Stuck(0, p, rules) : p;
}

float Dot(const Floats& a, const Floats& b, std::int64_t i, std::int64_t j, std::int64_t n,
          std::int64_t k, const MacRules& rules) {
  float sum = 0;
  const auto product = [&](std::int64_t p) {
    return p >= k ? 0.0f
                  : Product(a[static_cast<std::size_t>(i * k + p)],
                            b[static_cast<std::size_t>(p * n + j)], rules);
  };
  const auto added = [&](float x, float y) { return Stuck(x, Half(x + y), rules); };
  if (rules.round_tiles) {
    for (std::int64_t p = 0; p < k; p += 4) {
      const float left = added(product(p), product(p + 1));
      const float right = added(product(p + 2), product(p + 3));
      sum = Stuck(sum, sum + added(left, right), rules);
    }
  } else {
    for (std::int64_t p = 0; p < k; ++p) sum = Stuck(sum, sum + product(p), rules);
  }
  const float rounded = Half(sum);
  if (std::abs(rounded) >= rules.saturation) {
    return rules.saturated == 0 ? 0 : std::copysign(rules.saturated, rounded);
  }
  return rounded + 0.0f;
}

Floats Multiply(const Floats& a, const Floats& b, std::int64_t m, std::int64_t n, std::int64_t k,
                const MacRules& rules) {
  AlignedFloats left(PackedLeft(m, k)), right(PackedRight(n, k));
  PackLeft({a.data(), k, 1}, m, k, 0, LeftPanels(m), left.data());
  PackRight({b.data(), n, 1}, n, k, 0, RightPanels(n), right.data());
  Floats c(static_cast<std::size_t>(m * n), -1);
  MultiplyTiles({left.data(), right.data(), c.data(), n, m, n, k, rules}, 0,
                LeftPanels(m) * RightPanels(n));
  return c;
}

MacRules RulesOf(Chip chip) {
  const Numerics n = NumericsOf(chip);
  return {.half = true,
          .round_products = n.round_products,
          .round_tiles = n.round_tiles,
          .smallest_product = n.smallest_product,
          .saturation = n.saturation,
          .saturated = n.saturated};
}

struct Shape {
  std::int64_t m, n, k;
};
constexpr Shape kShapes[] = {{1, 1, 1},   {1, 33, 7},   {9, 31, 5},   {8, 32, 16},
                             {17, 65, 3}, {3, 100, 40}, {24, 64, 129}};

void Compare(const Floats& a, const Floats& b, const Shape& s, const MacRules& rules) {
  const Floats c = Multiply(a, b, s.m, s.n, s.k, rules);
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      const float expected = Dot(a, b, i, j, s.n, s.k, rules);
      const float got = c[static_cast<std::size_t>(i * s.n + j)];
      ASSERT_EQ(std::memcmp(&got, &expected, 4), 0)
          << "[" << i << ", " << j << "] of " << s.m << "x" << s.n << "x" << s.k << ": " << got
          << ", expected " << expected;
    }
  }
}

Floats Halves(std::int64_t n, std::uint32_t seed, float scale) {
  Floats out = Numbers(n, seed, scale);
  for (float& x : out) x = Half(x);
  return out;
}

TEST(Product, FollowsTheRulesOfEveryChip) {
  for (const Chip chip : AllChips()) {
    SCOPED_TRACE(ChipName(chip));
    for (const Shape& shape : kShapes) {
      // About the flush's bound, of unit size, and far beyond the saturation.
      for (const float scale : {0.01f, 1.0f, 150.0f}) {
        Compare(Halves(shape.m * shape.k, 1, scale), Halves(shape.k * shape.n, 2, scale), shape,
                RulesOf(chip));
      }
    }
  }
}

TEST(Product, BoundsOfTheFastPathChangeNothing) {
  // Sums that end far below the saturation and pass it on the way, or just do not.
  MacRules rules = RulesOf(Chip::kM4);
  for (const float scale : {30.0f, 60.0f, 90.0f}) {
    const Shape shape = {16, 40, 24};
    Compare(Halves(16 * 24, 3, scale), Halves(24 * 40, 4, scale), shape, rules);
  }
}

TEST(Product, TransposedOperandsAreTheSame) {
  const Shape s = {19, 37, 23};
  const Floats a = Numbers(s.m * s.k, 5), b = Numbers(s.k * s.n, 6);
  Floats at(a.size()), bt(b.size());
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t p = 0; p < s.k; ++p) {
      at[static_cast<std::size_t>(p * s.m + i)] = a[static_cast<std::size_t>(i * s.k + p)];
    }
  }
  for (std::int64_t p = 0; p < s.k; ++p) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      bt[static_cast<std::size_t>(j * s.k + p)] = b[static_cast<std::size_t>(p * s.n + j)];
    }
  }
  MacRules rules;
  rules.half = false;
  AlignedFloats left(PackedLeft(s.m, s.k)), right(PackedRight(s.n, s.k));
  PackLeft({at.data(), 1, s.m}, s.m, s.k, 0, LeftPanels(s.m), left.data());
  PackRight({bt.data(), 1, s.k}, s.n, s.k, 0, RightPanels(s.n), right.data());
  Floats c(static_cast<std::size_t>(s.m * s.n));
  // In two shares, as two workers do.
  const std::int64_t tiles = LeftPanels(s.m) * RightPanels(s.n);
  const ProductArgs args = {left.data(), right.data(), c.data(), s.n, s.m, s.n, s.k, rules};
  MultiplyTiles(args, 0, tiles / 2);
  MultiplyTiles(args, tiles / 2, tiles);
  EXPECT_EQ(c, Multiply(a, b, s.m, s.n, s.k, rules));
}

}  // namespace
}  // namespace attune::ane::testing
