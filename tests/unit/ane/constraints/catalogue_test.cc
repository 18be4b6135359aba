#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "ane/constraints/constraint.h"
#include "ane/mil/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"
#include "unit/ane/constraints/cases.h"
#include "unit/ane/mil/programs.h"

namespace attune::ane {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (const auto& area : {SpellingCases(), WeightCases(), ShapeCases(), OpCases()}) {
    all.insert(all.end(), area.begin(), area.end());
  }
  return all;
}

// The identifiers of what is wrong with a text, each once.
std::set<std::string> Broken(const std::string& text, const Target& target,
                             const WeightFiles* files = nullptr) {
  const auto program = mil::Parse(text);
  if (!program.ok()) return {program.status().ToString()};
  std::set<std::string> ids;
  for (const Violation& violation : Validate({*program, files, target})) {
    ids.insert(std::string(violation.rule));
    EXPECT_FALSE(violation.message.empty());
    EXPECT_GE(violation.at.line, 2) << violation.message;
    EXPECT_EQ(violation.severity, FindConstraint(violation.rule)->severity);
  }
  return ids;
}

// One good record of a 64 x 64 weight.
mil::WeightFile OneWeight() {
  mil::WeightFile file;
  file.Append(1, kWeightBytes);
  return file;
}

TEST(ConstraintCatalogue, ReportsWhatBreaksARuleAsThatRuleAndNothingElse) {
  int cases = 0;
  for (const Case& one : AllCases()) {
    SCOPED_TRACE(std::string(one.id) + "\n" + one.broken.substr(0, 4000));
    mil::WeightFile good = OneWeight(), bad = OneWeight();
    const WeightFiles good_files = {{"@model_path/weights/weight.bin", good.bytes()}};
    const WeightFiles bad_files = {{"@model_path/weights/weight.bin", bad.bytes()}};
    if (one.damage) one.damage(&bad);
    EXPECT_THAT(Broken(one.broken, one.target, one.damage ? &bad_files : nullptr),
                ElementsAre(one.id));
    EXPECT_THAT(Broken(one.sound, one.target, one.damage ? &good_files : nullptr), IsEmpty());
    ++cases;
  }
  EXPECT_GT(cases, 0);
}

TEST(ConstraintCatalogue, HasACaseForEachRule) {
  std::set<std::string_view> with_case;
  for (const Case& one : AllCases()) with_case.insert(one.id);
  for (const Constraint& constraint : AllConstraints()) {
    EXPECT_TRUE(with_case.contains(constraint.id)) << constraint.id;
  }
  EXPECT_EQ(with_case.size(), AllConstraints().size());
}

TEST(ConstraintCatalogue, NamesEachRuleOnceAndSaysWhatItIs) {
  std::set<std::string_view> ids;
  for (const Constraint& constraint : AllConstraints()) {
    EXPECT_TRUE(ids.insert(constraint.id).second) << constraint.id;
    EXPECT_TRUE(constraint.what.ends_with('.')) << constraint.id;
    EXPECT_FALSE(constraint.seen.empty()) << constraint.id;
    EXPECT_EQ(FindConstraint(constraint.id)->id, constraint.id);
  }
  EXPECT_EQ(FindConstraint("weights.seventeen"), nullptr);
}

// A rule must not be so wide that programs of published tools break it.
TEST(ConstraintCatalogue, PassesProgramsThatAreKnownToRun) {
  for (const int os : {15, 26, 27}) {
    for (const Chip chip : {Chip::kM4, Chip::kM4Max, Chip::kM5, Chip::kM5Max, Chip::kM3Pro}) {
      for (const std::string& text :
           {mil::ElementwiseProgram(), mil::ConvProgram(), mil::TwoConvProgram(),
            mil::PackedProgram(), mil::LoraProgram(), mil::BankProgram(),
            mil::AttentionProgram()}) {
        EXPECT_THAT(Broken(text, {chip, os}), IsEmpty()) << text;
      }
    }
  }
}

