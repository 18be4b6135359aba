#include "ane/runtime/hybrid_executable.h"

#include <cmath>

#include "ane/runtime/step_surfaces.h"
#include "base/strings.h"

namespace attune::ane {

Status HybridExecutable::Bind(std::string_view name, std::span<std::byte> storage) {
  ATTUNE_ASSIGN_OR_RETURN(const ValueId leaf, values_.Bind(name, storage));
  // Also those that do not read it themselves may read what lies in it.
  linked_ = false;
  if (parity_ != nullptr) ATTUNE_RETURN_IF_ERROR(parity_->Bind(name, storage));
  if (plan_.graph.value(leaf).leaf != Leaf::kParameter) return OkStatus();
  for (const auto& host : hosts_) {
    if (host != nullptr) ATTUNE_RETURN_IF_ERROR(host->Bind(name, storage));
  }
  return OkStatus();
}

Status HybridExecutable::Run() {
  const std::lock_guard<std::mutex> turn(shared_->mutex);
  ATTUNE_RETURN_IF_ERROR(RunSteps(nullptr));
  ++shared_->runs;
  // Of its own: with those of all counted together, one of two in turn is never checked.
  if (parity_ == nullptr || ++runs_ % shared_->check_every != 0) return OkStatus();
  ATTUNE_ASSIGN_OR_RETURN(const double difference, parity_->Difference(values_));
  ++shared_->checks;
  if (difference > shared_->worst_difference) shared_->worst_difference = difference;
  if (difference <= shared_->tolerance) return OkStatus();
  return Internal(StrCat(shared_->device.name(), ": run ", runs_, " is ", difference,
                         " off the host's result, allowed ", shared_->tolerance,
                         ": use the host alone"));
}

Result<std::optional<std::string>> HybridExecutable::FindNonFinite() {
  const std::lock_guard<std::mutex> turn(shared_->mutex);
  std::optional<std::string> found;
  ATTUNE_RETURN_IF_ERROR(RunSteps(&found));
  return found;
}

Status HybridExecutable::RunSteps(std::optional<std::string>* found) {
  ATTUNE_RETURN_IF_ERROR(values_.CheckBound());
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    ATTUNE_RETURN_IF_ERROR(Execute(i, found));
    if (found != nullptr && found->has_value()) return OkStatus();
  }
  linked_ = true;
  return OkStatus();
}

Status HybridExecutable::Execute(std::size_t step, std::optional<std::string>* found) {
  return std::visit([&](const auto& kind) { return Do(kind, step, found); }, plan_.steps[step]);
}

Status HybridExecutable::UploadValue(const Upload& step) {
  const SurfaceSpec& spec = plan_.surfaces[static_cast<std::size_t>(step.surface)];
  const TensorView view = values_.view(step.value);
  if (view.data == nullptr) {
    return Internal(StrCat(ValueText(step.value), ": uploaded before it is computed"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const MatrixExtent extent, ExtentIn(view.shape, spec));
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface surface,
                          surfaces_->Lock(step.surface, /*read_only=*/false));
  // Only what never changes is stored narrower, and that is uploaded once.
  const Tensor widened = view.dtype == DType::kF32 ? Tensor() : ToF32(view);
  const float* source =
      view.dtype == DType::kF32 ? reinterpret_cast<const float*>(view.data) : widened.f32().data();
  UploadMatrix(source, extent, surfaces_->layout(step.surface), surface.data(),
               shared_->parallel());
  return OkStatus();
}

Status HybridExecutable::Do(const Upload& step, std::size_t, std::optional<std::string>* found) {
  if (step.once) return OkStatus();
  ATTUNE_RETURN_IF_ERROR(UploadValue(step));
  if (found == nullptr) return OkStatus();
  return LookAtSurface(step.surface, StrCat(ValueText(step.value), ", written for the device"),
                       found);
}

Status HybridExecutable::Do(const Download& step, std::size_t, std::optional<std::string>*) {
  const Shape& shape = plan_.graph.shape(step.value);
  const SurfaceSpec& spec = plan_.surfaces[static_cast<std::size_t>(step.surface)];
  ATTUNE_ASSIGN_OR_RETURN(const MatrixExtent extent, ExtentIn(shape, spec));
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface surface,
                          surfaces_->Lock(step.surface, /*read_only=*/true));
  DownloadMatrix(surface.data(), surfaces_->layout(step.surface), extent,
                 values_.buffer(step.value), shared_->parallel());
  return OkStatus();
}

