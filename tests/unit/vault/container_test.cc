#include "vault/container.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "support/status_matchers.h"
#include "vault/bytes.h"

namespace attune {
namespace {

using Fields = std::map<std::string, std::string>;

std::string Number(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

// A container by hand, field by field, to be spoilt.
struct Pieces {
  std::uint16_t version = 1;
  std::vector<std::pair<std::string, std::string>> fields;
  struct Section {
    std::string name;
    std::uint64_t width = 1, codec = 0, size = 0;
    std::string payload;
  };
  std::vector<Section> sections;

  std::string Join() const {
    std::string out = "ATTC" + Number(version, 2) + Number(fields.size(), 4);
    for (const auto& [key, value] : fields) {
      out += Number(key.size(), 2) + key + Number(value.size(), 4) + value;
    }
    out += Number(sections.size(), 4);
    for (const Section& s : sections) {
      out += Number(s.name.size(), 2) + s.name + Number(s.width, 1) + Number(s.codec, 1) +
             Number(s.size, 8) + Number(s.payload.size(), 8) + s.payload;
    }
    return out;
  }
};

Pieces Small() {
  return {.fields = {{"a", "1"}, {"b", ""}},
          .sections = {{"x", 1, 0, 3, "xyz"}, {"y", 4, 0, 5, "12345"}}};
}

StatusCode CodeOf(const Pieces& pieces, std::uint64_t limit = kMaxContainerBytes) {
  const auto container = DecodeContainer(pieces.Join(), limit);
  EXPECT_EQ(container.status().message().find('\n'), std::string::npos);
  return container.status().code();
}

// What a container holds, as its encoder takes it.
std::string Encode(const Container& container) {
  std::vector<ContainerSection> sections;
  for (const auto& s : container.sections) sections.push_back({s.name, s.width, AsBytes(s.bytes)});
  return EncodeContainer(container.fields, sections);
}

TEST(Container, HasTheDocumentedBytes) {
  const std::string x = "xyz", y = "12345";
  const ContainerSection sections[] = {{"x", 1, AsBytes(x)}, {"y", 4, AsBytes(y)}};
  EXPECT_EQ(EncodeContainer({{"b", ""}, {"a", "1"}}, sections), Small().Join());
}

TEST(Container, ComesBack) {
  const std::string text = "in the order they were given", numbers(40000, '\x3f');
  const ContainerSection sections[] = {{"text", 1, AsBytes(text)},
                                       {"numbers", 4, AsBytes(numbers)}};
  const Fields fields = {{"step", "12"}, {"empty", ""}, {"binary", std::string("\0\xff", 2)}};
  const std::string bytes = EncodeContainer(fields, sections);
  EXPECT_LT(bytes.size(), 1000u);
  ASSERT_OK_AND_ASSIGN(const Container container, DecodeContainer(bytes));
  EXPECT_EQ(container.fields, fields);
  ASSERT_EQ(container.sections.size(), 2u);
  EXPECT_EQ(container.sections[0], (Container::Section{"text", 1, text}));
  EXPECT_EQ(container.sections[1], (Container::Section{"numbers", 4, numbers}));
  EXPECT_EQ(Encode(container), bytes);
  EXPECT_EQ(*container.Field("step"), "12");
  EXPECT_EQ(container.Field("stop"), nullptr);
  EXPECT_EQ(container.Find("numbers")->width, 4);
  EXPECT_EQ(container.Find("number"), nullptr);
}

TEST(Container, MayBeEmpty) {
  const std::string bytes = EncodeContainer({}, {});
  ASSERT_OK_AND_ASSIGN(const Container container, DecodeContainer(bytes));
  EXPECT_EQ(container, Container());
}

TEST(Container, RefusesEveryCutAndEveryAddition) {
  const std::string bytes = Small().Join();
  ASSERT_OK(DecodeContainer(bytes));
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    const auto status = DecodeContainer(bytes.substr(0, cut)).status();
    ASSERT_EQ(status.code(), StatusCode::kDataLoss) << cut;
  }
  EXPECT_EQ(DecodeContainer(bytes + '\0').status().code(), StatusCode::kDataLoss);
}

// Where nothing is compressed there is one form only.
TEST(Container, WhatDecodesEncodesToTheSameBytes) {
  const std::string bytes = Small().Join();
  int decoded = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      const auto container = DecodeContainer(changed);
      if (!container.ok()) continue;
      ++decoded;
      ASSERT_EQ(Encode(*container), changed) << i << " " << value;
    }
  }
  EXPECT_GT(decoded, 100);
}

