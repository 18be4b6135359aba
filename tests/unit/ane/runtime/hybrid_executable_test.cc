// Plans made by hand, over a device in memory and the CPU: what a run does, step by
// step, and what it says when it cannot.

#include "ane/runtime/hybrid_executable.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "ane/compiler/emit.h"
#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "graph/builder.h"
#include "support/status_matchers.h"
#include "unit/ane/runtime/fake_device.h"

namespace attune::ane {
namespace {

using testing::FakeDevice;

constexpr std::int64_t kRows = 3, kColumns = 4;

// Regions of additions alone, in the fake device's language.
Result<ProgramImage> EmitFake(const Region& region, std::span<const SurfaceSpec> surfaces,
                              ElementType) {
  ProgramImage image;
  const auto declare = [&](const char* kind, SurfaceId id) {
    const SurfaceSpec& spec = surfaces[static_cast<std::size_t>(id)];
    image.mil += StrCat(kind, " ", SymbolOf(id), " ", spec.channels, " ", spec.width, "\n");
  };
  std::vector<std::string> names;
  for (const IrTensor& tensor : region.tensors) {
    names.push_back(tensor.origin == Origin::kSurface ? SymbolOf(tensor.surface) : tensor.name);
    if (tensor.origin == Origin::kSurface) declare("in", tensor.surface);
  }
  for (const RegionOutput& output : region.outputs) {
    declare("out", output.surface);
    names[static_cast<std::size_t>(output.tensor)] = SymbolOf(output.surface);
  }
  for (const IrNode& node : region.nodes) {
    image.mil += StrCat("add ", names[static_cast<std::size_t>(node.inputs[0])], " ",
                        names[static_cast<std::size_t>(node.inputs[1])], " ",
                        names[static_cast<std::size_t>(node.output)], "\n");
  }
  return image;
}

Region Adding(const std::string& name, const std::string& label, SurfaceId x, SurfaceId y,
              SurfaceId to) {
  const Dims dims{1, kColumns, 1, 32};
  Region region;
  region.name = name;
  region.tensors = {{"x", dims, Origin::kSurface, x, kNone, 0},
                    {"y", dims, Origin::kSurface, y, kNone, 0},
                    {"sum", dims, Origin::kComputed, kNone, kNone, 0}};
  IrNode node;
  node.prim = Prim::kAdd;
  node.inputs = {0, 1};
  node.output = 2;
  node.label = label;
  region.nodes = {node};
  region.outputs = {{2, to}};
  return region;
}

// loss-like graph: t = x + b (device), u = 2 t (host), v = u + b (device), v out.
// b is trainable.
class Example {
 public:
  Example() {
    GraphBuilder builder(&graph);
    const ValueType matrix{DType::kF32, {kRows, kColumns}};
    x = graph.AddInput("x", matrix);
    b = graph.AddParameter("b", matrix, true);
    t = builder.Add(x, b);
    u = builder.Scale(t, 2.0f);
    v = builder.Add(u, b);
    graph.AddOutput("v", v);
    graph.AddOutput("t view", builder.Reshape(t, {kColumns, kRows}));
    EXPECT_OK(builder.status());
  }

  ane::Plan Plan() const {
    ane::Plan plan;
    plan.graph = graph;
    for (const char* name : {"x", "b", "t", "u", "v"}) {
      plan.surfaces.push_back({name, kColumns, 32});
    }
    plan.slots = {0, 1, 2, 0, 2};  // u in the place of x, v in that of t.
    plan.slot_elements.assign(3, kColumns * 32);
    plan.programs.push_back({Adding("forward 1", "layers.0.first", 0, 1, 2), {}});
    plan.programs.push_back({Adding("forward 2", "layers.1.second", 3, 1, 4), {}});
    RunHost doubled;
    const ValueId leaf = doubled.graph.AddInput(HostName(t), {DType::kF32, {kRows, kColumns}});
    GraphBuilder builder(&doubled.graph);
    doubled.graph.AddOutput(HostName(u), builder.Scale(leaf, 2.0f));
    doubled.inputs = {t};
    doubled.outputs = {u};
    plan.steps = {Upload{x, 0}, Upload{b, 1},        RunPrograms{0, 1}, Download{2, t},
                  doubled,      Upload{u, 3, false}, RunPrograms{1, 1}, Download{4, v}};
    return plan;
  }

