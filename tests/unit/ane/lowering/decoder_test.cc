// Whole decoders: loss, every gradient and logits of what Lower() makes equal the
// reference, for every family, way of training and placement of the head.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "support/status_matchers.h"
#include "unit/ane/lowering/decoder_programs.h"
#include "unit/ane/lowering/plan_runner.h"

namespace attune::ane {
namespace {

using attune::testing::SeedNote;
using attune::testing::TestSeed;
using testing::DecoderShape;
using testing::LogitsProgram;
using testing::LossProgram;
using testing::OpProgram;
using testing::TinyDecoder;
using testing::Training;

constexpr double kExact = 1e-9;

CompilerOptions HeadOn(HeadPlacement head) {
  CompilerOptions options;
  options.head = head;
  return options;
}

Lowered ExpectEqual(const OpProgram& program, const CompilerOptions& options) {
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  auto lowered = Lower(program.graph, frozen.views, options);
  EXPECT_OK(lowered);
  if (!lowered.ok()) return {};
  for (const Region& region : lowered->regions) EXPECT_OK(Verify(region, lowered->plan.surfaces));
  if (::testing::Test::HasFailure()) return {};
  testing::PlanRunner runner(*lowered, program.feeds);
  const auto want = EvaluateReference(program.graph, program.feeds);
  EXPECT_OK(want);
  EXPECT_LT(testing::LargestError(runner.Run(), *want), kExact);
  return *std::move(lowered);
}

class LowerDecoder : public ::testing::TestWithParam<DecoderFamily> {};

TEST_P(LowerDecoder, LoraLossAndGradientsEqualTheReference) {
  for (const auto head : {HeadPlacement::kHost, HeadPlacement::kDevice}) {
    const OpProgram program = LossProgram({.config = TinyDecoder(GetParam())}, TestSeed());
    const Lowered lowered = ExpectEqual(program, HeadOn(head));
    EXPECT_EQ(lowered.regions.size(), 2u);
  }
}

TEST_P(LowerDecoder, PackedBatchesWithDropoutEqualTheReference) {
  const OpProgram program = LossProgram({.config = TinyDecoder(GetParam()),
                                         .batch = 3,
                                         .length = 11,
                                         .packed = true,
                                         .dropout = 0.25f},
                                        TestSeed() + 1);
  ExpectEqual(program, HeadOn(HeadPlacement::kDevice));
}

TEST_P(LowerDecoder, FullTrainingEqualsTheReference) {
  const OpProgram program = LossProgram(
      {.config = TinyDecoder(GetParam()), .batch = 2, .training = Training::kFull}, TestSeed() + 2);
  ExpectEqual(program, HeadOn(HeadPlacement::kDevice));
}

TEST_P(LowerDecoder, EvaluationEqualsTheReference) {
  const OpProgram program = LossProgram(
      {.config = TinyDecoder(GetParam()), .training = Training::kEvaluate}, TestSeed() + 3);
  for (const auto head : {HeadPlacement::kHost, HeadPlacement::kDevice}) {
    const Lowered lowered = ExpectEqual(program, HeadOn(head));
    EXPECT_EQ(lowered.regions.size(), 1u);
  }
}

TEST_P(LowerDecoder, GenerationEqualsTheReference) {
  for (const std::int64_t tokens : {1, 5}) {
    ExpectEqual(LogitsProgram(TinyDecoder(GetParam()), tokens, 4, TestSeed() + 4),
                HeadOn(HeadPlacement::kByCost));
  }
}

TEST_P(LowerDecoder, RecomputedTapsEqualTheReferenceInFewerSurfaces) {
  const OpProgram program =
      LossProgram({.config = TinyDecoder(GetParam()), .length = 32}, TestSeed() + 5);
  CompilerOptions options = HeadOn(HeadPlacement::kHost);
  const Lowered kept = ExpectEqual(program, options);
  options.max_surface_bytes = 1;
  const Lowered again = ExpectEqual(program, options);
  EXPECT_GT(again.plan.recomputed, 0);
  EXPECT_LE(again.plan.recomputed, again.plan.recompute_candidates);
  EXPECT_LT(again.plan.surfaces.size(), kept.plan.surfaces.size());
  const auto probabilities = [](const Lowered& lowered) {
    return std::count_if(
        lowered.plan.surfaces.begin(), lowered.plan.surfaces.end(),
        [](const SurfaceSpec& spec) { return spec.name.starts_with("probabilities"); });
  };
  EXPECT_EQ(probabilities(kept), TinyDecoder(GetParam()).layers);
  EXPECT_EQ(probabilities(again), 0);
}

std::string FamilyOf(const ::testing::TestParamInfo<DecoderFamily>& info) {
  return std::string(DecoderFamilyName(info.param));
}
INSTANTIATE_TEST_SUITE_P(All, LowerDecoder,
                         ::testing::Values(DecoderFamily::kGpt2, DecoderFamily::kLlama,
                                           DecoderFamily::kQwen2, DecoderFamily::kQwen3),
                         FamilyOf);

// Shapes at random: what no hand would choose.
DecoderShape RandomShape(std::uint64_t seed) {
  Philox random(seed, 21);
  const auto pick = [&](std::initializer_list<std::int64_t> of) {
    return of.begin()[random.NextBelow(static_cast<std::uint32_t>(of.size()))];
  };
  constexpr DecoderFamily kFamilies[] = {DecoderFamily::kGpt2, DecoderFamily::kLlama,
                                         DecoderFamily::kQwen2};
  DecoderShape shape;
  shape.config = TinyDecoder(kFamilies[random.NextBelow(3)]);
  const bool gpt2 = shape.config.family == DecoderFamily::kGpt2;
  shape.config.kv_heads = pick({1, 2, 3});
  shape.config.heads = gpt2 ? shape.config.kv_heads : shape.config.kv_heads * pick({1, 2, 4});
  shape.config.head_dim = pick({2, 4, 8, 10});
  shape.config.hidden =
      gpt2 ? shape.config.heads * shape.config.head_dim : pick({8, 20, 32, 33, 64});
  shape.config.intermediate = pick({16, 31, 64});
  shape.config.layers = pick({1, 2});
  shape.config.rope.interleaved = random.NextBelow(2) == 0;
  shape.config.vocabulary = pick({5, 64, 131});
  shape.batch = pick({1, 2, 3});
  shape.length = pick({1, 2, 7, 16, 33});
  shape.rank = pick({1, 3, 8, 40});
  shape.packed = random.NextBelow(2) == 0;
  shape.dropout = random.NextBelow(3) == 0 ? 0.5f : 0.0f;
  shape.training = random.NextBelow(4) == 0 ? Training::kFull : Training::kLora;
  return shape;
}

TEST(LowerRandomDecoder, EqualsTheReference) {
  SCOPED_TRACE(SeedNote());
  for (std::uint64_t i = 0; i < 24; ++i) {
    SCOPED_TRACE(i);
    const DecoderShape shape = RandomShape(TestSeed() + i);
    CompilerOptions options = HeadOn(i % 2 == 0 ? HeadPlacement::kDevice : HeadPlacement::kHost);
    options.linear = i % 3 == 0 ? LinearForm::kMatMul : LinearForm::kByChip;
    ExpectEqual(LossProgram(shape, TestSeed() + i), options);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace attune::ane
