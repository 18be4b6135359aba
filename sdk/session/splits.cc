#include "session/splits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <unordered_set>
#include <utility>

namespace attune {
namespace {

constexpr std::size_t kShingle = 5;         // Bytes.
constexpr std::size_t kMaxText = 16 << 10;  // Bytes that are looked at.
// Of 12 bands of 3 min-hashes, one agrees with a probability of 99.4 % at a Jaccard
// index of 0.7, and of 28 % at 0.3.
constexpr std::size_t kBands = 12, kRows = 3;
// Messages of a band with the same hashes that are compared, the earliest ones: a
// greeting that is sent every day must not make the search quadratic.
constexpr std::size_t kMaxCompared = 16;

std::uint64_t Mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

std::uint64_t HashOf(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001B3;
  return Mixed(hash);
}

// What is kept of a text: its least hashes are a fair sample of all of them, and those
// of two texts of that of both.
constexpr std::size_t kSketch = 256;

// The hashes of all shingles, ascending, each once. A short text is one shingle.
using Shingles = std::vector<std::uint32_t>;
Shingles ShinglesOf(std::string_view normal) {
  Shingles shingles;
  const std::size_t count = normal.size() < kShingle ? 1 : normal.size() - kShingle + 1;
  for (std::size_t i = 0; i < count; ++i) {
    shingles.push_back(static_cast<std::uint32_t>(HashOf(normal.substr(i, kShingle))));
  }
  std::sort(shingles.begin(), shingles.end());
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
  return shingles;
}

std::span<const std::uint32_t> SketchOf(std::span<const std::uint32_t> shingles) {
  return shingles.first(std::min(shingles.size(), kSketch));
}

// Of sketches. What lies beyond the end of one may be in its text all the same, so of
// long texts no more than the least kSketch of both are compared.
bool AreNear(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
  const bool whole = a.size() < kSketch && b.size() < kSketch;
  const std::size_t most = whole ? a.size() + b.size() : kSketch;
  std::size_t common = 0, all = 0, i = 0, j = 0;
  while (all < most && (i < a.size() || j < b.size())) {
    const bool step_a = j == b.size() || (i < a.size() && a[i] <= b[j]);
    const bool step_b = i == a.size() || (j < b.size() && b[j] <= a[i]);
    common += step_a && step_b;
    i += step_a;
    j += step_b;
    ++all;
  }
  return static_cast<double>(common) >= kNearDuplicate * static_cast<double>(all);
}

std::array<std::uint64_t, kBands> BandsOf(std::span<const std::uint32_t> shingles) {
  std::array<std::uint64_t, kBands> bands{};
  for (std::size_t band = 0; band < kBands; ++band) {
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::uint64_t salt = Mixed(band * kRows + row + 1);
      std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
      for (const std::uint32_t shingle : shingles) least = std::min(least, Mixed(shingle ^ salt));
      bands[band] = Mixed(bands[band] ^ least);
    }
  }
  return bands;
}

std::string TextOf(const Message& message) {
  std::string text = message.prompt;
  text += '\n';
  text += message.text;
  for (const Turn& turn : message.turns) text += '\n' + turn.content;
  return text;
}

// All messages, to find those like one of them.
class NearIndex {
 public:
  explicit NearIndex(const std::vector<Message>& messages) {
    for (const Message& message : messages) {
      const std::string normal = NormalText(TextOf(message));
      const Shingles shingles = ShinglesOf(normal);
      exact_.push_back(HashOf(normal));
      bands_.push_back(BandsOf(shingles));
      const auto sketch = SketchOf(shingles);
      shingles_.insert(shingles_.end(), sketch.begin(), sketch.end());
      ends_.push_back(shingles_.size());
    }
    for (std::size_t i = 0; i < messages.size(); ++i) {
      for (std::size_t band = 0; band < kBands; ++band) {
        // A band's number is part of its key: bands do not mix.
        bands_[i][band] = Mixed(bands_[i][band] + band);
        buckets_.push_back({bands_[i][band], static_cast<std::uint32_t>(i)});
      }
    }
    std::sort(buckets_.begin(), buckets_.end());
  }

