#include "session/splits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"

namespace attune {
namespace {

constexpr std::array kWords = {
    "harbour", "kettle",  "morning", "paddle", "glaze",  "slipway", "biscuit", "window", "garden",
    "ticket",  "library", "thunder", "copper", "violet", "market",  "pillow",  "winter", "engine",
    "lantern", "meadow",  "orchard", "puzzle", "ribbon", "saddle",  "tunnel",  "walnut", "yellow"};

std::string Sentence(Philox* random, int words) {
  std::string text;
  for (int i = 0; i < words; ++i) {
    if (i > 0) text += ' ';
    text += kWords[random->NextBelow(kWords.size())];
  }
  return text;
}

std::vector<Message> Messages(std::int64_t count, std::uint64_t seed = 1) {
  Philox random(seed);
  std::vector<Message> messages;
  for (std::int64_t i = 0; i < count; ++i) {
    messages.push_back({.text = Sentence(&random, 8 + static_cast<int>(random.NextBelow(8)))});
  }
  return messages;
}

std::vector<std::string> TextsOf(const std::vector<Message>& messages) {
  std::vector<std::string> texts;
  for (const Message& message : messages) texts.push_back(message.text);
  return texts;
}

TEST(SplitsTest, PartsFollowEachOtherInTime) {
  const std::vector<Message> messages = Messages(1000);
  const DatasetSplit split =
      SplitForRun(messages, {.held_out_fraction = 0.1, .stopping_fraction = 0.05});
  EXPECT_EQ(split.train.size(), 855u);
  EXPECT_EQ(split.stopping.size(), 45u);
  EXPECT_EQ(split.held_out.size(), 100u);
  EXPECT_EQ(split.near_duplicates, 0);
  std::vector<std::string> all;
  for (const auto* part : {&split.train, &split.stopping, &split.held_out}) {
    for (const std::string& text : TextsOf(*part)) all.push_back(text);
  }
  EXPECT_EQ(all, TextsOf(messages));
}

TEST(SplitsTest, SmallSetsKeepAMessageToLearnAndOneToTestOn) {
  for (const std::int64_t n : {0, 1, 2, 3, 19, 20, 21, 100, 430, 440}) {
    SCOPED_TRACE(n);
    const DatasetSplit split =
        SplitForRun(Messages(n), {.held_out_fraction = 0.1, .stopping_fraction = 0.05});
    const auto total = split.train.size() + split.stopping.size() + split.held_out.size();
    EXPECT_EQ(static_cast<std::int64_t>(total), n);
    EXPECT_EQ(split.train.empty(), n == 0);
    EXPECT_EQ(split.held_out.empty(), n < 2);
    // 5 % of nine tenths are 20 from 434 on, rounded.
    EXPECT_EQ(split.stopping.empty(), n < 434);
  }
  EXPECT_TRUE(SplitForRun(Messages(100), {.held_out_fraction = 0}).held_out.empty());
}

TEST(SplitsTest, TheHeldOutPartDoesNotDependOnTheStoppingPart) {
  const std::vector<Message> messages = Messages(1000);
  EXPECT_EQ(TextsOf(SplitForRun(messages, {.stopping_fraction = 0}).held_out),
            TextsOf(SplitForRun(messages, {.stopping_fraction = 0.2}).held_out));
}

TEST(SplitsTest, HeldOutMessagesAreThinnedEvenly) {
  const DatasetSplit split =
      SplitForRun(Messages(1000), {.held_out_fraction = 0.5, .held_out_examples = 50});
  EXPECT_EQ(split.held_out.size(), 50u);
  EXPECT_EQ(split.train.size(), 500u);
}

TEST(SplitsTest, ALaterPartHoldsNothingLikeAnEarlierMessage) {
  std::vector<Message> messages = Messages(1000);
  messages[920].text = messages[3].text;                // Of train, in held-out.
  messages[930].text = "  " + messages[5].text + "!!";  // The same, spelt otherwise.
  messages[940].text = messages[7].text + " then";      // A word more.
  messages[950].text = messages[870].text;              // Of stopping, in held-out.
  messages[860].text = messages[9].text;                // Of train, in stopping.
  messages[960].text = messages[961].text;              // Twice in held-out.
  messages[100].text = messages[101].text;              // Twice in train: stays.
  messages[970].text = "Meet me at gate 7 at 18:30";    // Other numbers.
  messages[200].text = "meet me at gate 12 at 09:45";
  const DatasetSplit split =
      SplitForRun(messages, {.held_out_fraction = 0.1, .stopping_fraction = 0.05});
  EXPECT_EQ(split.train.size(), 855u);
  EXPECT_EQ(split.stopping.size(), 44u);
  EXPECT_EQ(split.held_out.size(), 94u);
  EXPECT_EQ(split.near_duplicates, 7);
  for (const std::string& text : TextsOf(split.held_out)) {
    for (const auto* part : {&split.train, &split.stopping}) {
      for (const std::string& earlier : TextsOf(*part)) {
        EXPECT_FALSE(AreNearDuplicates(text, earlier)) << text << " | " << earlier;
      }
    }
  }
}

TEST(SplitsTest, PromptsAndTurnsCount) {
  std::vector<Message> messages(4);
  messages[0] = {.prompt = "the capital of France", .text = "Paris"};
  messages[1] = {.prompt = "the city of the Louvre museum", .text = "Paris"};
  messages[2] = {.turns = {{"user", "how do I boil an egg"}, {"assistant", "in water, 7 minutes"}}};
  messages[3] = {.turns = {{"user", "how do I boil an egg"}, {"assistant", "in water: 8 minutes"}}};
  EXPECT_EQ(FindNearDuplicates(messages, 1), (std::vector<bool>{false, false, false, true}));
}

TEST(SplitsTest, NormalTextKeepsLettersAndDigits) {
  EXPECT_EQ(NormalText("  Hello,   WORLD! 42"), "hello world 00");
  EXPECT_EQ(NormalText("don't"), "don t");
  EXPECT_EQ(NormalText("Gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  // Of nothing else, it stays what it is: smiles differ from frowns.
  EXPECT_EQ(NormalText(":-)"), ":-)");
  EXPECT_FALSE(AreNearDuplicates(":-)", ":-("));
  EXPECT_EQ(NormalText(""), "");
  EXPECT_LE(NormalText(std::string(1 << 20, 'x')).size(), std::size_t{1} << 14);
}

// What is close is found nearly always, what is not never.
TEST(SplitsTest, FindsNearDuplicatesAmongMany) {
  Philox random(11);
  constexpr std::size_t kPairs = 500;
  std::vector<Message> messages = Messages(kPairs, 21);
  for (std::size_t i = 0; i < kPairs; ++i) {
    std::string text = messages[i].text;
    // A letter changed: 5 of some 70 shingles.
    text[random.NextBelow(static_cast<std::uint32_t>(text.size()))] = 'q';
    messages.push_back({.text = text});
  }
  const std::vector<bool> found = FindNearDuplicates(messages, kPairs);
  EXPECT_EQ(std::count(found.begin(), found.begin() + kPairs, true), 0);
  std::int64_t near = 0, missed = 0;
  for (std::size_t i = 0; i < kPairs; ++i) {
    const bool is_near = AreNearDuplicates(messages[i].text, messages[kPairs + i].text);
    near += is_near;
    missed += is_near && !found[kPairs + i];
  }
  EXPECT_GT(near, 450);
  EXPECT_LE(missed, 5);
}

// Of long ones only a sample is compared. One word in `every` is another.
TEST(SplitsTest, LongTextsAreNearAsShortOnesAre) {
  Philox random(31);
  const auto is_near = [&](int every) {
    const auto word = [&] {
      std::string letters(7, ' ');
      for (char& c : letters) c = static_cast<char>('a' + random.NextBelow(26));
      return letters;
    };
    std::string a, b;
    for (int i = 0; i < 1500; ++i) {
      const std::string next = word();
      a += ' ' + next;
      b += ' ' + (i % every == 0 ? word() : next);
    }
    return AreNearDuplicates(a, b);
  };
  EXPECT_TRUE(is_near(20));  // 0.87 of the shingles.
  EXPECT_FALSE(is_near(2));  // 0.2.
  Philox words(32);
  const std::string text = Sentence(&words, 2000);
  EXPECT_TRUE(AreNearDuplicates(text, text));
  // The beginning of a text is not the text.
  EXPECT_FALSE(AreNearDuplicates(StrCat(1234567, " one two"), text));
}

// A year of long messages has to fit beside the model.
TEST(SplitsTest, LongMessagesTakeNoMoreMemoryThanTheirSketch) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers take memory of their own";
#endif
  Philox random(33);
  std::vector<Message> messages(1500);
  for (Message& message : messages) {
    message.text.resize(16 << 10);
    for (char& c : message.text) c = static_cast<char>('a' + random.NextBelow(26));
  }
  const auto peak = [] {
    struct rusage usage {};
    getrusage(RUSAGE_SELF, &usage);
#if defined(__APPLE__)
    return std::int64_t{usage.ru_maxrss} >> 10;
#else
    return std::int64_t{usage.ru_maxrss};  // KiB.
#endif
  };
  const std::int64_t before = peak();
  const std::vector<bool> found = FindNearDuplicates(messages, 0);
  const std::int64_t took = peak() - before;
  EXPECT_EQ(std::count(found.begin(), found.end(), true), 0);
  RecordProperty("kib", std::to_string(took));
  EXPECT_LT(took, 24 << 10);  // All shingles: 96 MiB and more.
}

TEST(SplitsTest, IsLinearAlsoWhenAllMessagesAreAlike) {
  std::vector<Message> messages;
  Philox random(5);
  for (int i = 0; i < 20000; ++i) {
    messages.push_back({.text = StrCat("good morning to all of you in the house of ",
                                       kWords[random.NextBelow(kWords.size())], i % 2 ? "s" : "")});
  }
  const auto begin = std::chrono::steady_clock::now();
  const DatasetSplit split = SplitForRun(messages, {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_TRUE(split.held_out.empty());
  EXPECT_EQ(split.near_duplicates, 2000);
  RecordProperty("seconds", std::to_string(took.count()));
  EXPECT_LT(took.count(), 10);
}

TEST(SplitsTest, IsDeterministic) {
  const std::vector<Message> messages = Messages(500);
  const SplitOptions options{.stopping_fraction = 0.1};
  EXPECT_EQ(TextsOf(SplitForRun(messages, options).held_out),
            TextsOf(SplitForRun(messages, options).held_out));
}

}  // namespace
}  // namespace attune
