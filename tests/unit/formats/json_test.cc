#include "formats/json.h"

#include <gmock/gmock.h>

#include <chrono>

#include "base/strings.h"
#include "formats/json_writer.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::HasSubstr;

std::string ParseError(std::string_view text, const JsonLimits& limits = {}) {
  const auto document = JsonDocument::Parse(text, limits);
  return document.ok() ? "no error" : document.status().message();
}

TEST(Json, HoldsEveryKindInTheOrderOfTheText) {
  ASSERT_OK_AND_ASSIGN(
      const JsonDocument document,
      JsonDocument::Parse(
          R"({"z": null, "a": true, "i": -9223372036854775808, "d": 1.5, "s": "x\n\u00e9", "l": [1, 2], "o": {}})"));
  const Json& root = document.root();
  ASSERT_EQ(root.size(), 7u);
  EXPECT_EQ(root.members()[0].key, "z");
  EXPECT_EQ(root.members()[1].key, "a");
  EXPECT_TRUE(root.Find("z")->is_null());
  EXPECT_TRUE(root.Find("a")->bool_value());
  EXPECT_EQ(root.Find("i")->int_value(), Json::kIntMin);
  EXPECT_EQ(root.Find("d")->number_value(), 1.5);
  EXPECT_EQ(root.Find("s")->string_value(), "x\n\xc3\xa9");
  EXPECT_EQ(root.Find("l")->items()[1].int_value(), 2);
  EXPECT_EQ(root.Find("o")->size(), 0u);
  EXPECT_EQ(root.Find("absent"), nullptr);
}

TEST(Json, TakesAnyValueAsTheRoot) {
  ASSERT_OK_AND_ASSIGN(const JsonDocument document, JsonDocument::Parse(" 7 "));
  EXPECT_EQ(document.root().int_value(), 7);
  EXPECT_EQ(document.root().Find("x"), nullptr);
}

TEST(Json, IntegersBeyondInt64AreNumbers) {
  ASSERT_OK_AND_ASSIGN(const JsonDocument document,
                       JsonDocument::Parse("[18446744073709551615, 9223372036854775807]"));
  EXPECT_EQ(document.root().items()[0].kind(), JsonKind::kDouble);
  EXPECT_EQ(document.root().items()[1].int_value(), Json::kIntMax);
}

TEST(Json, StringsMayHoldNul) {
  ASSERT_OK_AND_ASSIGN(const JsonDocument document, JsonDocument::Parse(R"(["a\u0000b"])"));
  EXPECT_EQ(document.root().items()[0].string_value(), std::string_view("a\0b", 3));
}

TEST(Json, RefusesWhatIsNotJson) {
  EXPECT_THAT(ParseError(""), HasSubstr("byte 0 of 0: text ends too early"));
  EXPECT_THAT(ParseError("[1,"), HasSubstr("of 3: text ends too early"));
  EXPECT_THAT(ParseError("[1] 2"), HasSubstr("text after the end of the value"));
  EXPECT_THAT(ParseError("[1,]"), HasSubstr("byte 4 of 4: syntax error"));
  EXPECT_THAT(ParseError("{'a': 1}"), HasSubstr("syntax error"));
  EXPECT_THAT(ParseError("[1] // no"), HasSubstr("byte"));
  EXPECT_THAT(ParseError("[01]"), HasSubstr("byte"));
  EXPECT_THAT(ParseError("[NaN]"), HasSubstr("byte"));
  EXPECT_THAT(ParseError("[1e999]"), HasSubstr("number out of range"));
  EXPECT_THAT(ParseError("[\"a\nb\"]"), HasSubstr("control character"));
  EXPECT_THAT(ParseError("[\"\\ud800\"]"), HasSubstr("lone surrogate"));
  EXPECT_THAT(ParseError("[\"\\x\"]"), HasSubstr("unknown escape"));
}

TEST(Json, RefusesInvalidUtf8) {
  EXPECT_THAT(ParseError("[\"\xff\"]"), HasSubstr("byte 3 of 5: invalid UTF-8"));
  EXPECT_THAT(ParseError("[\"\xc0\x80\"]"), HasSubstr("invalid UTF-8"));      // Overlong.
  EXPECT_THAT(ParseError("[\"\xed\xa0\x80\"]"), HasSubstr("invalid UTF-8"));  // A surrogate.
}

