#include <gtest/gtest.h>

#include <map>
#include <set>

#include "ane/compiler/compile.h"
#include "base/philox.h"
#include "base/strings.h"
#include "support/graph/op_cases.h"

namespace attune::ane {
namespace {

// A plan of random programs over random surfaces, each written before it is read.
Plan RandomPlan(std::uint64_t seed) {
  Philox random(seed);
  Plan plan;
  std::vector<SurfaceId> written;
  const auto fresh = [&] {
    const auto id = static_cast<SurfaceId>(plan.surfaces.size());
    plan.surfaces.push_back({StrCat("s", id), 8 * (1 + random.NextBelow(16)), 32});
    written.push_back(id);
    return id;
  };
  const auto known = [&] {
    return written[random.NextBelow(static_cast<std::uint32_t>(written.size()))];
  };
  for (int i = 0; i < 3; ++i) plan.steps.push_back(Upload{0, fresh(), i == 0});
  for (int i = 0; i < 40; ++i) {
    if (random.NextBelow(5) == 0) plan.steps.push_back(Upload{0, fresh(), false});
    if (random.NextBelow(8) == 0) plan.steps.push_back(Download{known(), 0});
    if (random.NextBelow(3) != 0) continue;
    const auto first = static_cast<std::int32_t>(plan.programs.size());
    const auto count = static_cast<std::int32_t>(1 + random.NextBelow(3));
    for (std::int32_t p = 0; p < count; ++p) {
      PlanProgram program;
      for (std::uint32_t k = random.NextBelow(4) + 1; k > 0; --k) {
        IrTensor tensor;
        tensor.origin = Origin::kSurface;
        tensor.surface = known();
        program.region.tensors.push_back(tensor);
      }
      for (std::uint32_t k = random.NextBelow(3) + 1; k > 0; --k) {
        program.region.outputs.push_back({0, fresh()});
      }
      plan.programs.push_back(program);
    }
    plan.steps.push_back(RunPrograms{first, count});
  }
  plan.steps.push_back(Download{written.back(), 0});
  return plan;
}

// Plays the run twice and says what each surface that is read finds in its slot: what
// was written to it, or what another surface left there.
void ExpectEveryReadFindsItsSurface(const Plan& plan) {
  std::map<std::int32_t, SurfaceId> held;
  const auto slot = [&](SurfaceId id) { return plan.slots[static_cast<std::size_t>(id)]; };
  for (int run = 0; run < 2; ++run) {
    for (const Step& step : plan.steps) {
      if (const auto* upload = std::get_if<Upload>(&step)) {
        if (run == 0 || !upload->once) held[slot(upload->surface)] = upload->surface;
      }
      if (const auto* download = std::get_if<Download>(&step)) {
        EXPECT_EQ(held[slot(download->surface)], download->surface);
      }
      const auto* programs = std::get_if<RunPrograms>(&step);
      for (std::int32_t i = 0; programs != nullptr && i < programs->count; ++i) {
        const Region& region = plan.programs[static_cast<std::size_t>(programs->first + i)].region;
        // Results may come before operands are read.
        for (const RegionOutput& out : region.outputs) held[slot(out.surface)] = out.surface;
        for (const RegionOutput& out : region.outputs) {
          EXPECT_EQ(held[slot(out.surface)], out.surface);
        }
        for (const IrTensor& in : region.tensors) EXPECT_EQ(held[slot(in.surface)], in.surface);
      }
    }
  }
}

TEST(Slots, NeverShareAmongSurfacesThatLive) {
  SCOPED_TRACE(attune::testing::SeedNote());
  for (std::uint64_t i = 0; i < 200; ++i) {
    SCOPED_TRACE(i);
    Plan plan = RandomPlan(attune::testing::TestSeed() + i);
    AssignSlots(&plan, i % 2 == 1);
    ASSERT_EQ(plan.slots.size(), plan.surfaces.size());
    for (std::size_t s = 0; s < plan.slots.size(); ++s) {
      ASSERT_GE(plan.slots[s], 0);
      EXPECT_LE(plan.surfaces[s].channels * plan.surfaces[s].width,
                plan.slot_elements[static_cast<std::size_t>(plan.slots[s])]);
    }
    ExpectEveryReadFindsItsSurface(plan);
  }
}

TEST(Slots, AreSharedOneAfterAnother) {
  Plan plan;
  for (int i = 0; i < 10; ++i) plan.surfaces.push_back({StrCat("s", i), 32, 32});
  plan.steps.push_back(Upload{0, 0, false});
  for (int i = 0; i < 9; ++i) {
    PlanProgram program;
    IrTensor tensor;
    tensor.origin = Origin::kSurface;
    tensor.surface = i;
    program.region.tensors.push_back(tensor);
    program.region.outputs.push_back({0, i + 1});
    plan.programs.push_back(program);
  }
  plan.steps.push_back(RunPrograms{0, 9});
  plan.steps.push_back(Download{9, 0});
  AssignSlots(&plan);
  EXPECT_EQ(plan.slot_elements, (std::vector<std::int64_t>{1024, 1024}));
}

TEST(Slots, KeepWhatIsWrittenOnce) {
  Plan plan;
  plan.surfaces = {{"constant", 32, 32}, {"a", 32, 32}, {"b", 32, 32}};
  plan.steps = {Upload{0, 0, true}, Download{0, 0},      Upload{0, 1, false},
                Download{1, 0},     Upload{0, 2, false}, Download{2, 0}};
  AssignSlots(&plan);
  EXPECT_EQ(plan.slots[1], plan.slots[2]);
  EXPECT_NE(plan.slots[0], plan.slots[1]);
}

TEST(Slots, AreOfOneSizeWithinAProgramWhenUniform) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    Plan plan = RandomPlan(i);
    AssignSlots(&plan, true);
    for (const PlanProgram& program : plan.programs) {
      std::set<std::int64_t> sizes;
      const auto add = [&](SurfaceId id) {
        const std::int32_t slot = plan.slots[static_cast<std::size_t>(id)];
        sizes.insert(plan.slot_elements[static_cast<std::size_t>(slot)]);
      };
      for (const IrTensor& tensor : program.region.tensors) add(tensor.surface);
      for (const RegionOutput& output : program.region.outputs) add(output.surface);
      EXPECT_EQ(sizes.size(), 1u);
    }
  }
}

}  // namespace
}  // namespace attune::ane
