// The tokenizers of tests/golden/text against the ids of the reference
// libraries.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "formats/json.h"
#include "posix/posix_file_system.h"
#include "support/status_matchers.h"
#include "text/tokenizer.h"

namespace attune {
namespace {

const char kFolder[] = ATTUNE_SOURCE_DIR "/tests/golden/text";

std::string FromHex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

JsonDocument ReadJson(const std::string& path) {
  PosixFileSystem files;
  Result<std::string> text = files.Read(path, 1u << 24);
  EXPECT_OK(text);
  return *JsonDocument::Parse(*text);
}

std::vector<std::int32_t> Ids(const Json& list) {
  std::vector<std::int32_t> out;
  for (const Json& item : list.items()) out.push_back(static_cast<std::int32_t>(item.int_value()));
  return out;
}

std::vector<std::string> Families() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.is_directory()) out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::unique_ptr<Tokenizer> OpenFamily(const std::string& family) {
  PosixFileSystem files;
  auto tokenizer = Tokenizer::Open(files, JoinPath(kFolder, family));
  EXPECT_OK(tokenizer);
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

class Golden : public ::testing::TestWithParam<std::string> {
 protected:
  Golden()
      : tokenizer_(OpenFamily(GetParam())),
        texts_(ReadJson(JoinPath(kFolder, "corpus.json"))),
        expected_(ReadJson(JoinPath(kFolder, GetParam() + "/expected.json"))) {}

  void SetUp() override { ASSERT_NE(tokenizer_, nullptr); }

  // Calls `check(text, expected case)` for each text.
  template <typename Check>
  void ForEachCase(const Check& check) {
    const auto texts = texts_.root().items();
    const auto cases = (*expected_.root().GetArray("cases"))->items();
    ASSERT_GT(texts.size(), 30u);
    ASSERT_EQ(texts.size(), cases.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      SCOPED_TRACE(*texts[i].GetString("name"));
      ASSERT_EQ(*texts[i].GetString("name"), *cases[i].GetString("name"));
      check(FromHex(*texts[i].GetString("text")), cases[i]);
    }
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  JsonDocument texts_;
  JsonDocument expected_;
};

TEST_P(Golden, GivesTheIdsOfTheReference) {
  ForEachCase([this](const std::string& text, const Json& expected) {
    ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer_->Encode(text));
    EXPECT_EQ(ids, Ids(**expected.GetArray("ids")));
    for (const std::int32_t id : ids) EXPECT_LT(id, tokenizer_->vocab_size());
  });
}

TEST_P(Golden, ReadsControlTokensWhenAskedTo) {
  ForEachCase([this](const std::string& text, const Json& expected) {
    ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer_->Encode(text, {.add_special_tokens = false,
                                                                   .parse_special = true}));
    EXPECT_EQ(ids, Ids(**expected.GetArray("ids_special")));
  });
}

TEST_P(Golden, DecodesAsTheReference) {
  ForEachCase([this](const std::string&, const Json& expected) {
    const std::vector<std::int32_t> ids = Ids(**expected.GetArray("ids"));
    EXPECT_EQ(tokenizer_->Decode(ids), FromHex(*expected.GetString("decoded")));
  });
}

// The same word, letter by letter, as make_golden.py makes.
std::string LongWord(std::string_view name) {
  if (name == "one letter") return std::string(100'000, 'a');
  std::string out;
  std::uint64_t state = 1;
  for (int i = 0; i < 100'000; ++i) {
    state = (state * 1103515245 + 12345) % (std::uint64_t{1} << 31);
    out.push_back("etaoinsrhldcu"[state / 65536 % 13]);
  }
  return out;
}

std::string Fnv1a(const std::vector<std::int32_t>& ids) {
  std::uint64_t value = 0xCBF29CE484222325u;
  for (const std::int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      value = (value ^ (static_cast<std::uint32_t>(id) >> shift & 0xFF)) * 0x100000001B3u;
    }
  }
  char buffer[17];
  std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(value));
  return buffer;
}

TEST_P(Golden, AgreesOnWordsOf100000Letters) {
  for (const Json& expected : (*expected_.root().GetArray("long"))->items()) {
    SCOPED_TRACE(*expected.GetString("name"));
    ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer_->Encode(LongWord(*expected.GetString("name"))));
    EXPECT_EQ(std::ssize(ids), *expected.GetInt("count"));
    EXPECT_EQ(Fnv1a(ids), *expected.GetString("fnv1a"));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Golden, ::testing::ValuesIn(Families()),
                         [](const auto& family) { return family.param; });

TEST(GoldenFolder, HoldsEveryFamily) {
  EXPECT_THAT(Families(), ::testing::IsSupersetOf({"added", "gpt2", "gpt2_files", "llama2_legacy",
                                                   "llama2_metaspace", "llama2c", "llama3", "qwen",
                                                   "sentencepiece_llama", "sentencepiece_plain",
                                                   "smollm", "unknown", "unknown_fused"}));
}

}  // namespace
}  // namespace attune