TEST(ConstraintCatalogue, AppliesARuleOnlyWhereItWasSeen) {
  const std::string packed = mil::PackedProgram();
  EXPECT_THAT(Broken(packed, {Chip::kM1, 26}), ElementsAre("widths.slice"));
  EXPECT_THAT(Broken(packed, {Chip::kM2, 26}), ElementsAre("widths.slice"));
  EXPECT_THAT(Broken(packed, {Chip::kM3Ultra, 26}), IsEmpty());
  for (const Case& one : AllCases()) {
    if (one.id != "weights.one_file" && one.id != "ops.affine_dequantize") continue;
    EXPECT_THAT(Broken(one.broken, {Chip::kM4, 15}), IsEmpty());
  }
}

TEST(ConstraintCatalogue, TakesFilesOfEqualContentForOne) {
  const auto cases = WeightCases();
  const auto one = std::find_if(cases.begin(), cases.end(),
                                [](const Case& c) { return c.id == "weights.one_file"; });
  ASSERT_NE(one, cases.end());
  mil::WeightFile first, second;
  for (mil::WeightFile* file : {&first, &second}) {
    file->Append(1, kWeightBytes);
    file->Append(1, kWeightBytes);
  }
  const WeightFiles files = {{"@model_path/weights/weight.bin", first.bytes()},
                             {"@model_path/weights/other.bin", second.bytes()}};
  EXPECT_THAT(Broken(one->broken, one->target, &files), IsEmpty());
  second.Set<std::uint8_t>(200, 0x22);
  EXPECT_THAT(Broken(one->broken, one->target, &files), ElementsAre("weights.one_file"));
}

// "all", "m1, m2", "macOS 26 on".
std::string WhereOf(const Constraint& constraint) {
  std::string chips, systems;
  for (const Chip chip : AllChips()) {
    if (!constraint.applies({chip, 15}) && !constraint.applies({chip, 27})) continue;
    chips += (chips.empty() ? "" : ", ") + std::string(ChipName(chip));
  }
  for (const int os : {15, 26, 27}) {
    if (!constraint.applies({Chip::kM1, os}) || constraint.applies({Chip::kM1, os - 1})) continue;
    systems = "macOS " + std::to_string(os);
  }
  const bool all_chips = std::count(chips.begin(), chips.end(), ',') + 1 == kChips;
  if (!all_chips) return chips;
  if (constraint.applies({Chip::kM1, 15}) && constraint.applies({Chip::kM1, 27})) return "all";
  return constraint.applies({Chip::kM1, 27}) ? systems + " on" : "macOS 15";
}

// The row of docs/ane-constraints.md on a rule, but for symptom and remedy.
std::string RowOf(const Constraint& constraint) {
  return "| `" + std::string(constraint.id) + "` | " +
         std::string(SeverityName(constraint.severity)) + " | " + WhereOf(constraint) + " | " +
         std::string(constraint.what) + " |";
}

TEST(ConstraintCatalogue, IsWhatTheDocumentLists) {
  std::ifstream in(ATTUNE_SOURCE_DIR "/docs/ane-constraints.md");
  std::set<std::string> documented, expected;
  for (std::string line; std::getline(in, line);) {
    const std::size_t end = line.find("` |");
    if (line.rfind("| `", 0) != 0 || end == std::string::npos) continue;
    const std::string id = line.substr(3, end - 3);
    if (id.find('.') == std::string::npos) continue;
    EXPECT_TRUE(documented.insert(id).second) << id << " twice";
    const Constraint* constraint = FindConstraint(id);
    if (constraint == nullptr) continue;
    EXPECT_THAT(line, StartsWith(RowOf(*constraint)));
    EXPECT_THAT(line, EndsWith("| " + std::string(constraint->seen) + " |"));
  }
  for (const Constraint& constraint : AllConstraints()) expected.emplace(constraint.id);
  EXPECT_EQ(documented, expected);
}

TEST(ConstraintCatalogue, OrdersFindingsByTheText) {
  ASSERT_OK_AND_ASSIGN(const mil::Program program,
                       mil::Parse(TextOf(Let("a", "rsqrt(x=x)") + Let("b", "gelu(x=a)") +
                                         Let("y", "softmax(axis=-1, x=b)"))));
  const std::vector<Violation> found = Validate({program, nullptr, {}});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].rule, "ops.rsqrt");
  EXPECT_EQ(found[0].at.line, 3);
  EXPECT_EQ(found[1].rule, "ops.gelu_mode");
  EXPECT_EQ(found[2].rule, "spelling.typed_literals");
  EXPECT_EQ(found[2].message.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace attune::ane
