// The merges of a BPE model by rank: which pair of tokens joins into which
// token, and how early. 12 bytes a merge and 4 a hash slot.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace attune {

// A pair that may be joined: lower priority goes first.
struct BpeMerge {
  std::uint32_t priority = 0;
  std::int32_t id = 0;
};

class MergeTable {
 public:
  // Appends the merge of the next rank. A pair listed before changes rank.
  void Add(std::int32_t left, std::int32_t right, std::int32_t merged);

  std::optional<BpeMerge> Find(std::int32_t left, std::int32_t right) const;

  std::size_t size() const { return merges_.size(); }

 private:
  struct Merge {
    std::int32_t left;
    std::int32_t right;
    std::int32_t merged;
  };
  static constexpr std::uint32_t kEmpty = ~std::uint32_t{0};

  std::size_t SlotOf(std::int32_t left, std::int32_t right) const;
  void Grow();

  std::vector<Merge> merges_;         // The index is the rank.
  std::vector<std::uint32_t> slots_;  // Ranks; a power of two.
};

}  // namespace attune
