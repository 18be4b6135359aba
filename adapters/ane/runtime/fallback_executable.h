// What a device runs as long as it does, and the host after it failed for good: the same
// graph over the same inputs and leaves. Whoever runs it sees no error of the device's,
// only the counters of what is shared.
//
// Threads: as a HybridExecutable.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ane/runtime/hybrid_executable.h"
#include "compute/backend.h"

namespace attune::ane {

class FallbackExecutable final : public Executable {
 public:
  // `graph`, `frozen` and `options` are what `on_device` was made of.
  FallbackExecutable(std::shared_ptr<Shared> shared, std::unique_ptr<HybridExecutable> on_device,
                     const Graph& graph, const FrozenParameters& frozen,
                     const CompileOptions& options);

  Result<std::span<std::byte>> Input(std::string_view name) override;
  Status Bind(std::string_view name, std::span<std::byte> storage) override;
  Result<TensorView> Output(std::string_view name) override;
  // Once the device failed, and from then on, all of the graph runs on the host.
  Status Run() override;
  Result<std::optional<std::string>> FindNonFinite() override;
  const MemoryReport& memory() const override;

 private:
  // The device failed, and that is what it said.
  void GiveUp(const Status& status);
  // Makes on_host_ if it is not there.
  Status TakeOver();

  std::shared_ptr<Shared> shared_;
  std::unique_ptr<HybridExecutable> on_device_;  // Keeps the inputs for both.
  std::unique_ptr<Executable> on_host_;          // Null as long as the device runs.
  // For the host, should it have to.
  Graph graph_;
  FrozenParameters frozen_;
  CompileOptions options_;
  std::map<std::string, std::span<std::byte>, std::less<>> bound_;
  MemoryReport host_memory_;
  bool given_up_ = false;  // Of the device.
};

}  // namespace attune::ane
