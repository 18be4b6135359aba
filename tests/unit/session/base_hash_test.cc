// What tells base models apart.

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "models/weights.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"

namespace attune {
namespace {

struct Base {
  Base() : a(DType::kF32, {2, 3}), b(DType::kF32, {3}) {
    for (int i = 0; i < 6; ++i) a.f32()[static_cast<std::size_t>(i)] = static_cast<float>(i);
    views = {{"a", a.view()}, {"b", b.view()}};
  }
  Tensor a, b;
  WeightViews views;
};

class BaseHashTest : public ::testing::Test {
 protected:
  std::string HashOfViews(const WeightViews& views) {
    auto hash = HashOf(*ports_.crypto, views);
    EXPECT_OK(hash);
    return {reinterpret_cast<const char*>(hash->data()), hash->size()};
  }
  testing::TestPorts ports_;
};

TEST_F(BaseHashTest, EveryNameTypeShapeAndByteCounts) {
  const Base base;
  const std::string hash = HashOfViews(base.views);
  EXPECT_EQ(HashOfViews(Base().views), hash);
  std::set<std::string> hashes = {hash};
  for (std::size_t i = 0; i < 24; ++i) {
    Base other;
    other.a.data()[i] ^= std::byte{1};
    EXPECT_TRUE(hashes.insert(HashOfViews(other.views)).second) << i;
  }
  const auto differs = [&](const WeightViews& views) {
    return hashes.insert(HashOfViews(views)).second;
  };
  TensorView reshaped = base.a.view(), retyped = base.b.view();
  reshaped.shape = {3, 2};
  retyped.dtype = DType::kI32;
  EXPECT_TRUE(differs({{"a", reshaped}, {"b", base.b.view()}}));
  EXPECT_TRUE(differs({{"a", base.a.view()}, {"b", retyped}}));
  EXPECT_TRUE(differs({{"a", base.a.view()}, {"c", base.b.view()}}));
  EXPECT_TRUE(differs({{"a", base.a.view()}}));
  EXPECT_TRUE(differs({{"b", base.b.view()}}));
  EXPECT_TRUE(differs({}));
}

// The bytes of one tensor cannot pass for the header of the next.
TEST_F(BaseHashTest, AHeaderInsideATensorIsNoHeader) {
  const std::string header = "1 b f32[1] 4\n";
  std::string bytes(16, '\0');
  std::memcpy(bytes.data(), header.data(), header.size());
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  const WeightViews one = {{"a", {DType::kF32, {4}, data}}};
  const WeightViews two = {{"a", {DType::kF32, {0}, data}}, {"b", {DType::kF32, {1}, data}}};
  EXPECT_NE(HashOfViews(one), HashOfViews(two));
}

}  // namespace
}  // namespace attune
