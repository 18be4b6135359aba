#include "session/vault_state_store.h"

#include <utility>

#include "base/strings.h"
#include "session/training_checkpoint.h"

namespace attune {
namespace {

std::uint8_t WidthOf(DType dtype) { return dtype == DType::kF64 ? 8 : 4; }

// A container knows no shapes: they are the trainer's where the bytes agree, and
// [n, 2] of a curve.
TensorView ViewOf(const Container::Section& section, const std::vector<NamedBytes>& wanted) {
  const auto* bytes = reinterpret_cast<const std::byte*>(section.bytes.data());
  if (section.width == 8) {
    return {DType::kF64, {static_cast<std::int64_t>(section.bytes.size() / 16), 2}, bytes};
  }
  for (const NamedBytes& candidate : wanted) {
    if (candidate.name != section.name || candidate.bytes.size() != section.bytes.size()) continue;
    return {DType::kF32, candidate.shape, bytes};
  }
  return {DType::kF32, {static_cast<std::int64_t>(section.bytes.size() / 4)}, bytes};
}

}  // namespace

VaultStateStore::VaultStateStore(CheckpointStore& checkpoints, const BaseHash& base,
                                 std::vector<IdRange> seen)
    : checkpoints_(checkpoints), base_(HexOf(base)), seen_(std::move(seen)) {}

std::int64_t VaultBytesToSave(std::int64_t state_bytes) {
  // The container, its sealed copy, and the tables of the compressor at work. Both
  // copies are bounded by the state: what does not shrink is stored.
  constexpr std::int64_t kCompressor = std::int64_t{8} << 20;
  return 2 * state_bytes + state_bytes / 512 + kCompressor;
}

Status VaultStateStore::Save(TrainingState& state, const LossCurve& curve) {
  const StateParts parts = PartsOfState(base_, state, curve);
  std::vector<ContainerSection> sections;
  for (const NamedTensor& section : parts.sections) {
    sections.push_back({section.name, WidthOf(section.view.dtype), section.view.span()});
  }
  return checkpoints_.Commit(
      {static_cast<std::uint64_t>(state.progress.step), parts.fields, sections, seen_});
}

Status VaultStateStore::Load(Trainer* trainer, LossCurve* curve) {
  if (!offered_) return NotFound("no checkpoint");
  const Container container = *std::exchange(offered_, std::nullopt);
  const std::vector<NamedBytes> wanted = trainer->state().Sections();
  StateParts parts;
  parts.fields = container.fields;
  for (const Container::Section& section : container.sections) {
    parts.sections.push_back({section.name, ViewOf(section, wanted)});
  }
  return RestoreState(parts, base_, trainer, curve).WithContext("checkpoint");
}

}  // namespace attune
