// The core of byte pair encoding: joins neighbours of a word, the pair of
// lowest priority first and the leftmost of equals, until no pair joins.
// O(n log n): a linked list of symbols and a heap of candidate pairs.

#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "text/merge_table.h"

namespace attune {

struct BpeSymbol {
  std::uint32_t begin = 0;   // Of the word, in bytes.
  std::uint32_t length = 0;  // 0: absorbed by the symbol before it.
  std::int32_t id = -1;      // -1: not in the vocabulary.
  std::int32_t previous = -1;
  std::int32_t next = -1;
};

// The state of one word. Keep it from word to word to spare the allocations.
class BpeWord {
 public:
  void Clear() { symbols_.clear(); }
  void Append(std::uint32_t length, std::int32_t id);

  // `find(left, right)` says whether and how two neighbours join. It may
  // depend on nothing but the two symbols.
  template <typename Find>
  void Merge(const Find& find);

  // Calls `visit(symbol)` for what is left, in order.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    if (symbols_.empty()) return;
    for (std::int32_t i = 0; i >= 0; i = At(i).next) visit(At(i));
  }

 private:
  struct Candidate {
    std::uint64_t key;  // Priority, then position of the left symbol.
    std::uint32_t length;
    std::int32_t id;
    bool operator<(const Candidate& other) const { return key > other.key; }  // Smallest on top.
  };

  const BpeSymbol& At(std::int32_t i) const { return symbols_[static_cast<std::size_t>(i)]; }
  BpeSymbol& At(std::int32_t i) { return symbols_[static_cast<std::size_t>(i)]; }

  template <typename Find>
  void Consider(std::int32_t left, const Find& find);
  void Join(std::int32_t left, std::int32_t id);

  // A pair that was considered is still there iff its left symbol lives and
  // the two still span as many bytes: symbols only ever grow to the right.
  bool IsCurrent(const Candidate& candidate) const {
    const BpeSymbol& left = At(static_cast<std::int32_t>(candidate.key & 0xFFFFFFFFu));
    return left.length > 0 && left.next >= 0 &&
           left.length + At(left.next).length == candidate.length;
  }

  std::vector<BpeSymbol> symbols_;
  std::vector<Candidate> heap_;
};

inline void BpeWord::Append(std::uint32_t length, std::int32_t id) {
  const auto index = static_cast<std::int32_t>(symbols_.size());
  BpeSymbol symbol{0, length, id, index - 1, -1};
  if (index > 0) {
    symbol.begin = symbols_.back().begin + symbols_.back().length;
    symbols_.back().next = index;
  }
  symbols_.push_back(symbol);
}

template <typename Find>
void BpeWord::Merge(const Find& find) {
  heap_.clear();
  for (std::size_t i = 0; i + 1 < symbols_.size(); ++i)
    Consider(static_cast<std::int32_t>(i), find);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Candidate best = heap_.back();
    heap_.pop_back();
    if (!IsCurrent(best)) continue;
    const auto left = static_cast<std::int32_t>(best.key & 0xFFFFFFFFu);
    Join(left, best.id);
    if (At(left).previous >= 0) Consider(At(left).previous, find);
    if (At(left).next >= 0) Consider(left, find);
  }
}

template <typename Find>
void BpeWord::Consider(std::int32_t left, const Find& find) {
  const BpeSymbol& a = At(left);
  const BpeSymbol& b = At(a.next);
  const std::optional<BpeMerge> merge = find(a, b);
  if (!merge) return;
  const std::uint64_t key =
      static_cast<std::uint64_t>(merge->priority) << 32 | static_cast<std::uint32_t>(left);
  heap_.push_back({key, a.length + b.length, merge->id});
  std::push_heap(heap_.begin(), heap_.end());
}

inline void BpeWord::Join(std::int32_t left, std::int32_t id) {
  BpeSymbol& a = At(left);
  BpeSymbol& b = At(a.next);
  a.id = id;
  a.length += b.length;
  a.next = b.next;
  if (a.next >= 0) At(a.next).previous = left;
  b.length = 0;
}

}  // namespace attune
