// The backend over the simulator: what it owes besides what its executables compute.

#include "ane/runtime/ane_backend.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "ane/simulator/simulated_device.h"
#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "graph/builder.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

// Large enough for several workers to write a surface.
constexpr std::int64_t kRows = 1056, kWidth = 64;

std::span<std::byte> Bytes(Tensor* tensor) {
  return {tensor->data(), static_cast<std::size_t>(tensor->bytes())};
}

// The simulator, refusing when told.
class RefusingDevice final : public Device {
 public:
  // Given by every call while it is there, and by all evaluations after so many.
  std::optional<Status> load_error, evaluate_error;
  std::int64_t good_evaluations = 0;

  RefusingDevice() : inner_(MakeSimulatedDevice({.target = {}, .exact = true}, &serial_)) {}
  std::string_view name() const override { return inner_->name(); }
  const Target& target() const override { return inner_->target(); }
  ElementType element() const override { return inner_->element(); }
  DeviceCounters counters() const override { return inner_->counters(); }
  Result<std::unique_ptr<Surface>> Allocate(std::int64_t bytes) override {
    return inner_->Allocate(bytes);
  }
  Result<std::unique_ptr<DeviceProgram>> Load(const ProgramImage& image) override {
    if (load_error) return *load_error;
    ATTUNE_ASSIGN_OR_RETURN(auto program, inner_->Load(image));
    return std::unique_ptr<DeviceProgram>(std::make_unique<Program>(this, std::move(program)));
  }

 private:
  class Program final : public DeviceProgram {
   public:
    Program(RefusingDevice* device, std::unique_ptr<DeviceProgram> inner)
        : device_(device), inner_(std::move(inner)) {}
    const std::vector<SymbolLayout>& inputs() const override { return inner_->inputs(); }
    const std::vector<SymbolLayout>& outputs() const override { return inner_->outputs(); }
    Status Bind(std::span<Surface* const> inputs, std::span<Surface* const> outputs) override {
      return inner_->Bind(inputs, outputs);
    }
    Status Evaluate() override {
      if (device_->evaluate_error && --device_->good_evaluations < 0) {
        return *device_->evaluate_error;
      }
      return inner_->Evaluate();
    }

   private:
    RefusingDevice* device_;
    std::unique_ptr<DeviceProgram> inner_;
  };

  SerialParallel serial_;
  std::unique_ptr<Device> inner_;
};

class AneBackendTest : public ::testing::Test {
 protected:
  AneBackendTest() {
    GraphBuilder builder(&graph_);
    const ValueId x = graph_.AddInput("x", {DType::kF32, {kRows, kWidth}});
    const ValueId w = graph_.AddParameter("w", {DType::kF32, {kWidth, kWidth}}, false);
    const ValueId v = graph_.AddParameter("v", {DType::kF32, {kWidth, kWidth}}, true);
    const ValueId y = builder.Linear(x, w);
    graph_.AddOutput("y", builder.Linear(builder.Add(y, y), v));
    EXPECT_OK(builder.status());
    Fill(&w_, 3);
    Fill(&v_, 5);
    Open({});
  }
  void Open(const AneBackendOptions& options) {
    auto made = MakeAneBackend(device_, *host_, options);
    ASSERT_OK(made);
    backend_ = *std::move(made);
  }

  // Eighths of small numbers: what they make is exact in f32, whoever adds it up.
  static void Fill(Tensor* tensor, std::size_t step) {
    for (std::size_t i = 0; i < tensor->f32().size(); ++i) {
      tensor->f32()[i] = (static_cast<float>(i * step % 17) - 8) / 8;
    }
  }
  FrozenParameters Frozen() const { return {{"w", w_.view()}}; }

  Result<std::unique_ptr<Executable>> Make(Backend& backend) {
    ATTUNE_ASSIGN_OR_RETURN(auto made, backend.Compile(graph_, Frozen(), {}));
    ATTUNE_RETURN_IF_ERROR(made->Bind("v", Bytes(&v_)));
    ATTUNE_ASSIGN_OR_RETURN(const auto x, made->Input("x"));
    for (std::size_t i = 0; i < AsF32(x).size(); ++i) AsF32(x)[i] = static_cast<float>(i % 5) / 4;
    return made;
  }
  static Result<std::vector<float>> Run(Executable& executable) {
    ATTUNE_RETURN_IF_ERROR(executable.Run());
    ATTUNE_ASSIGN_OR_RETURN(const TensorView y, executable.Output("y"));
    return std::vector<float>(y.f32().begin(), y.f32().end());
  }
  std::vector<float> OnTheHost() {
    auto made = Make(*host_);
    EXPECT_OK(made);
    auto y = Run(**made);
    EXPECT_OK(y);
    return *y;
  }