Status HybridExecutable::Do(const RunPrograms& step, std::size_t,
                            std::optional<std::string>* found) {
  for (std::int32_t i = step.first; i < step.first + step.count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    Status status = shared_->cache.Evaluate(&programs_[at]);
    if (!status.ok()) {
      device_failed_ = true;
      return Status(status.code(),
                    StrCat(shared_->device.name(), ": program ",
                           ProgramText(plan_.programs[at].region), ": ", status.message()));
    }
    if (found == nullptr) continue;
    ATTUNE_RETURN_IF_ERROR(LookAtProgram(at, found));
    if (found->has_value()) return OkStatus();
  }
  return OkStatus();
}

Status HybridExecutable::Do(const RunHost&, std::size_t index, std::optional<std::string>* found) {
  HostStep& host = *hosts_[index];
  if (found == nullptr) {
    Status status = host.Run(&values_, !linked_);
    if (status.ok()) return status;
    return Status(status.code(), WithValueNames(plan_.graph, status.message()));
  }
  ATTUNE_ASSIGN_OR_RETURN(const auto node, host.FindNonFinite(&values_, !linked_));
  if (node) *found = WithValueNames(plan_.graph, *node);
  return OkStatus();
}

Status HybridExecutable::Do(const MakeMask& step, std::size_t, std::optional<std::string>*) {
  const bool bounded = step.mask == AttentionMask::kBounded;
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface surface,
                          surfaces_->Lock(step.surface, /*read_only=*/false));
  const std::span<const std::int32_t> none;
  FillMask(step, bounded ? values_.i32(step.lo) : none, bounded ? values_.i32(step.hi) : none,
           surfaces_->layout(step.surface), surface.data());
  return OkStatus();
}

Status HybridExecutable::Do(const MakeRotation& step, std::size_t, std::optional<std::string>*) {
  const auto positions = values_.i32(step.positions);
  const TensorView table = values_.view(step.table);
  ATTUNE_RETURN_IF_ERROR(CheckIndices(ValueText(step.positions), positions, table.shape[0]));
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface cosine,
                          surfaces_->Lock(step.cosine, /*read_only=*/false));
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface sine,
                          surfaces_->Lock(step.sine, /*read_only=*/false));
  FillRotation(step, positions, table.f32(), surfaces_->layout(step.cosine), cosine.data(),
               sine.data());
  return OkStatus();
}

Status HybridExecutable::Do(const LossTail& step, std::size_t index,
                            std::optional<std::string>* found) {
  ATTUNE_RETURN_IF_ERROR(tails_[index]->Run(values_, *surfaces_, shared_->parallel()));
  if (found == nullptr) return OkStatus();
  if (!std::isfinite(values_.f32(step.loss)[0])) {
    *found = StrCat(ValueText(step.loss), ", the end of the loss");
    return OkStatus();
  }
  if (step.dx == kNone) return OkStatus();
  return LookAtSurface(step.dx, "gradient at the end of the loss", found);
}

Status HybridExecutable::Do(const MakeDropoutMask& step, std::size_t, std::optional<std::string>*) {
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface surface,
                          surfaces_->Lock(step.surface, /*read_only=*/false));
  FillDropout(step, values_.i32(step.seed), surfaces_->layout(step.surface), surface.data());
  return OkStatus();
}

}  // namespace attune::ane
