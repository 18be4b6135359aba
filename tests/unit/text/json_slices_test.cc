#include "text/json_slices.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/status_matchers.h"

namespace attune {
namespace {

std::string Find(std::string_view text) {
  constexpr std::string_view kPath[] = {"model", "merges"};
  const auto span = FindJsonValue(text, kPath);
  return span ? std::string(text.substr(span->begin, span->end - span->begin)) : "none";
}

TEST(JsonSlices, FindsAValueBehindAnyOthers) {
  EXPECT_EQ(Find(R"({"model":{"merges":[1]}})"), "[1]");
  EXPECT_EQ(
      Find(R"({"a":"}\"],{","b":[{"merges":0}],"model":{"v":{"merges":[2]}, "merges" : [ 3 ] }})"),
      "[ 3 ]");
  EXPECT_EQ(Find(R"({"merges":[1],"model":{"m":-1.5e3,"n":null,"merges":["]","\\"]}})"),
            R"(["]","\\"])");
}

TEST(JsonSlices, FindsNothingInWhatIsNotThere) {
  for (const char* text :
       {"", "{", "[", "{}", R"({"model":3})", R"({"model":{"x":1}})", R"({"model":{"merges)",
        R"({"model" {"merges":1}})", R"({"model":[{"merges":1}]})", "\"\\"}) {
    EXPECT_EQ(Find(text), "none") << text;
  }
}

TEST(JsonSlices, CutsBetweenElementsOnly) {
  const std::string array = R"([ "a b",["c","d,]"], {"e":[1,2]},"f" ])";
  for (std::size_t bytes = 0; bytes <= array.size(); ++bytes) {
    std::string joined;
    ASSERT_OK(ForEachSlice(array, bytes, [&](std::string_view slice) {
      EXPECT_TRUE(slice.starts_with('[') && slice.ends_with(']'));
      joined +=
          std::string(joined.empty() ? "" : ",") + std::string(slice.substr(1, slice.size() - 2));
      return OkStatus();
    }));
    EXPECT_EQ(joined, R"("a b",["c","d,]"], {"e":[1,2]},"f")") << bytes;
  }
}

TEST(JsonSlices, GivesNoSliceOfAnEmptyArray) {
  const auto never = [](std::string_view) { return Internal("visited"); };
  EXPECT_OK(ForEachSlice("[]", 10, never));
  EXPECT_OK(ForEachSlice("[ ]", 10, never));
}

TEST(JsonSlices, RefusesWhatIsNotOneArray) {
  const auto accept = [](std::string_view) { return OkStatus(); };
  for (const char* text : {"", "1", "[1", "[1]]", "[1] [2]", "{}", "\"]"}) {
    EXPECT_FALSE(ForEachSlice(text, 10, accept).ok()) << text;
  }
}

}  // namespace
}  // namespace attune
