#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "posix/posix_file_system.h"
#include "support/memory_file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

// Byte-level: "a", "b", the space, the two bytes of "é"; merges "ab", " ab".
const char kModel[] =
    R"("model":{"type":"BPE","vocab":{"a":0,"b":1,"Ġ":2,"Ã":3,"©":4,"ab":5,"Ġab":6},)"
    R"("merges":["a b",["Ġ","ab"]]})";

std::string Json(const std::string& fields = "", const std::string& model = kModel) {
  return StrCat(
      R"({"version":"1.0",)",
      fields.empty() ? R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)" : fields,
      model, "}");
}

Result<std::unique_ptr<Tokenizer>> Open(const std::string& json, const std::string& config = "") {
  testing::MemoryFileSystem files;
  files.Put("m/tokenizer.json", json);
  if (!config.empty()) files.Put("m/tokenizer_config.json", config);
  return Tokenizer::Open(files, "m");
}

std::string ErrorOf(const std::string& json) {
  const auto tokenizer = Open(json);
  if (tokenizer.ok()) return "opened";
  EXPECT_THAT(tokenizer.status().message(), ::testing::StartsWith("tokenizer.json: "));
  EXPECT_THAT(tokenizer.status().message(), ::testing::Not(HasSubstr("\n")));
  return tokenizer.status().ToString();
}

TEST(Tokenizer, ReadsBothSpellingsOfMerges) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Open(Json()));
  ASSERT_OK_AND_ASSIGN(const Ids ids, tokenizer->Encode("ab ab aab"));
  EXPECT_EQ(ids, (Ids{5, 6, 2, 0, 5}));
  EXPECT_EQ(tokenizer->Decode(ids), "ab ab aab");
  EXPECT_EQ(tokenizer->vocab_size(), 7);
}

TEST(Tokenizer, TellsTheBytesOfATokenAndWhetherItBeginsAWord) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Open(Json()));
  EXPECT_EQ(tokenizer->TokenBytes(6), " ab");
  EXPECT_EQ(tokenizer->TokenBytes(3), "\xC3");
  EXPECT_TRUE(tokenizer->BeginsWord(6));
  EXPECT_FALSE(tokenizer->BeginsWord(5));
  EXPECT_EQ(tokenizer->FindToken("Ġab"), 6);
  EXPECT_EQ(tokenizer->TokenSpelling(6), "Ġab");
}

TEST(Tokenizer, IdsOutOfRangeAddNothing) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Open(Json()));
  for (const std::int32_t id : {-1, 7, 1 << 30, INT32_MIN, INT32_MAX}) {
    EXPECT_EQ(tokenizer->TokenBytes(id), "");
    EXPECT_EQ(tokenizer->TokenSpelling(id), "");
    EXPECT_FALSE(tokenizer->BeginsWord(id));
    EXPECT_FALSE(tokenizer->IsSpecial(id));
    EXPECT_EQ(tokenizer->Decode(Ids{0, id, 1}), "ab");
  }
}

TEST(Tokenizer, StreamsWholeCharactersOnly) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Open(Json()));
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.Push(0), "a");
  EXPECT_EQ(decoder.Push(3), "");
  EXPECT_EQ(decoder.Push(4), "\xC3\xA9");
  EXPECT_EQ(decoder.Push(4), "\xEF\xBF\xBD");  // A continuation byte of nothing.
  EXPECT_EQ(decoder.Push(3), "");
  EXPECT_EQ(decoder.Push(0),
            "\xEF\xBF\xBD"
            "a");
  EXPECT_EQ(decoder.Push(3), "");
  EXPECT_EQ(decoder.Finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(Tokenizer, ControlTokensInUserTextStayText) {
  const std::string fields = R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)"
                             R"("added_tokens":[{"id":9,"content":"ab","special":true}],)";
  const std::string model = R"("model":{"vocab":{"a":0,"b":1},"merges":[]})";
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Open(Json(fields, model)));
  EXPECT_EQ(*tokenizer->Encode("aab"), (Ids{0, 0, 1}));
  EXPECT_EQ(*tokenizer->Encode("aab", {.parse_special = true}), (Ids{0, 9}));
  EXPECT_TRUE(tokenizer->IsSpecial(9));
  EXPECT_EQ(tokenizer->vocab_size(), 10);
  EXPECT_EQ(tokenizer->Decode(Ids{0, 9}), "a");
  EXPECT_EQ(tokenizer->Decode(Ids{0, 9}, {.skip_special = false}), "aab");
}

TEST(Tokenizer, TakesBosAndEosFromTokenizerConfig) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Open(Json(), R"({"bos_token":{"content":"a"},"eos_token":"b"})"));
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_EQ(tokenizer->eos_id(), 1);
  ASSERT_OK_AND_ASSIGN(const auto nameless, Open(Json()));
  EXPECT_EQ(nameless->bos_id(), std::nullopt);
}

TEST(Tokenizer, RefusesWhatItDoesNotImplementByName) {
  EXPECT_THAT(ErrorOf(Json("", R"("model":{"type":"Unigram","vocab":[]})")),
              HasSubstr("'Unigram'"));
  EXPECT_THAT(
      ErrorOf(Json(R"("normalizer":{"type":"Precompiled"},"pre_tokenizer":{"type":"ByteLevel"},)")),
      HasSubstr("'Precompiled'"));
  EXPECT_THAT(ErrorOf(Json(R"("pre_tokenizer":{"type":"BertPreTokenizer"},)")),
              HasSubstr("'BertPreTokenizer'"));
  EXPECT_THAT(ErrorOf(Json(R"("decoder":{"type":"WordPiece"},)")), HasSubstr("'WordPiece'"));
  EXPECT_THAT(
      ErrorOf(Json(
          R"("pre_tokenizer":{"type":"ByteLevel"},"post_processor":{"type":"RobertaProcessing"},)")),
      HasSubstr("'RobertaProcessing'"));
  const std::string split =
      R"("pre_tokenizer":{"type":"Split","behavior":"Isolated","pattern":{"Regex":")";
  EXPECT_THAT(ErrorOf(Json(split + R"(\\bx"}},)")), HasSubstr("escape \\b"));
  EXPECT_THAT(ErrorOf(Json(split + R"([a&&b]"}},)")), HasSubstr("&&"));
  EXPECT_THAT(ErrorOf(Json(split + R"((x"}},)")), HasSubstr("invalid argument"));
}

