#include "text/word_cache.h"

#include <cstring>

#include "text/vocabulary.h"

namespace attune {

namespace {
constexpr std::size_t kWorthwhileBytes = 2048;
constexpr std::size_t kEntries = 8192;  // 256 KiB.
}  // namespace

WordCache::WordCache(std::size_t text_bytes) {
  if (text_bytes >= kWorthwhileBytes) entries_.resize(kEntries);
}

std::size_t WordCache::IndexOf(std::string_view word) const {
  return HashBytes(word) & (entries_.size() - 1);
}

bool WordCache::Append(std::string_view word, std::vector<std::int32_t>* ids) const {
  if (entries_.empty() || word.size() > kMaxWordBytes || word.empty()) return false;
  const Entry& entry = entries_[IndexOf(word)];
  if (std::string_view(entry.word, entry.bytes) != word) return false;
  for (std::size_t i = 0; i < entry.count; ++i) {
    const std::int32_t id = (*ids)[entry.first + i];
    ids->push_back(id);
  }
  return true;
}

void WordCache::Remember(std::string_view word, const std::vector<std::int32_t>& ids,
                         std::size_t first) {
  const std::size_t count = ids.size() - first;
  if (entries_.empty() || word.size() > kMaxWordBytes || word.empty() || count > kMaxWordBytes) {
    return;
  }
  Entry& entry = entries_[IndexOf(word)];
  std::memcpy(entry.word, word.data(), word.size());
  entry.bytes = static_cast<std::uint8_t>(word.size());
  entry.count = static_cast<std::uint8_t>(count);
  entry.first = static_cast<std::uint32_t>(first);
}

}  // namespace attune
