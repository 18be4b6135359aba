// A run allocates nothing once the first one has gone through. What the device and the
// matrix library take for themselves is not counted.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "ane/compiler/emit.h"
#include "ane/runtime/hybrid_executable.h"
#include "cpu/cpu_backend.h"
#include "graph/builder.h"
#include "support/status_matchers.h"
#include "unit/ane/runtime/fake_device.h"

namespace {
long allocations = 0;
bool counting = false;

void* Counted(std::size_t size, std::size_t alignment) {
  if (counting) ++allocations;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size) != 0) std::abort();
  return memory;
}
}  // namespace

// Replacements of the global forms; the others call these.
void* operator new(std::size_t size) { return Counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return Counted(size, static_cast<std::size_t>(alignment));
}
// These do not where an address sanitizer has its own.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return Counted(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace attune::ane {
namespace {

// The fake device with its evaluations left out of the count.
class UncountedDevice final : public Device {
 public:
  std::string_view name() const override { return inner_.name(); }
  const Target& target() const override { return inner_.target(); }
  ElementType element() const override { return inner_.element(); }
  DeviceCounters counters() const override { return inner_.counters(); }
  Result<std::unique_ptr<Surface>> Allocate(std::int64_t bytes) override {
    return inner_.Allocate(bytes);
  }
  Result<std::unique_ptr<DeviceProgram>> Load(const ProgramImage& image) override {
    ATTUNE_ASSIGN_OR_RETURN(auto program, inner_.Load(image));
    return std::unique_ptr<DeviceProgram>(std::make_unique<Program>(std::move(program)));
  }

 private:
  class Program final : public DeviceProgram {
   public:
    explicit Program(std::unique_ptr<DeviceProgram> inner) : inner_(std::move(inner)) {}
    const std::vector<SymbolLayout>& inputs() const override { return inner_->inputs(); }
    const std::vector<SymbolLayout>& outputs() const override { return inner_->outputs(); }
    Status Bind(std::span<Surface* const> inputs, std::span<Surface* const> outputs) override {
      return inner_->Bind(inputs, outputs);
    }
    Status Evaluate() override {
      const bool before = counting;
      counting = false;
      Status status = inner_->Evaluate();
      counting = before;
      return status;
    }

   private:
    std::unique_ptr<DeviceProgram> inner_;
  };
  testing::FakeDevice inner_;
};

constexpr std::int64_t kRows = 3, kColumns = 4;

// y = 2 (x + x) + mask: a program, a host step, every kind of surface the host fills.
struct Example {
  Graph graph;
  Plan plan;

  Example() {
    GraphBuilder builder(&graph);
    const ValueType matrix{DType::kF32, {kRows, kColumns}};
    const ValueId x = graph.AddInput("x", matrix);
    const ValueId positions = graph.AddInput("positions", {DType::kI32, {kRows}});
    const ValueId table = graph.AddInput("table", {DType::kF32, {kRows, kColumns}});
    const ValueId seed = graph.AddInput("seed", {DType::kI32, {2}});
    const ValueId sum = builder.Add(x, x);
    const ValueId y = builder.Scale(sum, 2.0f);
    graph.AddOutput("y", y);
    EXPECT_OK(builder.status());
    plan.graph = graph;
    for (const char* name : {"x", "sum", "mask", "cosine", "sine", "dropout"}) {
      plan.surfaces.push_back({name, kColumns, 32});
      plan.slots.push_back(static_cast<std::int32_t>(plan.slots.size()));
      plan.slot_elements.push_back(kColumns * 32);
    }
    plan.programs.push_back({});
    RunHost doubled;
    const ValueId leaf = doubled.graph.AddInput(HostName(sum), matrix);
    GraphBuilder host(&doubled.graph);
    doubled.graph.AddOutput(HostName(y), host.Scale(leaf, 2.0f));
    doubled.inputs = {sum};
    doubled.outputs = {y};
    MakeRotation rotation{3, 4, positions, table, kColumns, RopeLayout::kRotateHalf};
    MakeDropoutMask dropout{5, seed, {0.25f, 1}, kRows, kColumns};
    MakeMask mask{2, AttentionMask::kCausal, 1, kRows, kNoValue, kNoValue};
    plan.steps = {Upload{x, 0},     mask,   rotation, dropout, RunPrograms{0, 1},
                  Download{1, sum}, doubled};
    plan.programs[0].region.outputs = {{0, 1}};
    plan.programs[0].region.tensors = {{"x", {1, kColumns, 1, 32}, Origin::kSurface, 0, kNone, 0}};
  }
};

TEST(HybridAllocations, AreNoneAfterTheFirstRun) {
  Example example;
  UncountedDevice device;
  SerialParallel parallel;
  const auto host = MakeCpuBackend(parallel);
  const auto emit = [](const Region&, std::span<const SurfaceSpec>,
                       ElementType) -> Result<ProgramImage> {
    return ProgramImage{"in s0 4 32\nout s1 4 32\ndouble s0 s1\n", {}};
  };
  auto shared = std::shared_ptr<Shared>(new Shared{.device = device,
                                                   .host = *host,
                                                   .workers = &parallel,
                                                   .cache = ProgramCache(device, {}),
                                                   .emit = emit});
  auto made = HybridExecutable::Create(shared, example.graph, example.plan, {}, {});
  ASSERT_OK(made);
  AsF32(*(*made)->Input("x"))[5] = 3.0f;
  ASSERT_OK((*made)->Run());
  counting = true;
  for (int i = 0; i < 10; ++i) {
    if (!(*made)->Run().ok() || !(*made)->Output("y").ok()) break;
  }
  counting = false;
  EXPECT_EQ(allocations, 0);
  EXPECT_EQ((*(*made)->Output("y")).f32()[5], 12.0f);
  EXPECT_EQ(shared->runs, 11);
}

}  // namespace
}  // namespace attune::ane