  SerialParallel serial_;
  std::unique_ptr<Backend> host_ = MakeCpuBackend(serial_);
  RefusingDevice device_;
  Graph graph_;
  Tensor w_{DType::kF32, {kWidth, kWidth}}, v_{DType::kF32, {kWidth, kWidth}};
  std::unique_ptr<AneBackend> backend_;
};

TEST_F(AneBackendTest, AnExecutableOutlivesIt) {
  auto made = Make(*backend_);
  ASSERT_OK(made);
  backend_.reset();
  const DeviceCounters before = device_.counters();
  ASSERT_OK_AND_ASSIGN(const auto y, Run(**made));
  EXPECT_EQ(y, OnTheHost());
  EXPECT_GT(device_.counters().evaluations, before.evaluations);
}

// Whatever the device says when it will not have a program.
TEST_F(AneBackendTest, WhatTheDeviceDoesNotLoadTheHostRuns) {
  const std::vector<float> want = OnTheHost();
  const DeviceCounters before = device_.counters();
  std::int64_t fallbacks = 0;
  for (const Status& refusal : {InvalidArgument("rule 3"), ResourceExhausted("0x50004"),
                                Unavailable("busy"), Internal("0x2")}) {
    device_.load_error = refusal;
    auto made = Make(*backend_);
    ASSERT_OK(made);
    ASSERT_OK_AND_ASSIGN(const auto y, Run(**made));
    EXPECT_EQ(y, want);
    const AneActivity activity = backend_->activity();
    EXPECT_EQ(activity.fallbacks, ++fallbacks);
    EXPECT_NE(activity.fallback_reason.find(refusal.message()), std::string::npos)
        << activity.fallback_reason;
    EXPECT_EQ(activity.device.surfaces, before.surfaces);
  }
  EXPECT_EQ(device_.counters().evaluations, before.evaluations);
}

// Inputs, leaves in place and leaves bound anew all reach the host.
TEST_F(AneBackendTest, AfterAFailureForGoodTheHostRunsTheStepAndAllAfterIt) {
  auto made = Make(*backend_);
  ASSERT_OK(made);
  ASSERT_OK(Run(**made));
  EXPECT_EQ(backend_->activity().fallbacks, 0);
  device_.evaluate_error = Internal("0x1d");
  v_.f32()[5] += 1;
  ASSERT_OK_AND_ASSIGN(std::vector<float> y, Run(**made));
  EXPECT_EQ(y, OnTheHost());
  AneActivity activity = backend_->activity();
  EXPECT_EQ(activity.fallbacks, 1);
  EXPECT_NE(activity.fallback_reason.find("0x1d"), std::string::npos) << activity.fallback_reason;
  EXPECT_EQ(activity.device.programs, 0);
  EXPECT_EQ(activity.device.surfaces, 0);

  device_.evaluate_error.reset();  // It is well again, and no longer asked.
  v_.f32()[6] += 1;
  ASSERT_OK_AND_ASSIGN(y, Run(**made));
  EXPECT_EQ(y, OnTheHost());
  Fill(&v_, 7);
  Tensor other = ToF32(v_.view());
  ASSERT_OK((*made)->Bind("v", Bytes(&other)));
  ASSERT_OK_AND_ASSIGN(y, Run(**made));
  EXPECT_EQ(y, OnTheHost());
  ASSERT_OK_AND_ASSIGN(const auto found, (*made)->FindNonFinite());
  EXPECT_FALSE(found.has_value()) << *found;
  activity = backend_->activity();
  EXPECT_EQ(activity.fallbacks, 1);
  EXPECT_GT((*made)->memory().private_bytes(), 0);
}

// More weights than one program takes: the second of two programs fails.
class AneBackendChain : public AneBackendTest {
 protected:
  static constexpr int kLinears = 20;
  AneBackendChain() {
    GraphBuilder builder(&chain_);
    ValueId x = chain_.AddInput("x", {DType::kF32, {kRows, kWidth}});
    for (int i = 0; i < kLinears; ++i) {
      const std::string name = StrCat("w", i);
      const ValueId w = chain_.AddParameter(name, {DType::kF32, {kWidth, kWidth}}, false);
      weights_.emplace_back(DType::kF32, Shape{kWidth, kWidth});
      Fill(&weights_.back(), static_cast<std::size_t>(3 + 2 * i));
      x = builder.Add(builder.Scale(builder.Linear(x, w), 0.01f), x);
    }
    chain_.AddOutput("y", x);
    EXPECT_OK(builder.status());
    for (int i = 0; i < kLinears; ++i) {
      frozen_[StrCat("w", i)] = weights_[static_cast<std::size_t>(i)].view();
    }
  }
  std::vector<float> RunOn(Executable& executable) {
    auto x = executable.Input("x");
    EXPECT_OK(x);
    for (std::size_t i = 0; i < AsF32(*x).size(); ++i) {
      AsF32(*x)[i] = static_cast<float>(i % 5) / 4;
    }
    auto y = Run(executable);
    EXPECT_OK(y);
    return y.ok() ? *y : std::vector<float>();
  }
  std::vector<float> OnTheHost() {
    auto made = host_->Compile(chain_, frozen_, {});
    EXPECT_OK(made);
    return RunOn(**made);
  }

