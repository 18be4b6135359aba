#include "ane/runtime/fallback_executable.h"

#include <utility>

namespace attune::ane {

FallbackExecutable::FallbackExecutable(std::shared_ptr<Shared> shared,
                                       std::unique_ptr<HybridExecutable> on_device,
                                       const Graph& graph, const FrozenParameters& frozen,
                                       const CompileOptions& options)
    : shared_(std::move(shared)),
      on_device_(std::move(on_device)),
      graph_(graph),
      frozen_(frozen),
      options_(options) {}

Result<std::span<std::byte>> FallbackExecutable::Input(std::string_view name) {
  return on_device_->Input(name);
}

Status FallbackExecutable::Bind(std::string_view name, std::span<std::byte> storage) {
  if (on_host_ != nullptr) return on_host_->Bind(name, storage);
  if (!given_up_) ATTUNE_RETURN_IF_ERROR(on_device_->Bind(name, storage));
  bound_.insert_or_assign(std::string(name), storage);
  return OkStatus();
}

Result<TensorView> FallbackExecutable::Output(std::string_view name) {
  if (on_host_ != nullptr) return on_host_->Output(name);
  if (given_up_) return FailedPrecondition("neither the device nor the host has run it");
  return on_device_->Output(name);
}

const MemoryReport& FallbackExecutable::memory() const {
  return on_host_ != nullptr ? host_memory_ : on_device_->memory();
}

// A run that stopped half-way has changed nothing but caches: rows that cache_append
// wrote, which the host's run of the whole writes again, at the same positions. All else
// it computes from inputs and leaves, which no run changes.
Status FallbackExecutable::Run() {
  if (!given_up_) {
    Status status = on_device_->Run();
    if (!on_device_->device_failed()) return status;
    GiveUp(status);
  }
  ATTUNE_RETURN_IF_ERROR(TakeOver());
  const std::lock_guard<std::mutex> turn(shared_->mutex);
  return on_host_->Run();
}

Result<std::optional<std::string>> FallbackExecutable::FindNonFinite() {
  if (!given_up_) {
    auto found = on_device_->FindNonFinite();
    if (!on_device_->device_failed()) return found;
    GiveUp(found.status());
  }
  ATTUNE_RETURN_IF_ERROR(TakeOver());
  const std::lock_guard<std::mutex> turn(shared_->mutex);
  return on_host_->FindNonFinite();
}

void FallbackExecutable::GiveUp(const Status& status) {
  given_up_ = true;
  on_device_->ReleaseDevice();
  const std::lock_guard<std::mutex> turn(shared_->mutex);
  shared_->CountFallback(std::string(status.message()));
}

Status FallbackExecutable::TakeOver() {
  if (on_host_ != nullptr) return OkStatus();
  std::unique_ptr<Executable> host;
  {
    const std::lock_guard<std::mutex> turn(shared_->mutex);
    ATTUNE_ASSIGN_OR_RETURN(host, shared_->host.Compile(graph_, frozen_, options_));
  }
  for (const Value& value : graph_.values()) {
    if (value.leaf != Leaf::kInput) continue;
    // A cache has no slot: it is among what was bound.
    const auto slot = on_device_->Input(value.name);
    if (slot.ok()) ATTUNE_RETURN_IF_ERROR(host->Bind(value.name, *slot));
  }
  for (const auto& [name, storage] : bound_) {
    ATTUNE_RETURN_IF_ERROR(host->Bind(name, storage));
  }
  host_memory_ = host->memory();
  host_memory_.slot_bytes += on_device_->memory().slot_bytes;
  on_host_ = std::move(host);
  return OkStatus();
}

}  // namespace attune::ane
