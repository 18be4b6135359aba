#include "text/merge_table.h"

namespace attune {

void MergeTable::Add(std::int32_t left, std::int32_t right, std::int32_t merged) {
  if ((merges_.size() + 1) * 4 > slots_.size() * 3) Grow();
  slots_[SlotOf(left, right)] = static_cast<std::uint32_t>(merges_.size());
  merges_.push_back({left, right, merged});
}

std::optional<BpeMerge> MergeTable::Find(std::int32_t left, std::int32_t right) const {
  if (slots_.empty()) return std::nullopt;
  const std::uint32_t rank = slots_[SlotOf(left, right)];
  if (rank == kEmpty) return std::nullopt;
  return BpeMerge{rank, merges_[rank].merged};
}

std::size_t MergeTable::SlotOf(std::int32_t left, std::int32_t right) const {
  std::uint64_t hash = (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
                        static_cast<std::uint32_t>(right)) *
                       0x9E3779B97F4A7C15u;
  hash ^= hash >> 32;
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot] != kEmpty) {
    const Merge& merge = merges_[slots_[slot]];
    if (merge.left == left && merge.right == right) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

void MergeTable::Grow() {
  slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, kEmpty);
  for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
    slots_[SlotOf(merges_[rank].left, merges_[rank].right)] = static_cast<std::uint32_t>(rank);
  }
}

}  // namespace attune