TEST(Json, ANulByteDoesNotHideWhatFollows) {
  EXPECT_THAT(ParseError(std::string_view("{}\0garbage", 10)), HasSubstr("byte 2 of 10: NUL byte"));
  EXPECT_THAT(ParseError(std::string_view("{}\0", 3)), HasSubstr("NUL byte"));
}

TEST(Json, RefusesAKeyGivenTwice) {
  EXPECT_THAT(ParseError(R"({"a": 1, "b": {"c": 1, "c": 2}})"),
              HasSubstr("byte 30 of 31: the same key twice"));
  EXPECT_EQ(ParseError(R"({"a": {"c": 1}, "b": {"c": 2}})"), "no error");
}

TEST(Json, BoundsDepthAndSize) {
  const JsonLimits limits{.max_bytes = 10, .max_depth = 3};
  EXPECT_EQ(ParseError("[[[1]]]", limits), "no error");
  EXPECT_THAT(ParseError("[[[[1]]]]", limits), HasSubstr("byte 4 of 9: nested deeper than 3"));
  EXPECT_THAT(ParseError("[1,2,3,4,5]", limits), HasSubstr("11 bytes, allowed at most 10"));
  const auto document = JsonDocument::Parse("[1,2,3,4,5]", limits);
  EXPECT_EQ(document.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(ParseError(std::string(1 << 20, '[')), HasSubstr("nested deeper than 64"));
}

TEST(Json, ErrorsDoNotShowTheText) {
  EXPECT_THAT(ParseError("[\"my secret words"), Not(HasSubstr("secret")));
  EXPECT_THAT(ParseError("[secret]"), Not(HasSubstr("secret")));
}

TEST(JsonAccess, NamesThePathAndBothNumbers) {
  ASSERT_OK_AND_ASSIGN(
      const JsonDocument document,
      JsonDocument::Parse(
          R"({"rope": {"factor": "8", "n": 70}, "l": [1, [2, "x"]], "nil": null})"));
  const Json& root = document.root();
  ASSERT_OK_AND_ASSIGN(const Json* rope, root.GetObject("rope"));
  EXPECT_EQ(rope->GetNumber("factor").status().message(),
            "rope.factor: is a string, expected a number");
  EXPECT_EQ(rope->GetInt("n", 1, 64).status().message(), "rope.n: is 70, allowed 1 to 64");
  EXPECT_EQ(rope->GetInt("gone").status().message(), "rope.gone: absent");
  EXPECT_EQ(root.GetBool("nil").status().message(), "nil: is null, expected a boolean");
  EXPECT_EQ(root.GetArray("rope").status().message(), "rope: is an object, expected a list");
  ASSERT_OK_AND_ASSIGN(const Json* list, root.GetArray("l"));
  ASSERT_OK_AND_ASSIGN(const Json* inner, list->ArrayAt(1));
  EXPECT_EQ(inner->Path(), "l[1]");
  EXPECT_EQ(inner->IntAt(1).status().message(), "l[1][1]: is a string, expected an integer");
  EXPECT_EQ(inner->IntAt(2).status().message(), "l[1][2]: absent, the list has 2 elements");
  EXPECT_EQ(list->GetInt("k").status().message(), "l: is a list, expected an object");
  EXPECT_EQ(root.StringAt(0).status().message(), "top level: is an object, expected a list");
}

TEST(JsonAccess, DefaultsStandInForAbsentAndNullOnly) {
  ASSERT_OK_AND_ASSIGN(const JsonDocument document,
                       JsonDocument::Parse(R"({"nil": null, "i": 3, "d": 2.5, "s": "x"})"));
  const Json& root = document.root();
  ASSERT_OK_AND_ASSIGN(const std::int64_t nil, root.IntOr("nil", 7));
  EXPECT_EQ(nil, 7);
  ASSERT_OK_AND_ASSIGN(const double absent, root.NumberOr("absent", 0.5));
  EXPECT_EQ(absent, 0.5);
  ASSERT_OK_AND_ASSIGN(const double widened, root.NumberOr("i", 0.5));
  EXPECT_EQ(widened, 3.0);
  ASSERT_OK_AND_ASSIGN(const bool flag, root.BoolOr("absent", true));
  EXPECT_TRUE(flag);
  ASSERT_OK_AND_ASSIGN(const std::string_view text, root.StringOr("s", "y"));
  EXPECT_EQ(text, "x");
  EXPECT_FALSE(root.IntOr("d", 7).ok());
  EXPECT_FALSE(root.IntOr("i", 7, 4, 9).ok());
  EXPECT_FALSE(root.BoolOr("i", false).ok());
}

TEST(JsonAccess, LongAndUglyKeysStayOnOneShortLine) {
  ASSERT_OK_AND_ASSIGN(const JsonDocument document,
                       JsonDocument::Parse(StrCat("{\"a\\n", std::string(500, 'x'), "\": {}}")));
  const std::string path = document.root().members()[0].value.Path();
  EXPECT_LT(path.size(), 100u);
  EXPECT_THAT(path, HasSubstr("a?xxx"));
}

// The shape of a big tokenizer.json: 150,000 words and 150,000 merges.
TEST(Json, StaysQuickOnATenMegabyteTokenizer) {
  std::string text = R"({"vocab":{)";
  for (int i = 0; i < 150'000; ++i) text += StrCat(i ? "," : "", "\"word", i * 7919, "\":", i);
  text += R"(},"merges":[)";
  for (int i = 0; i < 150'000; ++i)
    text += StrCat(i ? "," : "", "[\"left", i, "\",\"right", i, "\"]");
  text += "]}";
  const auto start = std::chrono::steady_clock::now();
  ASSERT_OK_AND_ASSIGN(const JsonDocument document, JsonDocument::Parse(text));
  const Json* vocab = document.root().Find("vocab");
  std::int64_t sum = 0;
  for (int i = 0; i < 150'000; ++i) {
    const Json* id = vocab->Find(StrCat("word", i * 7919));
    ASSERT_NE(id, nullptr);
    sum += id->int_value();
  }
  EXPECT_EQ(sum, 150'000LL * 149'999 / 2);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds", static_cast<int>(took.count() * 1e3));
  // Quadratic lookup would take minutes; a sanitizer takes a second.
  EXPECT_LT(took.count(), 20.0);
}

TEST(JsonWriter, IndentsAndSorts) {
  JsonWriter json({.indent = 2, .sort_keys = true});
  json.BeginObject();
  json.Key("b").BeginArray();
  json.Int(1);
  json.String("x\"\\\n\x01\xc3\xa9");
  json.EndArray();
  json.Key("a").Null();
  json.Key("c").BeginObject();
  json.EndObject();
  json.EndObject();
  EXPECT_EQ(std::move(json).Finish(),
            "{\n  \"a\": null,\n  \"b\": [\n    1,\n    \"x\\\"\\\\\\n\\u0001\xc3\xa9\"\n  ],\n"
            "  \"c\": {}\n}");
}

TEST(JsonWriter, KeepsTheOrderOfTheCallsUnlessToldToSort) {
  JsonWriter json;
  json.BeginObject();
  json.Key("b").Bool(true);
  json.Key("a").Bool(false);
  json.EndObject();
  EXPECT_EQ(std::move(json).Finish(), R"({"b":true,"a":false})");
}

TEST(JsonWriter, DoublesAreShortestAndReadBackTheSame) {
  for (const double value : {0.0, 0.1, 1.0, -2.5, 1e300, 5e-324, 1.0 / 3.0, 16.0}) {
    JsonWriter json;
    json.Double(value);
    const std::string text = std::move(json).Finish();
    ASSERT_OK_AND_ASSIGN(const JsonDocument document, JsonDocument::Parse(text));
    EXPECT_EQ(document.root().kind(), JsonKind::kDouble) << text;
    EXPECT_EQ(document.root().number_value(), value) << text;
    EXPECT_LE(text.size(), 20u) << text;
  }
}

TEST(JsonWriter, WritesBackWhatWasRead) {
  const std::string text =
      R"({"z":null,"a":[true,false,-1,0.1,"x"],"o":{"k":{"deep":[[]]}},"e":"\u0000\t/"})";
  ASSERT_OK_AND_ASSIGN(const JsonDocument document, JsonDocument::Parse(text));
  JsonWriter json;
  json.Value(document.root());
  EXPECT_EQ(std::move(json).Finish(), text);
}

}  // namespace
}  // namespace attune
