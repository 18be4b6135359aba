#include "ane/device/target.h"

#include <gtest/gtest.h>

#include <set>

#include "support/status_matchers.h"

namespace attune::ane {
namespace {

TEST(Target, NamesComeBack) {
  std::set<std::string_view> names;
  ASSERT_EQ(AllChips().size(), static_cast<std::size_t>(kChips));
  for (const Chip chip : AllChips()) {
    ASSERT_OK_AND_ASSIGN(const Chip parsed, ParseChip(ChipName(chip)));
    EXPECT_EQ(parsed, chip);
    EXPECT_TRUE(names.insert(ChipName(chip)).second) << ChipName(chip);
  }
}

TEST(Target, UnknownNamesListTheKnownOnes) {
  const Status status = ParseChip("m7").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  for (const Chip chip : AllChips()) {
    EXPECT_NE(status.message().find(ChipName(chip)), std::string::npos) << status.message();
  }
}

TEST(Target, ArchitecturesLeadToAChipOfTheirs) {
  for (const Chip chip : AllChips()) {
    ASSERT_OK_AND_ASSIGN(const Chip found, ChipOfArchitecture(ArchitectureOf(chip)));
    EXPECT_EQ(ArchitectureOf(found), ArchitectureOf(chip));
  }
  ASSERT_OK_AND_ASSIGN(const Chip bare, ChipOfArchitecture("h17"));
  EXPECT_EQ(bare, Chip::kM5Max);
  EXPECT_EQ(ChipOfArchitecture("h99").status().code(), StatusCode::kNotFound);
}

TEST(Target, NameSaysChipAndSystem) {
  EXPECT_EQ(TargetName({Chip::kM3Ultra, 27}), "m3-ultra, macOS 27");
}

}  // namespace
}  // namespace attune::ane