  Graph graph;
  ValueId x, b, t, u, v;
};

class Hybrid : public ::testing::Test {
 protected:
  std::shared_ptr<Shared> MakeShared(std::int64_t check_every = 0, double tolerance = 0) {
    return std::shared_ptr<Shared>(new Shared{.device = device_,
                                              .host = *host_,
                                              .workers = &parallel_,
                                              .cache = ProgramCache(device_, {}),
                                              .check_every = check_every,
                                              .tolerance = tolerance,
                                              .emit = EmitFake});
  }
  void Make(std::shared_ptr<Shared> shared) {
    shared_ = shared;
    auto made = HybridExecutable::Create(shared, example_.graph, example_.Plan(), {}, {});
    ASSERT_OK(made);
    executable_ = *std::move(made);
    ASSERT_OK(executable_->Bind("b", Bytes(&b_)));
    auto x = executable_->Input("x");
    ASSERT_OK(x);
    for (std::size_t i = 0; i < 12; ++i) {
      AsF32(*x)[i] = static_cast<float>(i);
      b_.f32()[i] = 0.5f;
    }
  }
  static std::span<std::byte> Bytes(Tensor* tensor) {
    return {tensor->data(), static_cast<std::size_t>(tensor->bytes())};
  }
  std::vector<float> Result(const char* name) {
    auto view = executable_->Output(name);
    EXPECT_OK(view);
    return std::vector<float>(view->f32().begin(), view->f32().end());
  }
  void ExpectResult(float b) {
    ASSERT_OK(executable_->Run());
    const auto v = Result("v");
    for (std::size_t i = 0; i < 12; ++i) {
      ASSERT_EQ(v[i], 2 * (static_cast<float>(i) + b) + b) << i;
    }
  }

