#include "text/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "text/byte_alphabet.h"
#include "text/unicode.h"

namespace attune {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

std::string Replacements(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += kReplacement;
  return out;
}

TEST(Utf8, ReplacesEachMaximalInvalidSequenceOnce) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\xE2\x82z"), "a" + Replacements(1) + "z");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80"), Replacements(3));      // A surrogate.
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x80\x80\xAF"), Replacements(4));  // Overlong.
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x90\x80\x80"), Replacements(4));  // Over U+10FFFF.
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x9F\x99"), Replacements(1));
  EXPECT_EQ(ReplaceInvalidUtf8("\xC3"), Replacements(1));
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x9F\x99\x82"), "\xF0\x9F\x99\x82");
}

TEST(Utf8, WritesAndReadsEveryCodePoint) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) continue;
    std::string bytes;
    AppendUtf8(code_point, &bytes);
    const Utf8Character character = FirstCharacter(bytes);
    ASSERT_TRUE(character.valid) << static_cast<std::uint32_t>(code_point);
    ASSERT_EQ(character.code_point, code_point);
    ASSERT_EQ(character.length, bytes.size());
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      ASSERT_EQ(UnfinishedSuffix("a" + bytes.substr(0, cut)), cut);
    }
    ASSERT_EQ(UnfinishedSuffix(bytes), 0u);
  }
}

TEST(ByteAlphabet, SpellsEveryByteAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  const std::string spelled = SpellBytes(all);
  EXPECT_TRUE(IsValidUtf8(spelled));
  EXPECT_EQ(UnspellBytes(spelled), all);
  EXPECT_EQ(SpellBytes(" \n"), "ĠĊ");
  EXPECT_EQ(UnspellBytes("a b"), std::nullopt);
}

TEST(Nfc, ComposesAndOrders) {
  EXPECT_EQ(ToNfc("e\u0301"), "\u00e9");
  EXPECT_EQ(ToNfc("\u212b"), "\u00c5");
  EXPECT_EQ(ToNfc("q\u0307\u0323"), "q\u0323\u0307");
  EXPECT_EQ(ToNfc("\u1100\u1161\u11a8"), "\uac01");
  EXPECT_EQ(ToNfc("plain"), "plain");
}

// Exchanging neighbours would take 10^10 steps.
TEST(Nfc, SortsALongRunOfMarksInTime) {
  std::string marks = "a";
  for (int i = 0; i < 100'000; ++i) marks += i % 2 ? "\u0323" : "\u0307";
  const std::string sorted = ToNfc(marks);
  EXPECT_EQ(sorted.substr(0, 3), "\u1ea1");  // The dot below composes.
  EXPECT_EQ(sorted.substr(sorted.size() - 2), "\u0307");
}

}  // namespace
}  // namespace attune
