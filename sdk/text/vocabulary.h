// A Vocabulary maps token spellings to ids and back. All spellings lie in one
// buffer: about 20 bytes of overhead an entry.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"

namespace attune {

// Ids must be below this; the largest published vocabularies have 262,144.
inline constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 21;

// A fast, not cryptographic hash.
std::uint64_t HashBytes(std::string_view bytes);

class Vocabulary {
 public:
  // Ids may come in any order and leave holes.
  //
  //   kInvalidArgument  the id is negative, too large or taken, or the spelling
  //                     has another id
  Status Add(std::int64_t id, std::string_view spelling);

  std::optional<std::int32_t> Find(std::string_view spelling) const;

  // Empty for holes and ids out of range. Valid until the next Add().
  std::string_view Spelling(std::int32_t id) const;
  bool Contains(std::int32_t id) const;

  // One more than the highest id.
  std::int32_t size() const { return static_cast<std::int32_t>(entries_.size()); }

 private:
  struct Entry {
    std::uint32_t begin = kHole;
    std::uint32_t length = 0;
  };
  static constexpr std::uint32_t kHole = ~std::uint32_t{0};

  // The slot that holds `spelling`, or the empty one where it belongs.
  std::size_t SlotOf(std::string_view spelling) const;
  void Grow();

  std::string text_;
  std::vector<Entry> entries_;
  std::vector<std::int32_t> slots_;  // Ids, -1 where empty; a power of two.
  std::size_t count_ = 0;
};

}  // namespace attune
