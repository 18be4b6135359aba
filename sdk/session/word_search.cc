#include "session/word_search.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace attune {
namespace {

using State = ReadWord::State;

struct Path {
  std::vector<std::int32_t> tokens;
  std::string text;
  double probability = 1;
  bool operator<(const Path& other) const {
    // Equals in a fixed order, so that a search is the same every time.
    if (probability != other.probability) return probability < other.probability;
    return tokens > other.tokens;
  }
};

class WordSearch {
 public:
  WordSearch(const TypedText& typed, const TokenTexts& texts, const WordSearchLimits& limits)
      : typed_(typed), texts_(texts), limits_(limits) {}

  Result<std::vector<FoundWord>> Run(PathProbabilities probabilities) {
    // Without anything typed, all that may come is consistent with it.
    consistent_ = ReadContinuation(typed_, "").state == State::kOpen && !typed_.space ? 1 : 0;
    open_.push({});
    for (int asked = 0; asked < limits_.evaluations && !open_.empty() && !Settled(); ++asked) {
      const Path path = open_.top();
      open_.pop();
      ATTUNE_ASSIGN_OR_RETURN(const auto next, probabilities(path.tokens));
      Expand(path, next.first(std::min(next.size(), texts_.size())));
    }
    return Best();
  }

 private:
  using Key = std::pair<std::string, bool>;

  // Whether nothing left open can change which words are best.
  bool Settled() const {
    if (found_.size() < limits_.words) return false;
    std::vector<double> ranked;
    for (const auto& [key, probability] : found_) ranked.push_back(probability);
    std::nth_element(ranked.begin(),
                     ranked.begin() + static_cast<std::ptrdiff_t>(limits_.words) - 1, ranked.end(),
                     std::greater<>());
    return open_.top().probability <= ranked[limits_.words - 1];
  }

  void Expand(const Path& path, std::span<const float> next) {
    const ReadWord here = ReadContinuation(typed_, path.text);
    const bool covers = Covers(path.text, here);
    std::vector<Path> children;
    double ends = 0;
    for (std::size_t id = 0; id < next.size(); ++id) {
      const std::string& text = texts_[id];
      // A control token ends the word; one of unknown bytes cannot go on.
      if (text.empty() || EndsWord(here, text)) {
        ends += next[id];
        continue;
      }
      if (here.state == State::kTyping && !MayType(path.text, text[0])) continue;
      Follow(path, static_cast<std::int32_t>(id), next[id], covers, &children);
    }
    if (here.state == State::kOpen && !here.word.empty() && !IsTyped(here)) {
      Found(here, path.probability * ends);
    }
    Keep(std::move(children));
  }

  // The common case without building a string: an open word that is no longer
  // the typed one ends with the first byte that cannot belong to it.
  bool EndsWord(const ReadWord& here, const std::string& text) const {
    return here.state == State::kOpen && !here.word.empty() && !IsTyped(here) &&
           !IsWordByte(text[0]);
  }
  // Whether `byte` can be the next one of what was typed: a quick look before
  // anything is put together.
  bool MayType(std::string_view so_far, char byte) const {
    if (so_far.empty() && byte == ' ') return true;
    const std::size_t typed = so_far.size() - (so_far.starts_with(' ') ? 1 : 0);
    return byte == typed_.word[typed];
  }
  bool IsTyped(const ReadWord& read) const { return !read.follows && read.word == typed_.word; }

  // Whether the path has spelled out all that was typed, its space included.
  bool Covers(const std::string& text, const ReadWord& read) const {
    return read.state != State::kTyping && (!typed_.space || !text.empty());
  }

  void Follow(const Path& path, std::int32_t id, double probability, bool covered,
              std::vector<Path>* children) {
    const double joint = path.probability * probability;
    if (covered && joint <= kNegligible * consistent_) return;
    std::string text = path.text + texts_[static_cast<std::size_t>(id)];
    const ReadWord read = ReadContinuation(typed_, text);
    if (read.state == State::kDead) return;
    if (!covered && Covers(text, read)) consistent_ += joint;
    if (read.state == State::kComplete) {
      Found(read, joint);
      return;
    }
    Path child{path.tokens, std::move(text), joint};
    child.tokens.push_back(id);
    children->push_back(std::move(child));
  }

  void Keep(std::vector<Path> children) {
    const std::size_t kept = std::min(limits_.branches, children.size());
    std::partial_sort(children.begin(), children.begin() + static_cast<std::ptrdiff_t>(kept),
                      children.end(), [](const Path& a, const Path& b) { return b < a; });
    children.resize(kept);
    for (Path& child : children) open_.push(std::move(child));
  }

  void Found(const ReadWord& read, double probability) {
    if (probability <= 0) return;
    std::string word = read.word;
    while (!word.empty() && (word.back() == '\'' || word.back() == '-')) word.pop_back();
    if (!word.empty()) found_[{std::move(word), read.follows}] += probability;
  }

  std::vector<FoundWord> Best() const {
    std::vector<FoundWord> words;
    for (const auto& [key, probability] : found_) {
      words.push_back({key.first, key.second, probability});
    }
    std::stable_sort(words.begin(), words.end(), [](const FoundWord& a, const FoundWord& b) {
      return a.probability > b.probability;
    });
    words.resize(std::min(words.size(), limits_.words));
    if (consistent_ > 0) {
      for (FoundWord& word : words)
        word.probability = std::min(1.0, word.probability / consistent_);
    }
    return words;
  }

  // Of what was typed: continuations below this are not followed.
  static constexpr double kNegligible = 1e-5;

  const TypedText& typed_;
  const TokenTexts& texts_;
  const WordSearchLimits& limits_;
  std::priority_queue<Path> open_;
  std::map<Key, double> found_;
  double consistent_ = 0;  // Probability of all paths that spell what was typed.
};

}  // namespace

Result<std::vector<FoundWord>> SearchWords(const TypedText& typed, const TokenTexts& texts,
                                           const WordSearchLimits& limits,
                                           PathProbabilities probabilities) {
  return WordSearch(typed, texts, limits).Run(probabilities);
}

}  // namespace attune
