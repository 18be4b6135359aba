#include "ane/runtime/ane_backend.h"

#include <utility>

#include "ane/compiler/emit.h"
#include "ane/runtime/canary.h"
#include "ane/runtime/fallback_executable.h"
#include "ane/runtime/hybrid_executable.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

class Impl final : public AneBackend {
 public:
  Impl(Device& device, Backend& host, const AneBackendOptions& options) : host_(host) {
    shared_.reset(new Shared{
        .device = device,
        .host = host,
        .workers = options.parallel,
        .cache = ProgramCache(device, {options.max_programs, options.cache_bytes, options.clock}),
        .check_every = options.check_every,
        .tolerance = options.tolerance,
        .emit = Emit,
    });
    compiler_.target = device.target();
    compiler_.element = device.element();
    compiler_.max_programs = options.max_programs;
    compiler_.max_surface_bytes = options.max_surface_bytes;
    compiler_.head = options.head;
    compiler_.weights = options.weights;
  }

  std::string_view name() const override { return shared_->device.name(); }
  bool half_precision() const override { return shared_->device.element() == ElementType::kF16; }

  Result<std::unique_ptr<Executable>> Compile(const Graph& graph, const FrozenParameters& frozen,
                                              const CompileOptions& options) override {
    ATTUNE_RETURN_IF_ERROR(Verify(graph));
    ATTUNE_RETURN_IF_ERROR(CheckFrozen(graph, frozen));
    auto on_device = OnDevice(graph, frozen, options);
    if (on_device.ok()) {
      return std::unique_ptr<Executable>(std::make_unique<FallbackExecutable>(
          shared_, *std::move(on_device), graph, frozen, options));
    }
    // The host takes over. What is the caller's mistake it refuses as well.
    const std::lock_guard<std::mutex> turn(shared_->mutex);
    auto on_host = host_.Compile(graph, frozen, options);
    if (on_host.ok()) shared_->CountFallback(std::string(on_device.status().message()));
    return on_host;
  }

  Result<MemoryReport> PredictMemory(const Graph& graph, const FrozenParameters& frozen,
                                     const CompileOptions& options) override {
    ATTUNE_RETURN_IF_ERROR(Verify(graph));
    ATTUNE_RETURN_IF_ERROR(CheckFrozen(graph, frozen));
    Result<Plan> plan = ane::Compile(graph, frozen, compiler_);
    const std::lock_guard<std::mutex> turn(shared_->mutex);
    if (!plan.ok() || plan->programs.empty()) return host_.PredictMemory(graph, frozen, options);
    return HybridExecutable::PredictMemory(*shared_, graph, *plan, frozen, options);
  }

  AneActivity activity() const override {
    const std::lock_guard<std::mutex> turn(shared_->mutex);
    AneActivity activity;
    activity.device = shared_->device.counters();
    activity.cache_hits = shared_->cache.hits();
    activity.evictions = shared_->cache.evictions();
    activity.most_programs = shared_->cache.most_loaded();
    activity.runs = shared_->runs;
    activity.checks = shared_->checks;
    activity.worst_difference = shared_->worst_difference;
    activity.fallbacks = shared_->fallbacks;
    activity.fallback_reason = shared_->fallback_reason;
    return activity;
  }

 private:
  Result<std::unique_ptr<HybridExecutable>> OnDevice(const Graph& graph,
                                                     const FrozenParameters& frozen,
                                                     const CompileOptions& options) {
    ATTUNE_ASSIGN_OR_RETURN(Plan plan, ane::Compile(graph, frozen, compiler_));
    if (plan.programs.empty()) return Unsupported("nothing of the graph can run on the device");
    return HybridExecutable::Create(shared_, graph, std::move(plan), frozen, options);
  }

  Backend& host_;
  CompilerOptions compiler_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace

Result<std::unique_ptr<AneBackend>> MakeAneBackend(Device& device, Backend& host,
                                                   const AneBackendOptions& options) {
  auto backend = std::make_unique<Impl>(device, host, options);
  const Status canary = RunCanary(*backend, host);
  if (!canary.ok()) {
    return Unavailable(StrCat(device.name(), ": the canary failed, ", canary.message()));
  }
  return std::unique_ptr<AneBackend>(std::move(backend));
}

}  // namespace attune::ane
