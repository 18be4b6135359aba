#include "text/vocabulary.h"

#include <cstring>
#include <limits>

#include "base/strings.h"

namespace attune {

std::uint64_t HashBytes(std::string_view bytes) {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  std::uint64_t hash = bytes.size() * kMultiplier;
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 29;
  };
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    mix(word);
  }
  std::uint64_t tail = 0;
  if (!bytes.empty()) std::memcpy(&tail, bytes.data(), bytes.size());
  mix(tail);
  return hash ^ (hash >> 32);
}

Status Vocabulary::Add(std::int64_t id, std::string_view spelling) {
  if (id < 0 || id >= kMaxVocabulary) {
    return InvalidArgument(StrCat("token id ", id, ", allowed 0 to ", kMaxVocabulary - 1));
  }
  if (spelling.size() >= kHole - text_.size()) {
    return InvalidArgument(StrCat("vocabulary text of more than ", kHole, " bytes"));
  }
  if ((count_ + 1) * 4 > slots_.size() * 3) Grow();
  const std::size_t slot = SlotOf(spelling);
  if (slots_[slot] >= 0) {
    return InvalidArgument(StrCat("tokens ", slots_[slot], " and ", id, " are spelled alike"));
  }
  const auto index = static_cast<std::size_t>(id);
  if (index >= entries_.size()) entries_.resize(index + 1);
  if (entries_[index].begin != kHole)
    return InvalidArgument(StrCat("token id ", id, " occurs twice"));
  entries_[index] = {static_cast<std::uint32_t>(text_.size()),
                     static_cast<std::uint32_t>(spelling.size())};
  text_.append(spelling);
  slots_[slot] = static_cast<std::int32_t>(id);
  ++count_;
  return OkStatus();
}

std::optional<std::int32_t> Vocabulary::Find(std::string_view spelling) const {
  if (slots_.empty()) return std::nullopt;
  const std::int32_t id = slots_[SlotOf(spelling)];
  if (id < 0) return std::nullopt;
  return id;
}

bool Vocabulary::Contains(std::int32_t id) const {
  return id >= 0 && id < size() && entries_[static_cast<std::size_t>(id)].begin != kHole;
}

std::string_view Vocabulary::Spelling(std::int32_t id) const {
  if (!Contains(id)) return {};
  const Entry& entry = entries_[static_cast<std::size_t>(id)];
  return std::string_view(text_).substr(entry.begin, entry.length);
}

std::size_t Vocabulary::SlotOf(std::string_view spelling) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = HashBytes(spelling) & mask;
  while (slots_[slot] >= 0 && Spelling(slots_[slot]) != spelling) slot = (slot + 1) & mask;
  return slot;
}

void Vocabulary::Grow() {
  const std::vector<std::int32_t> old = std::move(slots_);
  slots_.assign(old.empty() ? 64 : old.size() * 2, -1);
  for (const std::int32_t id : old) {
    if (id >= 0) slots_[SlotOf(Spelling(id))] = id;
  }
}

}  // namespace attune
