// The Neural Engine's backend over the simulator in f32: what it owes its users is not a
// matter of the hardware's arithmetic.

#include "ane/runtime/ane_backend.h"
#include "ane/simulator/simulated_device.h"
#include "contract/backend/backend_contract.h"
#include "cpu/cpu_backend.h"
#include "posix/thread_pool.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

// A backend that owns what it runs on.
class OwningBackend final : public Backend {
 public:
  OwningBackend() : host_(MakeCpuBackend(pool_)) {
    ane::MachineOptions machine;
    machine.exact = true;
    device_ = ane::MakeSimulatedDevice(machine, &pool_);
    auto backend = ane::MakeAneBackend(*device_, *host_);
    EXPECT_OK(backend);
    if (backend.ok()) backend_ = *std::move(backend);
  }

  std::string_view name() const override { return backend_->name(); }
  bool half_precision() const override { return backend_->half_precision(); }
  Result<std::unique_ptr<Executable>> Compile(const Graph& graph, const FrozenParameters& frozen,
                                              const CompileOptions& options) override {
    return backend_->Compile(graph, frozen, options);
  }
  Result<MemoryReport> PredictMemory(const Graph& graph, const FrozenParameters& frozen,
                                     const CompileOptions& options) override {
    return backend_->PredictMemory(graph, frozen, options);
  }

 private:
  SerialParallel pool_;
  std::unique_ptr<Backend> host_;
  std::unique_ptr<ane::Device> device_;
  std::unique_ptr<ane::AneBackend> backend_;
};

const BackendUnderTest kAne{"ane_sim_exact", [] { return std::make_unique<OwningBackend>(); },
                            /*sees_inside=*/false};

INSTANTIATE_TEST_SUITE_P(Ane, BackendContract, ::testing::Values(kAne), BackendName);
INSTANTIATE_TEST_SUITE_P(Ane, BackendOps,
                         ::testing::Combine(::testing::Values(kAne),
                                            ::testing::ValuesIn(AllOpCases())),
                         BackendOpName);

}  // namespace
}  // namespace attune::testing