TEST(Tokenizer, NamesContradictionsWithBothNumbers) {
  const auto model = [](const std::string& vocab, const std::string& merges) {
    return Json("", StrCat(R"("model":{"vocab":)", vocab, R"(,"merges":)", merges, "}"));
  };
  EXPECT_THAT(ErrorOf(model(R"({"a":0})", R"(["a b"])")), HasSubstr("merge 0 needs 'b'"));
  EXPECT_THAT(ErrorOf(model(R"({"a":0,"b":1})", R"(["a b"])")), HasSubstr("'ab'"));
  EXPECT_THAT(ErrorOf(model(R"({"a":0})", R"(["a"])")), HasSubstr("merge 0"));
  EXPECT_THAT(ErrorOf(model(R"({"a":0,"b":0})", "[]")), HasSubstr("0 occurs twice"));
  EXPECT_THAT(ErrorOf(model(R"({"a":-1})", "[]")), HasSubstr("-1, allowed 0 to 2097151"));
  EXPECT_THAT(ErrorOf(model(R"({"a":2097152})", "[]")), HasSubstr("2097152, allowed 0 to 2097151"));
  EXPECT_THAT(ErrorOf(model(R"({"a":1.5})", "[]")), HasSubstr("not an integer"));
  const std::string added =
      R"("pre_tokenizer":{"type":"ByteLevel"},"added_tokens":[{"id":1,"content":"a"}],)";
  EXPECT_THAT(ErrorOf(Json(added)), HasSubstr("id 1, in the vocabulary 0"));
}

TEST(Tokenizer, StopsAPatternThatBacktracksWithoutEnd) {
  const std::string fields =
      R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","behavior":"Isolated",)"
      R"("pattern":{"Regex":"(a|aa)+$"}},{"type":"ByteLevel","use_regex":false}]},)";
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Open(Json(fields)));
  const auto ids = tokenizer->Encode(std::string(200, 'a') + "b");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().code(), StatusCode::kResourceExhausted);
}

TEST(Tokenizer, RefusesANormalizerThatExplodes) {
  std::string stages;
  for (int i = 0; i < 4; ++i) {
    stages +=
        StrCat(i ? "," : "", R"({"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaa"})");
  }
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Open(Json(StrCat(R"("normalizer":{"type":"Sequence","normalizers":[)",
                                        stages, R"(]},"pre_tokenizer":{"type":"ByteLevel"},)"))));
  const auto ids = tokenizer->Encode(std::string(1000, 'a'));
  ASSERT_FALSE(ids.ok());
  EXPECT_THAT(ids.status().message(), HasSubstr("1000 bytes became 64000"));
}

TEST(Tokenizer, PrefersTokenizerJsonInADirectory) {
  testing::MemoryFileSystem files;
  files.Put("m/vocab.json", R"({"a":0,"<|endoftext|>":1})");
  files.Put("m/merges.txt", "#version: 0.2\n");
  ASSERT_OK_AND_ASSIGN(const auto gpt2, Tokenizer::Open(files, "m"));
  EXPECT_EQ(gpt2->eos_id(), 1);
  EXPECT_EQ(gpt2->vocab_size(), 2);
  files.Put("m/tokenizer.json", Json());
  ASSERT_OK_AND_ASSIGN(const auto json, Tokenizer::Open(files, "m"));
  EXPECT_EQ(json->vocab_size(), 7);
  files.Put("other/readme.txt", "");
  EXPECT_EQ(Tokenizer::Open(files, "other").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Tokenizer::Open(files, "absent.json").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Tokenizer::Open(files, "other/readme.txt").status().code(), StatusCode::kUnsupported);
}

TEST(Tokenizer, EveryPrefixOfAFileIsAnErrorOrATokenizer) {
  const std::string whole = Json();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(Open(whole.substr(0, length)).ok()) << length;
  }
}

std::string SharedData() {
  const char* folder = std::getenv("ATTUNE_SHARED_DATA");
  return folder != nullptr ? folder : ATTUNE_SOURCE_DIR "/../shared/data";
}

TEST(Llama2cTokenizer, ReadsTheStoriesVocabulary) {
  const std::string path = SharedData() + "/lm-stories260k/tok512.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no tok512.bin in the shared data";
  PosixFileSystem files;
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Open(files, path));
  EXPECT_EQ(tokenizer->vocab_size(), 512);
  const std::string text = "Once upon a time, there was a little girl named Lily.";
  ASSERT_OK_AND_ASSIGN(const Ids ids, tokenizer->Encode(text));
  EXPECT_EQ(ids,
            (Ids{1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426}));
  EXPECT_EQ(tokenizer->Decode(ids), text);
  ASSERT_OK_AND_ASSIGN(
      const std::string story,
      files.Read(SharedData() + "/lm-stories260k/golden_greedy_256.txt", 1u << 16));
  EXPECT_EQ(tokenizer->Decode(*tokenizer->Encode(story)), story);
}

}  // namespace
}  // namespace attune