  Graph chain_;
  std::vector<Tensor> weights_;
  FrozenParameters frozen_;
};

TEST_F(AneBackendChain, TheSecondProgramsFailureIsTheWholeStepsOnTheHost) {
  ASSERT_OK_AND_ASSIGN(const auto made, backend_->Compile(chain_, frozen_, {}));
  ASSERT_GT(device_.counters().programs, 1);
  const std::int64_t before = device_.counters().evaluations;
  device_.evaluate_error = Internal("0x1d");
  device_.good_evaluations = 1;
  EXPECT_EQ(RunOn(*made), OnTheHost());
  EXPECT_EQ(device_.counters().evaluations, before + 1);
  EXPECT_EQ(backend_->activity().fallbacks, 1);
}

// A cache between the two programs: the device's half of the run has written its rows.
TEST_F(AneBackendTest, WhatAHalfRunAppendedIsWrittenAgain) {
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {kRows, kWidth}});
  const ValueId cache = graph.AddInput("cache", {DType::kF32, {2 * kRows, kWidth}});
  const ValueId position = graph.AddInput("position", {DType::kI32, {1}});
  const ValueId w = graph.AddParameter("w", {DType::kF32, {kWidth, kWidth}}, false);
  const auto twice = [&](ValueId of) {
    const ValueId y = builder.Linear(builder.Linear(of, w), w);
    return builder.Add(y, y);
  };
  graph.AddOutput("y", twice(builder.CacheAppend(cache, twice(x), position)));
  ASSERT_OK(builder.status());
  std::vector<std::vector<float>> results, caches;
  for (Backend* backend : {static_cast<Backend*>(backend_.get()), host_.get()}) {
    ASSERT_OK_AND_ASSIGN(const auto made, backend->Compile(graph, Frozen(), {}));
    Tensor rows(DType::kF32, {2 * kRows, kWidth});
    rows.f32()[3] = 0.5f;
    ASSERT_OK(made->Bind("cache", Bytes(&rows)));
    AsI32(*made->Input("position"))[0] = kRows;
    AsF32(*made->Input("x"))[9] = 1;
    const std::int64_t before = device_.counters().evaluations;
    device_.evaluate_error = Internal("0x1d");
    device_.good_evaluations = 1;
    ASSERT_OK_AND_ASSIGN(const auto y, Run(*made));
    results.push_back(y);
    EXPECT_EQ(device_.counters().evaluations, before + (backend == backend_.get() ? 1 : 0));
    caches.emplace_back(rows.f32().begin(), rows.f32().end());
  }
  EXPECT_EQ(backend_->activity().fallbacks, 1);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(caches[0], caches[1]);
  EXPECT_NE(caches[0], std::vector<float>(caches[0].size()));
}

TEST_F(AneBackendChain, MoreProgramsThanTheLimitAreTheHosts) {
  Open({.max_programs = 1});
  ASSERT_OK_AND_ASSIGN(const auto made, backend_->Compile(chain_, frozen_, {}));
  EXPECT_OK(backend_->PredictMemory(chain_, frozen_, {}));
  EXPECT_EQ(RunOn(*made), OnTheHost());
  const AneActivity activity = backend_->activity();
  EXPECT_EQ(activity.fallbacks, 1);
  EXPECT_NE(activity.fallback_reason.find("programs, limit 1"), std::string::npos)
      << activity.fallback_reason;
}

TEST_F(AneBackendTest, TheCallersMistakesAreErrors) {
  EXPECT_EQ(backend_->Compile(graph_, {}, {}).status().code(), StatusCode::kInvalidArgument);
  ASSERT_OK_AND_ASSIGN(const auto made, backend_->Compile(graph_, Frozen(), {}));
  EXPECT_EQ(made->Run().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(backend_->activity().fallbacks, 0);
}

TEST_F(AneBackendTest, TheCanarySeesThroughTheHostsHelp) {
  device_.load_error = Internal("0x2");
  auto made = MakeAneBackend(device_, *host_, {});
  EXPECT_EQ(made.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(made.status().message().find("0x2"), std::string::npos) << made.status().message();
  device_.load_error.reset();
  device_.evaluate_error = Internal("0x1d");
  made = MakeAneBackend(device_, *host_, {});
  EXPECT_EQ(made.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(made.status().message().find("0x1d"), std::string::npos) << made.status().message();
}

}  // namespace
}  // namespace attune::ane
