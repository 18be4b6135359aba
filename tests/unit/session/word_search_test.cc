#include "session/word_search.h"

#include <gtest/gtest.h>

#include <map>

#include "support/status_matchers.h"

namespace attune {
namespace {

using State = ReadWord::State;

TEST(Words, TypedTextIsCutBeforeItsLastWord) {
  const TypedText open = SplitTyped("see you");
  EXPECT_EQ(open.context, "see");
  EXPECT_TRUE(open.space);
  EXPECT_EQ(open.word, "you");
  const TypedText closed = SplitTyped("see you  ");
  EXPECT_EQ(closed.context, "see you");
  EXPECT_TRUE(closed.space);
  EXPECT_EQ(closed.word, "");
  const TypedText glued = SplitTyped("(don't");
  EXPECT_EQ(glued.context, "(");
  EXPECT_FALSE(glued.space);
  EXPECT_EQ(glued.word, "don't");
}

TEST(Words, ContinuationsAreReadUpToTheWordsEnd) {
  const TypedText typed = SplitTyped("see yo");
  EXPECT_EQ(ReadContinuation(typed, " y").state, State::kTyping);
  EXPECT_EQ(ReadContinuation(typed, " ya").state, State::kDead);
  EXPECT_EQ(ReadContinuation(typed, "yo").state, State::kDead) << "the space was typed";
  EXPECT_EQ(ReadContinuation(typed, " you").state, State::kOpen);
  const ReadWord complete = ReadContinuation(typed, " your.");
  EXPECT_EQ(complete.state, State::kComplete);
  EXPECT_EQ(complete.word, "your");
  EXPECT_FALSE(complete.follows);
}

TEST(Words, TheWordAfterATypedOneFollows) {
  const TypedText typed = SplitTyped("see you");
  const ReadWord next = ReadContinuation(typed, " you soon");
  EXPECT_EQ(next.state, State::kOpen);
  EXPECT_EQ(next.word, "soon");
  EXPECT_TRUE(next.follows);
  EXPECT_EQ(ReadContinuation(typed, " you.").state, State::kDead);
}

// A model of a few tokens, its predictions given by what precedes.
class ToyModel {
 public:
  ToyModel() { texts_.push_back(""); }  // Token 0: the end of a text.

  void Predict(const std::string& after, const std::map<std::string, float>& next) {
    for (const auto& [text, probability] : next) table_[after][IdOf(text)] = probability;
  }

  Result<std::vector<FoundWord>> Search(const std::string& prefix, WordSearchLimits limits = {}) {
    const TypedText typed = SplitTyped(prefix);
    asked_ = 0;
    std::vector<float> next;
    return SearchWords(typed, texts_, limits,
                       [&](std::span<const std::int32_t> path) -> Result<std::span<const float>> {
                         ++asked_;
                         std::string text;
                         for (std::int32_t id : path) text += texts_[static_cast<std::size_t>(id)];
                         next.assign(texts_.size(), 0.0f);
                         const auto row = table_.find(text);
                         if (row == table_.end()) {
                           next[0] = 1;
                         } else {
                           for (const auto& [id, probability] : row->second) next[id] = probability;
                         }
                         return std::span<const float>(next);
                       });
  }
  int asked() const { return asked_; }

 private:
  std::size_t IdOf(const std::string& text) {
    for (std::size_t id = 0; id < texts_.size(); ++id) {
      if (texts_[id] == text) return id;
    }
    texts_.push_back(text);
    return texts_.size() - 1;
  }

  TokenTexts texts_;
  std::map<std::string, std::map<std::size_t, float>> table_;
  int asked_ = 0;
};

TEST(WordSearch, SpellingsOfOneWordAddUp) {
  ToyModel model;
  model.Predict("", {{" see", 0.4f}, {" s", 0.3f}, {" at", 0.3f}});
  model.Predict(" s", {{"ee", 1.0f}});
  ASSERT_OK_AND_ASSIGN(const auto words, model.Search("I "));
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(words[0].word, "see");
  EXPECT_NEAR(words[0].probability, 0.7, 1e-5);
  EXPECT_EQ(words[1].word, "at");
}

TEST(WordSearch, AWordEndsOnlyWhereAnotherBeginsOrTheTextEnds) {
  ToyModel model;
  model.Predict("", {{" to", 1.0f}});
  model.Predict(" to", {{"morrow", 0.8f}, {" the", 0.2f}});
  ASSERT_OK_AND_ASSIGN(const auto words, model.Search("see you "));
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(words[0].word, "tomorrow");
  EXPECT_NEAR(words[0].probability, 0.8, 1e-5);
  EXPECT_NEAR(words[1].probability, 0.2, 1e-5);
}

TEST(WordSearch, CompletesTheWordBeingTyped) {
  ToyModel model;
  model.Predict("", {{" you", 0.1f}, {" your", 0.1f}, {" the", 0.8f}});
  ASSERT_OK_AND_ASSIGN(const auto words, model.Search("see yo"));
  ASSERT_EQ(words.size(), 2u);
  EXPECT_NEAR(words[0].probability, 0.5, 1e-5) << "given what was typed";
  EXPECT_FALSE(words[0].follows);
}

TEST(WordSearch, FollowsAWordThatIsComplete) {
  ToyModel model;
  model.Predict("", {{" you", 0.9f}, {" young", 0.1f}});
  model.Predict(" you", {{" soon", 0.7f}, {"r", 0.1f}, {".", 0.2f}});
  ASSERT_OK_AND_ASSIGN(const auto words, model.Search("see you"));
  ASSERT_EQ(words.size(), 3u);
  EXPECT_EQ(words[0].word, "soon");
  EXPECT_TRUE(words[0].follows);
  EXPECT_NEAR(words[0].probability, 0.63, 1e-5);
}

TEST(WordSearch, StartsATextWithOrWithoutASpace) {
  ToyModel model;
  model.Predict("", {{" hi", 0.6f}, {"hey", 0.4f}});
  ASSERT_OK_AND_ASSIGN(const auto words, model.Search(""));
  ASSERT_EQ(words.size(), 2u);
  EXPECT_EQ(words[0].word, "hi");
  EXPECT_EQ(words[1].word, "hey");
}

TEST(WordSearch, AsksNoMoreThanItsLimitAndStopsWhenSettled) {
  ToyModel model;
  std::map<std::string, float> many;
  for (int i = 0; i < 50; ++i) many[" w" + std::to_string(i)] = 0.02f;
  model.Predict("", many);
  ASSERT_OK(model.Search("x ", {.words = 40, .evaluations = 7}));
  EXPECT_EQ(model.asked(), 7);
  ToyModel sure;
  sure.Predict("", {{" yes", 0.9f}, {" no", 0.1f}});
  ASSERT_OK(sure.Search("x ", {.words = 1}));
  EXPECT_EQ(sure.asked(), 2);
}

}  // namespace
}  // namespace attune