TEST(Container, RefusesAnotherOrderOfFields) {
  Pieces pieces = Small();
  std::swap(pieces.fields[0], pieces.fields[1]);
  EXPECT_EQ(CodeOf(pieces), StatusCode::kDataLoss);
  pieces.fields[1] = pieces.fields[0];
  EXPECT_EQ(CodeOf(pieces), StatusCode::kDataLoss);
}

TEST(Container, RefusesRepeatedEmptyAndLongNames) {
  Pieces pieces = Small();
  pieces.sections[1].name = "x";
  EXPECT_EQ(CodeOf(pieces), StatusCode::kDataLoss);
  pieces.sections[1].name = "";
  EXPECT_EQ(CodeOf(pieces), StatusCode::kDataLoss);
  pieces.sections[1].name.assign(kMaxContainerName + 1, 'n');
  EXPECT_EQ(CodeOf(pieces), StatusCode::kDataLoss);
  pieces.sections[1].name.assign(kMaxContainerName, 'n');
  EXPECT_EQ(CodeOf(pieces), StatusCode::kOk);
  pieces.fields[0].first = "";
  EXPECT_EQ(CodeOf(pieces), StatusCode::kDataLoss);
}

TEST(Container, TellsALaterVersionFromDamage) {
  Pieces pieces = Small();
  pieces.version = 2;
  EXPECT_EQ(CodeOf(pieces), StatusCode::kUnsupported);
  pieces.version = 0;
  EXPECT_EQ(CodeOf(pieces), StatusCode::kDataLoss);
  EXPECT_EQ(DecodeContainer("ATTX").status().code(), StatusCode::kDataLoss);
}

TEST(Container, RefusesCountsBeyondItsBytesAndBounds) {
  const std::string head = "ATTC" + Number(1, 2);
  for (const std::uint64_t count : {1u, 0x10000u, 0x10001u, 0xffffffffu}) {
    const std::string fields = head + Number(count, 4);
    EXPECT_EQ(DecodeContainer(fields).status().code(), StatusCode::kDataLoss);
    const std::string sections = head + Number(0, 4) + Number(count, 4);
    EXPECT_EQ(DecodeContainer(sections).status().code(), StatusCode::kDataLoss);
  }
}

TEST(Container, ComesToNoMoreThanItsLimit) {
  const std::uint64_t exact = Small().Join().size() - 2 * (2 + 1 + 1 + 1 + 8 + 8) - 4;
  EXPECT_EQ(CodeOf(Small(), exact), StatusCode::kOk);
  EXPECT_EQ(CodeOf(Small(), exact - 1), StatusCode::kResourceExhausted);
}

// Neither section alone is too large, and none of them is made.
TEST(Container, CountsAllSectionsAgainstTheLimitBeforeMakingAny) {
  const std::string zeros(1 << 20, '\0');
  const ContainerSection sections[] = {{"a", 1, AsBytes(zeros)}, {"b", 4, AsBytes(zeros)}};
  const std::string bytes = EncodeContainer({}, sections);
  ASSERT_LT(bytes.size(), 2500u);
  EXPECT_OK(DecodeContainer(bytes, (2 << 20) + 100));
  EXPECT_EQ(DecodeContainer(bytes, (2 << 20) - 1).status().code(), StatusCode::kResourceExhausted);
  Pieces pieces = Small();
  pieces.sections[0].size = ~std::uint64_t{0};
  const Status overflow = DecodeContainer(pieces.Join()).status();
  EXPECT_EQ(overflow.code(), StatusCode::kDataLoss);
  EXPECT_NE(overflow.message().find("64 bits"), std::string::npos) << overflow.message();
}

}  // namespace
}  // namespace attune
