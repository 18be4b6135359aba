// Remembers where the ids of recent words lie in the output: most words of a
// long text have occurred before. One Encode() call owns it.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace attune {

class WordCache {
 public:
  // Pays for itself on texts of some length; shorter ones go without.
  explicit WordCache(std::size_t text_bytes);

  // Appends the ids of `word` to `ids` if it knows them.
  bool Append(std::string_view word, std::vector<std::int32_t>* ids) const;

  // The ids of `word` are those in `ids` from `first` on.
  void Remember(std::string_view word, const std::vector<std::int32_t>& ids, std::size_t first);

 private:
  static constexpr std::size_t kMaxWordBytes = 24;
  struct Entry {
    char word[kMaxWordBytes];
    std::uint8_t bytes = 0;  // 0: empty.
    std::uint8_t count = 0;
    std::uint32_t first = 0;
  };

  std::size_t IndexOf(std::string_view word) const;

  std::vector<Entry> entries_;  // Direct-mapped; a power of two, or none.
};

}  // namespace attune
