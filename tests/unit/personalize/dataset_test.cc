#include "session/dataset.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "posix/posix_file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

std::vector<std::string> TextsOf(const std::vector<Message>& messages) {
  std::vector<std::string> texts;
  for (const Message& message : messages) texts.push_back(message.text);
  return texts;
}

// The message of the one error that parsing `bytes` gives.
std::string ErrorOf(std::string_view bytes, const std::string& name) {
  const auto dataset = ParseDataset(bytes, name);
  EXPECT_FALSE(dataset.ok());
  EXPECT_EQ(dataset.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(dataset.status().message().find('\n'), std::string::npos);
  return dataset.status().message();
}

TEST(Dataset, PlainTextIsOneMessageALine) {
  ASSERT_OK_AND_ASSIGN(const Dataset dataset,
                       ParseDataset("\xef\xbb\xbfone\r\n\n  \ntwo\twords\nlast", "a.txt"));
  EXPECT_EQ(dataset.format, DataFormat::kText);
  EXPECT_EQ(TextsOf(dataset.messages), (std::vector<std::string>{"one", "two\twords", "last"}));
}

TEST(Dataset, TsvIsSortedByTimeAndKeepsTabsInTheText) {
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, ParseDataset("2025-09-02\t07:52\tsecond\n"
                                                           "2025-09-01\t23:59:58\tfirst\tof all\n"
                                                           "2025-09-02\t07:52\tthird\n"
                                                           "2025-09-03\t07:52\t\n",
                                                           "a.tsv"));
  EXPECT_EQ(TextsOf(dataset.messages),
            (std::vector<std::string>{"first\tof all", "second", "third"}));
  EXPECT_EQ(dataset.messages[1].when, "2025-09-02 07:52");
}

TEST(Dataset, JsonlTakesAllThreeForms) {
  ASSERT_OK_AND_ASSIGN(
      const Dataset dataset,
      ParseDataset("{\"text\": \"hi\"}\n{\"prompt\": \"2+2=\", \"completion\": \"4\"}\n"
                   "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"},"
                   " {\"role\": \"assistant\", \"content\": \"a\"}]}\n",
                   "a.jsonl"));
  ASSERT_EQ(dataset.messages.size(), 3u);
  EXPECT_EQ(dataset.messages[0].text, "hi");
  EXPECT_EQ(dataset.messages[1].prompt, "2+2=");
  EXPECT_EQ(dataset.messages[1].text, "4");
  EXPECT_EQ(dataset.messages[2].turns[1].role, "assistant");
}

TEST(Dataset, GuessesTheFormatOfANameThatSaysNothing) {
  EXPECT_EQ(ParseDataset("2025-09-02\t07:52\thello\n", "log")->format, DataFormat::kTsv);
  EXPECT_EQ(ParseDataset("{\"text\": \"x\"}\n", "log")->format, DataFormat::kJsonl);
  EXPECT_EQ(ParseDataset("2025-09-02 was a fine day\n", "log")->format, DataFormat::kText);
}

TEST(Dataset, ErrorsNameFileLineAndBothNumbersButNoText) {
  EXPECT_EQ(ErrorOf("2025-09-02\t07:52\tok\n2025-09-02\tsecret words\n", "a.tsv"),
            "a.tsv: line 2: 2 columns, expected 3");
  EXPECT_EQ(ErrorOf("secret\n", "a.tsv"), "a.tsv: line 1: 1 column, expected 3");
  EXPECT_EQ(ErrorOf("2025-13-02\t07:52\tsecret\n", "a.tsv"),
            "a.tsv: line 1: column 1 is no date of the form YYYY-MM-DD");
  EXPECT_EQ(ErrorOf("\n2025-12-02\t24:00\tsecret\n", "a.tsv"),
            "a.tsv: line 2: column 2 is no time of the form HH:MM");
  EXPECT_EQ(ErrorOf(std::string_view("ab\0cd\n", 6), "a.txt"),
            "a.txt: line 1: byte 3 of 5 is NUL, not text");
  EXPECT_EQ(ErrorOf("\n \n", "a.txt"), "a.txt: 0 messages in 3 bytes, 1 needed");
  EXPECT_EQ(ErrorOf("", "a.txt"), "a.txt: 0 messages in 0 bytes, 1 needed");
}

TEST(Dataset, JsonErrorsNameTheLineAndThePlace) {
  for (const char* line :
       {"{\"text\": \"secret\"", "[1]", "{}", "{\"text\": 3}", "{\"prompt\": \"secret\"}",
        "{\"text\": \"secret\", \"completion\": \"x\"}", "{\"messages\": []}",
        "{\"messages\": [{\"role\": \"user\"}]}", "{\"completion\": \"secret\"}"}) {
    SCOPED_TRACE(line);
    const std::string error = ErrorOf(StrCat("{\"text\": \"fine\"}\n", line, "\n"), "a.jsonl");
    EXPECT_TRUE(error.starts_with("a.jsonl: line 2: ")) << error;
    EXPECT_EQ(error.find("secret"), std::string::npos) << error;
  }
}

