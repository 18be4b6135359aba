// Whole decoders: compiled plans compute what the graph says, and every program of
// them keeps to every rule of every chip and system.

#include <gtest/gtest.h>

#include <set>

#include "ane/compiler/compile.h"
#include "ane/compiler/emit.h"
#include "ane/constraints/constraint.h"
#include "support/ane/image_runner.h"
#include "support/status_matchers.h"
#include "unit/ane/lowering/decoder_programs.h"
#include "unit/ane/lowering/plan_runner.h"

namespace attune::ane {
namespace {

using attune::testing::SeedNote;
using attune::testing::TestSeed;
using testing::DecoderShape;
using testing::OpProgram;
using testing::TinyDecoder;
using testing::Training;

constexpr Chip kChipsSeen[] = {Chip::kM1, Chip::kM3Ultra, Chip::kM4, Chip::kM5};

DecoderShape RandomShape(std::uint64_t seed) {
  Philox random(seed, 31);
  const auto pick = [&](std::initializer_list<std::int64_t> of) {
    return of.begin()[random.NextBelow(static_cast<std::uint32_t>(of.size()))];
  };
  constexpr DecoderFamily kFamilies[] = {DecoderFamily::kGpt2, DecoderFamily::kLlama,
                                         DecoderFamily::kQwen2, DecoderFamily::kQwen3};
  DecoderShape shape;
  shape.config = TinyDecoder(kFamilies[random.NextBelow(4)]);
  const bool gpt2 = shape.config.family == DecoderFamily::kGpt2;
  shape.config.kv_heads = pick({1, 2, 3, 4});
  shape.config.heads = gpt2 ? shape.config.kv_heads : shape.config.kv_heads * pick({1, 2, 4});
  shape.config.head_dim = pick({2, 4, 8, 10, 16, 32});
  shape.config.hidden =
      gpt2 ? shape.config.heads * shape.config.head_dim : pick({8, 20, 32, 33, 64, 96});
  shape.config.intermediate = pick({16, 31, 64, 128});
  shape.config.layers = pick({1, 2, 3, 6});
  shape.config.rope.interleaved = random.NextBelow(2) == 0;
  shape.config.tied_embeddings = random.NextBelow(2) == 0;
  shape.config.vocabulary = pick({5, 64, 131, 300});
  shape.batch = pick({1, 2, 3});
  shape.length = pick({1, 2, 7, 16, 33, 64});
  shape.rank = pick({1, 3, 8, 16, 40});
  shape.packed = random.NextBelow(2) == 0;
  shape.dropout = random.NextBelow(3) == 0 ? 0.5f : 0.0f;
  constexpr Training kModes[] = {Training::kLora, Training::kLora, Training::kFull,
                                 Training::kEvaluate};
  shape.training = kModes[random.NextBelow(4)];
  return shape;
}

CompilerOptions RandomOptions(std::uint64_t seed) {
  Philox random(seed, 32);
  CompilerOptions options;
  options.target.chip = kChipsSeen[random.NextBelow(4)];
  options.target.os = 15 + (random.NextBelow(3) == 0 ? 0 : 11 + static_cast<int>(seed % 2));
  options.head = random.NextBelow(2) == 0 ? HeadPlacement::kDevice : HeadPlacement::kHost;
  constexpr WeightStorage kStorages[] = {WeightStorage::kElement, WeightStorage::kElement,
                                         WeightStorage::kInt8, WeightStorage::kPalette4};
  options.weights = kStorages[random.NextBelow(4)];
  options.max_surface_bytes = random.NextBelow(4) == 0 ? 1 : 0;
  return options;
}

std::int64_t Occurrences(const std::string& text, std::string_view of) {
  std::int64_t count = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) {
    ++count;
  }
  return count;
}

void ExpectNoViolation(const ProgramImage& image) {
  EXPECT_LE(Occurrences(image.mil, "BLOBFILE"), 16);
  const auto program = mil::Parse(image.mil);
  ASSERT_OK(program);
  const WeightFiles files = testing::FilesOf(image);
  for (const Chip chip : kChipsSeen) {
    for (const int os : {15, 26, 27}) {
      for (const Violation& violation : Validate({*program, &files, {chip, os}})) {
        ADD_FAILURE() << TargetName({chip, os}) << ": " << violation.rule << ": "
                      << violation.message << " (line " << violation.at.line << ")\n"
                      << image.mil;
        return;
      }
    }
  }
}

TEST(DecoderPlan, ProgramsOfRandomDecodersKeepToEveryRule) {
  SCOPED_TRACE(SeedNote());
  std::size_t programs = 0;
  for (std::uint64_t i = 0; i < 48; ++i) {
    SCOPED_TRACE(i);
    const OpProgram program = testing::LossProgram(RandomShape(TestSeed() + i), TestSeed() + i);
    const testing::FrozenBytes frozen(program.graph, program.feeds);
    const CompilerOptions options = RandomOptions(TestSeed() + i);
    ASSERT_OK_AND_ASSIGN(const Plan plan, Compile(program.graph, frozen.views, options));
    EXPECT_LT(plan.programs.size(), 127u);
    for (const PlanProgram& planned : plan.programs) {
      SCOPED_TRACE(planned.region.name);
      ASSERT_OK_AND_ASSIGN(const ProgramImage image,
                           Emit(planned.region, plan.surfaces, ElementType::kF16));
      ExpectNoViolation(image);
      if (::testing::Test::HasFailure()) return;
    }
    programs += plan.programs.size();
  }
  EXPECT_GT(programs, 100u);
}

// --- Meaning ---

// A compiled plan in the form of a lowered one, whose regions are the programs.
Lowered Planned(Plan plan) {
  Lowered lowered;
  for (PlanProgram& program : plan.programs) lowered.regions.push_back(std::move(program.region));
  lowered.plan = std::move(plan);
  return lowered;
}

class CompiledDecoder : public ::testing::TestWithParam<DecoderFamily> {};

TEST_P(CompiledDecoder, EqualsTheReference) {
  for (const auto head : {HeadPlacement::kHost, HeadPlacement::kDevice}) {
    for (const std::int64_t max_ops : {384, 40}) {
      const OpProgram program = testing::LossProgram(
          {.config = TinyDecoder(GetParam()), .batch = 2, .length = 9}, TestSeed());
      const testing::FrozenBytes frozen(program.graph, program.feeds);
      CompilerOptions options;
      options.head = head;
      options.max_ops = max_ops;
      ASSERT_OK_AND_ASSIGN(Plan plan, Compile(program.graph, frozen.views, options));
      if (max_ops == 40) {
        EXPECT_GT(plan.programs.size(), 5u);
      }
      const Lowered lowered = Planned(std::move(plan));
      testing::PlanRunner runner(lowered, program.feeds);
      ASSERT_OK_AND_ASSIGN(const auto want, EvaluateReference(program.graph, program.feeds));
      EXPECT_LT(testing::LargestError(runner.Run(), want), 1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CompiledDecoder,
                         ::testing::Values(DecoderFamily::kGpt2, DecoderFamily::kLlama,
                                           DecoderFamily::kQwen2, DecoderFamily::kQwen3),
                         [](const auto& instance) {
                           return std::string(DecoderFamilyName(instance.param));
                         });

TEST(DecoderPlan, IsTheSameEveryTime) {
  const OpProgram program =
      testing::LossProgram({.config = TinyDecoder(DecoderFamily::kLlama)}, TestSeed());
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  ASSERT_OK_AND_ASSIGN(const Plan a, Compile(program.graph, frozen.views, {}));
  ASSERT_OK_AND_ASSIGN(const Plan b, Compile(program.graph, frozen.views, {}));
  EXPECT_EQ(a.slots, b.slots);
  ASSERT_EQ(a.programs.size(), b.programs.size());
  for (std::size_t i = 0; i < a.programs.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const auto x, Emit(a.programs[i].region, a.surfaces, ElementType::kF16));
    ASSERT_OK_AND_ASSIGN(const auto y, Emit(b.programs[i].region, b.surfaces, ElementType::kF16));
    EXPECT_EQ(DigestOf(x), DigestOf(y));
  }
}

TEST(DecoderPlan, NamesBothNumbersWhenThereAreTooManyPrograms) {
  const OpProgram program =
      testing::LossProgram({.config = TinyDecoder(DecoderFamily::kLlama)}, TestSeed());
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  CompilerOptions options;
  options.max_ops = 40;
  options.max_programs = 3;
  const Status status = Compile(program.graph, frozen.views, options).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("programs, limit 3"), std::string::npos) << status.ToString();
}

// Every surface that is read was written before, and every slot is large enough.
TEST(DecoderPlan, WritesSurfacesBeforeTheyAreRead) {
  const OpProgram program =
      testing::LossProgram({.config = TinyDecoder(DecoderFamily::kGpt2)}, TestSeed());
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  ASSERT_OK_AND_ASSIGN(const Plan plan, Compile(program.graph, frozen.views, {}));
  ASSERT_EQ(plan.slots.size(), plan.surfaces.size());
  std::set<std::string> names;
  for (std::size_t s = 0; s < plan.surfaces.size(); ++s) {
    EXPECT_TRUE(names.insert(plan.surfaces[s].name).second) << plan.surfaces[s].name;
    EXPECT_EQ(plan.surfaces[s].width % kWidthUnit, 0);
    EXPECT_LE(plan.surfaces[s].channels * plan.surfaces[s].width,
              plan.slot_elements[static_cast<std::size_t>(plan.slots[s])]);
  }
}

}  // namespace
}  // namespace attune::ane