  bool HasEarlierLike(std::size_t i) const {
    for (const std::uint64_t key : bands_[i]) {
      auto it =
          std::lower_bound(buckets_.begin(), buckets_.end(), std::pair{key, std::uint32_t{0}});
      for (std::size_t n = 0; n < kMaxCompared && it != buckets_.end(); ++n, ++it) {
        if (it->first != key || it->second >= i) break;
        if (AreNear(ShinglesAt(it->second), ShinglesAt(i))) return true;
      }
    }
    return false;
  }
  std::uint64_t exact(std::size_t i) const { return exact_[i]; }

 private:
  std::span<const std::uint32_t> ShinglesAt(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::span(shingles_).subspan(begin, ends_[i] - begin);
  }

  std::vector<std::uint64_t> exact_;  // Hashes of normal forms.
  std::vector<std::array<std::uint64_t, kBands>> bands_;
  std::vector<std::uint32_t> shingles_;  // Sketches of all messages, one after the other.
  std::vector<std::size_t> ends_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> buckets_;  // Key and message, sorted.
};

std::vector<Message> Take(std::vector<Message>* messages, const std::vector<bool>& drop,
                          std::size_t from, std::size_t to) {
  std::vector<Message> part;
  for (std::size_t i = from; i < to; ++i) {
    if (!drop[i]) part.push_back(std::move((*messages)[i]));
  }
  return part;
}

}  // namespace

std::string NormalText(std::string_view text) {
  std::string normal;
  bool gap = false;
  for (const char c : text.substr(0, kMaxText)) {
    const bool digit = c >= '0' && c <= '9', upper = c >= 'A' && c <= 'Z';
    // Bytes of other scripts count as letters.
    const bool letter = upper || (c >= 'a' && c <= 'z') || static_cast<std::uint8_t>(c) >= 0x80;
    if (!digit && !letter) {
      gap = true;
      continue;
    }
    if (gap && !normal.empty()) normal += ' ';
    gap = false;
    normal += digit ? '0' : upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return normal.empty() ? std::string(text.substr(0, kMaxText)) : normal;
}

bool AreNearDuplicates(std::string_view a, std::string_view b) {
  const Shingles of_a = ShinglesOf(NormalText(a)), of_b = ShinglesOf(NormalText(b));
  return AreNear(SketchOf(of_a), SketchOf(of_b));
}

std::vector<bool> FindNearDuplicates(const std::vector<Message>& messages, std::size_t first) {
  std::vector<bool> found(messages.size(), false);
  if (first >= messages.size()) return found;
  const NearIndex index(messages);
  std::unordered_set<std::uint64_t> seen;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const bool again = !seen.insert(index.exact(i)).second;
    found[i] = i >= first && (again || index.HasEarlierLike(i));
  }
  return found;
}

DatasetSplit SplitForRun(std::vector<Message> messages, const SplitOptions& options) {
  const auto part = [](std::size_t of, double fraction) {
    return static_cast<std::size_t>(std::llround(static_cast<double>(of) * fraction));
  };
  const std::size_t n = messages.size();
  std::size_t held_out = n < 2 ? 0 : part(n, options.held_out_fraction);
  if (n > 1 && options.held_out_fraction > 0)
    held_out = std::clamp<std::size_t>(held_out, 1, n - 1);
  const std::size_t middle = n - held_out;
  std::size_t stopping = part(middle, options.stopping_fraction);
  if (stopping < static_cast<std::size_t>(kMinStopping) || stopping >= middle) stopping = 0;

  const std::size_t learned = middle - stopping;
  const std::vector<bool> drop =
      FindNearDuplicates(messages, options.keep_near_duplicates ? n : learned);
  DatasetSplit split;
  split.near_duplicates = std::count(drop.begin(), drop.end(), true);
  split.held_out = Take(&messages, drop, middle, n);
  split.stopping = Take(&messages, drop, learned, middle);
  messages.resize(learned);
  split.train = std::move(messages);
  split.held_out = Thinned(std::move(split.held_out), options.held_out_examples);
  return split;
}

}  // namespace attune
