#include "config/yaml_document.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "support/status_matchers.h"

namespace attune {
namespace {

Result<YamlNode> Parse(std::string_view text, const YamlLimits& limits = {}) {
  return ParseYaml(text, "a.yaml", limits);
}
std::string ErrorOf(std::string_view text, const YamlLimits& limits = {}) {
  return Parse(text, limits).status().message();
}

TEST(YamlDocument, KnowsWhereEverythingStands) {
  const auto root = Parse("# One.\nlora:\n  rank: 4\nlist: [a, 'b c']\n");
  ASSERT_OK(root);
  EXPECT_EQ(root->kind, YamlKind::kMapping);
  ASSERT_EQ(root->keys.size(), 2u);
  EXPECT_EQ(root->keys[0].text, "lora");
  EXPECT_EQ(root->keys[0].at, (YamlPosition{2, 1}));
  const YamlNode* rank = root->Find("lora")->Find("rank");
  ASSERT_NE(rank, nullptr);
  EXPECT_EQ(rank->text, "4");
  EXPECT_EQ(rank->at, (YamlPosition{3, 9}));
  EXPECT_FALSE(rank->quoted);
  const YamlNode* list = root->Find("list");
  ASSERT_EQ(list->items.size(), 2u);
  EXPECT_EQ(list->items[1].text, "b c");
  EXPECT_TRUE(list->items[1].quoted);
  EXPECT_EQ(list->items[1].at, (YamlPosition{4, 11}));
  EXPECT_EQ(root->Find("nothing"), nullptr);
}

TEST(YamlDocument, CountsCharactersNotBytes) {
  const auto root = Parse("\"\xc3\xb6\": x\n{\n");
  EXPECT_FALSE(root.ok());
  const auto wide = Parse("\xe6\x97\xa5: \xe6\x9c\xac\n");
  ASSERT_OK(wide);
  EXPECT_EQ(wide->items[0].at, (YamlPosition{1, 4}));
}

TEST(YamlDocument, EndsLinesAsEveryEditorDoes) {
  const auto root = Parse("a: 1\r\nb: 2\r\n");
  ASSERT_OK(root);
  EXPECT_EQ(root->Find("b")->text, "2");
  EXPECT_EQ(root->Find("b")->at, (YamlPosition{2, 4}));
}

TEST(YamlDocument, SkipsAByteOrderMarkAndRefusesUtf16) {
  const auto root = Parse(
      "\xef\xbb\xbf"
      "a: 1\n");
  ASSERT_OK(root);
  EXPECT_EQ(root->keys[0].text, "a");
  EXPECT_EQ(ErrorOf(std::string_view("\xff\xfe"
                                     "a\0:\0 \0b\0",
                                     10)),
            "a.yaml:1:1: not UTF-8; save the file as UTF-8");
}

TEST(YamlDocument, TellsNothingFromText) {
  const auto root = Parse("a:\nb: ~\nc: null\nd: ''\ne: 'null'\nf: {}\n");
  ASSERT_OK(root);
  for (const char* key : {"a", "b", "c"}) EXPECT_TRUE(root->Find(key)->IsNull()) << key;
  for (const char* key : {"d", "e", "f"}) EXPECT_FALSE(root->Find(key)->IsNull()) << key;
}

TEST(YamlDocument, KeepsItsLimits) {
  YamlLimits limits;
  limits.bytes = 10;
  EXPECT_EQ(ErrorOf("a: 12345678", limits), "a.yaml: 11 bytes, allowed are 10");
  limits = {};
  limits.nodes = 4;
  EXPECT_OK(Parse("[a, b, c]", limits));
  EXPECT_EQ(ErrorOf("[a, b, c, d]", limits), "a.yaml:1:11: more than 4 values in one file");
  limits = {};
  limits.depth = 3;
  EXPECT_OK(Parse("[[a]]", limits));
  EXPECT_EQ(ErrorOf("[[[a]]]", limits), "a.yaml:1:3: nested deeper than 3 levels");
}

TEST(YamlDocument, SurvivesNestingWithoutEnd) {
  for (const char* piece : {"[", "{", "- ", "? ", "a: {", "[a: "}) {
    std::string text;
    while (text.size() < 200000) text += piece;
    EXPECT_FALSE(Parse(text).ok()) << piece;
  }
}

TEST(YamlDocument, QuotesAGlimpseOfWhatItFound) {
  EXPECT_EQ(QuotedYaml("a'b"), "'a'b'");
  EXPECT_EQ(QuotedYaml("\n\x7f\xc3\xb6"), "'\\x0a\\x7f\\xc3\\xb6'");
  EXPECT_EQ(QuotedYaml(std::string(1000, 'x')), "'" + std::string(40, 'x') + "...'");
}

}  // namespace
}  // namespace attune
