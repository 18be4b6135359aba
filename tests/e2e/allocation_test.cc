// A training step allocates nothing once the first one has been taken. What the
// matrix library allocates for itself inside a run is not counted.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "cpu/cpu_backend.h"
#include "posix/thread_pool.h"
#include "support/status_matchers.h"
#include "unit/train/tiny_model.h"

namespace {
std::atomic<long> allocations{0};
std::atomic<bool> counting{true};

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
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace attune {
namespace {

// The CPU backend with its runs left out of the count.
class UncountedRuns final : public Executable {
 public:
  explicit UncountedRuns(std::unique_ptr<Executable> inner) : inner_(std::move(inner)) {}
  Result<std::span<std::byte>> Input(std::string_view name) override { return inner_->Input(name); }
  Status Bind(std::string_view name, std::span<std::byte> storage) override {
    return inner_->Bind(name, storage);
  }
  Result<TensorView> Output(std::string_view name) override { return inner_->Output(name); }
  Status Run() override {
    counting = false;
    Status status = inner_->Run();
    counting = true;
    return status;
  }
  Result<std::optional<std::string>> FindNonFinite() override { return inner_->FindNonFinite(); }
  const MemoryReport& memory() const override { return inner_->memory(); }

 private:
  std::unique_ptr<Executable> inner_;
};

class UncountedBackend final : public Backend {
 public:
  explicit UncountedBackend(Parallel& parallel) : inner_(MakeCpuBackend(parallel)) {}
  std::string_view name() const override { return inner_->name(); }
  Result<std::unique_ptr<Executable>> Compile(const Graph& graph, const FrozenParameters& frozen,
                                              const CompileOptions& options) override {
    ATTUNE_ASSIGN_OR_RETURN(auto executable, inner_->Compile(graph, frozen, options));
    return std::unique_ptr<Executable>(std::make_unique<UncountedRuns>(std::move(executable)));
  }
  Result<MemoryReport> PredictMemory(const Graph& graph, const FrozenParameters& frozen,
                                     const CompileOptions& options) override {
    return inner_->PredictMemory(graph, frozen, options);
  }

 private:
  std::unique_ptr<Backend> inner_;
};

TEST(TrainingStep, AllocatesNothingAfterTheFirstNotEvenInANewEpoch) {
  for (bool packed : {true, false}) {
    SCOPED_TRACE(packed);
    ThreadPool pool(2);
    testing::StillClock clock;
    const testing::TinyModel model;
    UncountedBackend backend(pool);
    TrainConfig config = testing::TinyConfig(100);
    config.sampler.packed = packed;
    config.micro_batches = 2;
    ASSERT_OK_AND_ASSIGN(auto trainer, Trainer::Create(model.Parts(&backend, &pool, &clock), config,
                                                       testing::PatternExamples(20)));
    InitializeLora(&trainer->state(), 1);
    for (int i = 0; i < 5; ++i) ASSERT_OK(trainer->Step());
    const std::int64_t epoch = trainer->sampler().cursor().epoch;
    const long before = allocations;
    for (int i = 0; i < 30; ++i) {
      const auto report = trainer->Step();
      if (!report.ok() || report->skipped) FAIL() << "step " << i;
    }
    EXPECT_EQ(allocations - before, 0);
    EXPECT_GT(trainer->sampler().cursor().epoch, epoch);
  }
}

}  // namespace
}  // namespace attune