  Example example_;
  FakeDevice device_;
  SerialParallel parallel_;
  std::unique_ptr<Backend> host_ = MakeCpuBackend(parallel_);
  Tensor b_{DType::kF32, {kRows, kColumns}};
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<HybridExecutable> executable_;
};

TEST_F(Hybrid, StepsRunInOrderOverSharedSlots) {
  for (const std::int64_t gap : {0, 64}) {
    device_.extra_stride = gap;
    Make(MakeShared());
    ExpectResult(0.5f);
    EXPECT_EQ(Result("t view")[5], 5.5f);
    EXPECT_EQ(device_.counters().surfaces, 3);
    EXPECT_EQ(device_.counters().surface_bytes, 3 * kSmallestSurface);
    executable_.reset();
    EXPECT_EQ(device_.counters().surfaces, 0);
    EXPECT_EQ(device_.counters().programs, 0);
  }
}

// The plan's graph computes t a second time, as one short of memory does, and the host
// goes on from that: an id that the caller's graph does not have.
TEST_F(Hybrid, ValuesPastTheCallersGraphAreThePlans) {
  ane::Plan plan = example_.Plan();
  GraphBuilder builder(&plan.graph);
  const ValueId again = builder.Add(example_.x, example_.b);
  ASSERT_OK(builder.status());
  ASSERT_GE(static_cast<std::size_t>(again), example_.graph.values().size());
  RunHost doubled;
  const ValueId leaf = doubled.graph.AddInput(HostName(again), {DType::kF32, {kRows, kColumns}});
  GraphBuilder host(&doubled.graph);
  doubled.graph.AddOutput(HostName(example_.u), host.Scale(leaf, 2.0f));
  doubled.inputs = {again};
  doubled.outputs = {example_.u};
  plan.steps[3] = Download{2, again};
  plan.steps[4] = doubled;
  auto predicted = HybridExecutable::PredictMemory(*MakeShared(), example_.graph, plan, {}, {});
  ASSERT_OK(predicted);
  auto made = HybridExecutable::Create(MakeShared(), example_.graph, std::move(plan), {}, {});
  ASSERT_OK(made);
  executable_ = *std::move(made);
  ASSERT_OK(executable_->Bind("b", Bytes(&b_)));
  AsF32(*executable_->Input("x"))[7] = 7.0f;
  ASSERT_OK(executable_->Run());
  EXPECT_EQ(Result("v")[7], 14.0f);
  ASSERT_OK_AND_ASSIGN(const auto found, executable_->FindNonFinite());
  EXPECT_FALSE(found.has_value()) << *found;
}

TEST_F(Hybrid, ANewParameterNeedsNoNewProgram) {
  Make(MakeShared());
  ExpectResult(0.5f);
  const DeviceCounters before = device_.counters();
  for (float& value : b_.f32()) value = 2.0f;  // In place, as an optimizer does.
  ExpectResult(2.0f);
  Tensor other(DType::kF32, {kRows, kColumns});
  ASSERT_OK(executable_->Bind("b", Bytes(&other)));
  ExpectResult(0.0f);
  EXPECT_EQ(device_.counters().loads, before.loads);
  EXPECT_EQ(device_.counters().evaluations, before.evaluations + 4);
  EXPECT_EQ(shared_->runs, 3);
}

TEST_F(Hybrid, TwoOfOnePlanShareItsProgramsAndNotItsData) {
  auto shared = MakeShared();
  Make(shared);
  auto other = HybridExecutable::Create(shared, example_.graph, example_.Plan(), {}, {});
  ASSERT_OK(other);
  EXPECT_EQ(device_.counters().loads, 2);
  EXPECT_EQ(shared->cache.hits(), 2);
  ExpectResult(0.5f);
  Tensor zero(DType::kF32, {kRows, kColumns});
  ASSERT_OK((*other)->Bind("b", Bytes(&zero)));
  ASSERT_OK((*other)->Run());  // Of zeros.
  EXPECT_EQ((*(*other)->Output("v")).f32()[11], 0.0f);
  EXPECT_EQ(Result("v")[11], 2 * 11.5f + 0.5f);
  ExpectResult(0.5f);
}

TEST_F(Hybrid, WhatIsPredictedIsWhatItTakes) {
  auto shared = MakeShared(/*check_every=*/2, 0.1);
  auto predicted =
      HybridExecutable::PredictMemory(*shared, example_.graph, example_.Plan(), {}, {});
  ASSERT_OK(predicted);
  Make(shared);
  EXPECT_GT(predicted->arena_bytes, device_.counters().surface_bytes);
  EXPECT_EQ(predicted->arena_bytes, executable_->memory().arena_bytes);
  EXPECT_EQ(predicted->scratch_bytes, executable_->memory().scratch_bytes);
  EXPECT_EQ(predicted->slot_bytes, executable_->memory().slot_bytes);
  EXPECT_EQ(predicted->private_bytes(), executable_->memory().private_bytes());
}

// Of 8 rows by 32: a byte each and a scale a row, or half a byte and sixteen colours a row.
TEST_F(Hybrid, WeightsCountAsTheirStorageHasThem) {
  const auto packed = [this](WeightStorage storage) {
    ane::Plan plan = example_.Plan();
    Weight weight;
    weight.dims = {8, 32, 1, 1};
    weight.storage = storage;
    weight.pieces.resize(1);
    weight.pieces[0].rows = 8;
    weight.pieces[0].columns = 32;
    plan.programs[0].region.weights = {weight};
    auto report = HybridExecutable::PredictMemory(*MakeShared(), example_.graph, plan, {}, {});
    EXPECT_OK(report);
    return report->packed_bytes;
  };
  EXPECT_EQ(packed(WeightStorage::kElement), 8 * 32 * 2);
  EXPECT_EQ(packed(WeightStorage::kInt8), 8 * 32 + 8 * 2);
  EXPECT_EQ(packed(WeightStorage::kPalette4), 8 * 32 / 2 + 8 * 16 * 2);
}

TEST_F(Hybrid, ALeafThatNobodyBoundIsNamed) {
  auto made = HybridExecutable::Create(MakeShared(), example_.graph, example_.Plan(), {}, {});
  ASSERT_OK(made);
  const Status status = (*made)->Run();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "nothing is bound to b");
}

TEST_F(Hybrid, AnErrorNamesProgramAndLayerAndTheNextRunGoesOn) {
  Make(MakeShared());
  ExpectResult(0.5f);
  device_.evaluate_errors = {Internal("code 8, status 0x1d")};
  const Status status = executable_->Run();
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  for (const char* part : {"fake", "forward 1", "layers.0.first", "0x1d"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }
  ExpectResult(0.5f);
}

TEST_F(Hybrid, AnErrorOfACompilationNamesTheProgram) {
  device_.load_errors = {InvalidArgument("rule 3")};
  const auto made = HybridExecutable::Create(MakeShared(), example_.graph, example_.Plan(), {}, {});
  EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(made.status().message(), "forward 1 (layers.0.first): rule 3");
  EXPECT_EQ(device_.counters().surfaces, 0) << "nothing is left behind";
}

TEST_F(Hybrid, WhatIsNotFiniteIsNamedWithLayerAndProgram) {
  Make(MakeShared());
  ASSERT_OK_AND_ASSIGN(auto found, executable_->FindNonFinite());
  EXPECT_FALSE(found.has_value()) << *found;
  ExpectResult(0.5f);

  AsF32(*executable_->Input("x"))[7] = 50000.0f;  // Times 2 is beyond half precision.
  ASSERT_OK(executable_->Run());
  EXPECT_FALSE(std::isfinite(Result("v")[7]));
  ASSERT_OK_AND_ASSIGN(found, executable_->FindNonFinite());
  EXPECT_EQ(found, StrCat("%", example_.u, ", written for the device"));

  for (float& value : b_.f32()) value = 20000.0f;
  ASSERT_OK_AND_ASSIGN(found, executable_->FindNonFinite());
  EXPECT_EQ(found, "layers.0.first in program forward 1");

  for (float& value : b_.f32()) value = 100000.0f;
  ASSERT_OK_AND_ASSIGN(found, executable_->FindNonFinite());
  EXPECT_EQ(found, "b, written for the device");
}

// What has no name is told by what came before it.
TEST_F(Hybrid, ANodeWithoutANameIsToldByTheOneBeforeIt) {
  ane::Plan plan = example_.Plan();
  Region& region = plan.programs[0].region;
  IrNode second = region.nodes[0];
  region.tensors.push_back({"sums", region.tensors[0].dims, Origin::kComputed, kNone, kNone, 0});
  second.inputs = {2, 1};
  second.output = 3;
  second.label = "%14 (rope)";
  region.nodes.push_back(second);
  region.outputs[0].tensor = 3;
  auto made = HybridExecutable::Create(MakeShared(), example_.graph, std::move(plan), {}, {});
  ASSERT_OK(made);
  for (float& value : b_.f32()) value = 40000.0f;
  ASSERT_OK((*made)->Bind("b", Bytes(&b_)));
  ASSERT_OK_AND_ASSIGN(const auto found, (*made)->FindNonFinite());
  EXPECT_EQ(found, "%14 (rope) after layers.0.first in program forward 1");
}

TEST_F(Hybrid, ARunIsCheckedAgainstTheHostNowAndThen) {
  Make(MakeShared(/*check_every=*/2, /*tolerance=*/1e-3));
  for (int i = 0; i < 4; ++i) ExpectResult(0.5f);
  EXPECT_EQ(shared_->checks, 2);
  EXPECT_EQ(shared_->worst_difference, 0.0);
  for (float& value : b_.f32()) value = 0.3f;  // Rounded to half precision.
  ASSERT_OK(executable_->Run());
  ASSERT_OK(executable_->Run());
  EXPECT_EQ(shared_->checks, 3);
  EXPECT_GT(shared_->worst_difference, 1e-6);
  EXPECT_LT(shared_->worst_difference, 1e-3);
  AsF32(*executable_->Input("x"))[0] = 1e6f;  // Infinity in half precision.
  ASSERT_OK(executable_->Run());
  const Status status = executable_->Run();
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_NE(status.message().find("off the host's result"), std::string::npos);
}

// Two that run in turn are both checked, each every second run of its own.
TEST_F(Hybrid, EachIsCheckedByItsOwnRuns) {
  auto shared = MakeShared(/*check_every=*/2, /*tolerance=*/1e-3);
  Make(shared);
  auto other = HybridExecutable::Create(shared, example_.graph, example_.Plan(), {}, {});
  ASSERT_OK(other);
  Tensor far(DType::kF32, {kRows, kColumns});
  ASSERT_OK((*other)->Bind("b", Bytes(&far)));
  AsF32(*(*other)->Input("x"))[0] = 1e6f;  // Infinity in half precision.
  ASSERT_OK((*other)->Run());
  ASSERT_OK(executable_->Run());
  EXPECT_EQ((*other)->Run().code(), StatusCode::kInternal);
  ASSERT_OK(executable_->Run());
  EXPECT_EQ(shared->checks, 2);
}

TEST_F(Hybrid, TwoOnTwoThreadsTakeTurns) {
  auto shared = MakeShared();
  Make(shared);
  std::atomic<bool> inside = false;
  std::atomic<int> overlaps = 0;
  device_.on_evaluate = [&] {
    if (inside.exchange(true)) ++overlaps;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    inside = false;
  };
  std::thread second([&] {
    Tensor b(DType::kF32, {kRows, kColumns});
    for (int i = 0; i < 10; ++i) {  // Made and released beside the other's runs.
      auto made = HybridExecutable::Create(shared, example_.graph, example_.Plan(), {}, {});
      ASSERT_OK(made);
      ASSERT_OK((*made)->Bind("b", Bytes(&b)));
      for (int run = 0; run < 5; ++run) ASSERT_OK((*made)->Run());
    }
  });
  for (int i = 0; i < 50; ++i) ExpectResult(0.5f);
  second.join();
  EXPECT_EQ(overlaps, 0);
  EXPECT_EQ(shared->runs, 100);
  EXPECT_EQ(device_.counters().programs, 2);
}

TEST(ProgramNames, TellTheLayersOfAProgram) {
  Region region = Adding("backward 2", "a", 0, 1, 2);
  EXPECT_EQ(ProgramText(region), "backward 2 (a)");
  region.nodes.push_back(region.nodes[0]);
  region.nodes.back().label = "b";
  EXPECT_EQ(ProgramText(region), "backward 2 (a to b)");
  for (IrNode& node : region.nodes) node.label.clear();
  EXPECT_EQ(ProgramText(region), "backward 2");
}

TEST(HostNames, AreReplacedByThoseOfTheGraph) {
  Graph graph;
  graph.AddInput("ids", {DType::kI32, {2}});
  graph.AddInput("", {DType::kF32, {2}});
  EXPECT_EQ(WithValueNames(graph, "v0[1] is 9; linear v0.v0 %v1 v1 v7 v"),
            "ids[1] is 9; linear v0.v0 %v1 v1 v7 v");
}

}  // namespace
}  // namespace attune::ane