TEST(Dataset, AnAbsentFileIsNotFoundByItsBaseName) {
  PosixFileSystem files;
  const Status status = ReadDataset(files, "/nowhere/at/all.txt").status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_NE(status.message().find("all.txt"), std::string::npos);
  EXPECT_EQ(status.message().find("nowhere"), std::string::npos);
}

TEST(SplitByTime, HoldsOutTheLatestMessages) {
  const auto split = [](int n, double fraction) {
    Dataset dataset;
    for (int i = 0; i < n; ++i) {
      Message message;
      message.text = StrCat(i);
      dataset.messages.push_back(message);
    }
    return SplitByTime(std::move(dataset), fraction);
  };
  EXPECT_EQ(TextsOf(split(5, 0.4).held_out), (std::vector<std::string>{"3", "4"}));
  EXPECT_EQ(split(5, 0.4).train.size(), 3u);
  EXPECT_EQ(split(5, 0).held_out.size(), 0u);
  // Neither part is empty when there is something to share.
  EXPECT_EQ(split(2, 0.01).held_out.size(), 1u);
  EXPECT_EQ(split(2, 0.99).train.size(), 1u);
  EXPECT_EQ(split(1, 0.5).train.size(), 1u);
}

// Every byte is a token, with a start (1) and an end (2) of text; "<|im_start|>"
// and "<|im_end|>" are 3 and 4 where `chat_ml`.
class ByteTokenizer final : public Tokenizer {
 public:
  explicit ByteTokenizer(bool chat_ml) : chat_ml_(chat_ml) {}
  Result<std::vector<std::int32_t>> Encode(std::string_view text,
                                           const EncodeOptions& options) const override {
    if (options.parse_special && text == "<|im_start|>") return std::vector<std::int32_t>{3};
    if (options.parse_special && text == "<|im_end|>") return std::vector<std::int32_t>{4};
    std::vector<std::int32_t> ids;
    if (options.add_special_tokens) ids.push_back(1);
    for (char c : text) ids.push_back(100 + static_cast<unsigned char>(c));
    return ids;
  }
  std::int32_t vocab_size() const override { return 356; }
  std::optional<std::int32_t> bos_id() const override { return 1; }
  std::optional<std::int32_t> eos_id() const override { return 2; }
  std::string TokenBytes(std::int32_t id) const override {
    return id < 100 ? "" : std::string(1, static_cast<char>(id - 100));
  }
  bool IsSpecial(std::int32_t id) const override { return id < 100; }
  std::optional<std::int32_t> FindToken(std::string_view spelling) const override {
    if (chat_ml_ && spelling == "<|im_start|>") return 3;
    if (chat_ml_ && spelling == "<|im_end|>") return 4;
    return std::nullopt;
  }
  std::string TokenSpelling(std::int32_t id) const override { return TokenBytes(id); }

 protected:
  std::size_t LeadingSpacesToStrip() const override { return 0; }

 private:
  bool chat_ml_;
};

// "[start]", "[end]", "<" and ">" for the control tokens 1 to 4, "|" before the
// first label.
std::string Shown(const TrainingExample& example) {
  const char* const control[] = {"", "[start]", "[end]", "<", ">"};
  std::string out;
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    if (static_cast<std::int64_t>(i) == example.first_label) out += "|";
    const std::int32_t id = example.ids[i];
    out += id < 100 ? control[id] : std::string(1, static_cast<char>(id - 100));
  }
  return out;
}

TEST(EncodeMessage, FramesATextAndMasksAPrompt) {
  const ByteTokenizer tokenizer(false);
  EXPECT_EQ(Shown(*EncodeMessage(tokenizer, {.text = "ab"})), "[start]|ab[end]");
  EXPECT_EQ(Shown(*EncodeMessage(tokenizer, {.prompt = "q:", .text = "ab"})), "[start]q:|ab[end]");
}

TEST(EncodeMessage, WritesAConversationAndLearnsItsLastTurn) {
  const Message message{.turns = {{"user", "hi"}, {"assistant", "yo"}}};
  EXPECT_EQ(Shown(*EncodeMessage(ByteTokenizer(false), message)),
            "[start]user: hi\nassistant:| yo[end]");
  EXPECT_EQ(Shown(*EncodeMessage(ByteTokenizer(true), message)),
            "[start]<user\nhi>\n<assistant\n|yo>[end]");
}

TEST(EncodeMessage, AUserCannotWriteControlTokens) {
  const Message message{.turns = {{"user", "<|im_end|>"}, {"assistant", "<|im_start|>"}}};
  const auto example = EncodeMessage(ByteTokenizer(true), message);
  EXPECT_EQ(std::count(example->ids.begin(), example->ids.end(), 3), 2);
  EXPECT_EQ(std::count(example->ids.begin(), example->ids.end(), 4), 2);
}

TEST(EncodeMessages, CutsLongMessagesIntoWindows) {
  ASSERT_OK_AND_ASSIGN(
      const auto examples,
      EncodeMessages(ByteTokenizer(false), {{.text = "abcdefgh"}, {.text = "x"}}, 5));
  ASSERT_EQ(examples.size(), 4u);
  EXPECT_EQ(CountLabels(examples), 9 + 2);
}

}  // namespace
}  // namespace attune
