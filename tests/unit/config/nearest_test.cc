#include "config/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace attune {
namespace {

TEST(EditDistance, CountsWhatOneWouldType) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("rank", ""), 4u);
  EXPECT_EQ(EditDistance("", "rank"), 4u);
  EXPECT_EQ(EditDistance("rank", "rank"), 0u);
  EXPECT_EQ(EditDistance("ran", "rank"), 1u);
  EXPECT_EQ(EditDistance("rnak", "rank"), 1u);  // Neighbours swapped.
  EXPECT_EQ(EditDistance("batery", "battery"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(Nearest, SuggestsOnlyWhatIsClose) {
  const std::string_view keys[] = {"model", "vault", "max_loss", "context_tokens", "rank"};
  EXPECT_EQ(Nearest("modle", keys), "model");
  EXPECT_EQ(Nearest("VAULT", keys), "");
  EXPECT_EQ(Nearest("Rank", keys), "rank");
  EXPECT_EQ(Nearest("max_loss_seconds", keys), "max_loss");
  EXPECT_EQ(Nearest("context", keys), "context_tokens");
  EXPECT_EQ(Nearest("telemetry", keys), "");
  EXPECT_EQ(Nearest("", keys), "");
  EXPECT_EQ(Nearest("a", keys), "");
  EXPECT_EQ(Nearest(std::string(100000, 'a'), keys), "");
  EXPECT_EQ(Nearest("rank", {}), "");
}

}  // namespace
}  // namespace attune
