// A Dataset is what a user wrote, message by message, read from one file:
//
//   plain text  one message a line
//   TSV         date (YYYY-MM-DD), time (HH:MM or HH:MM:SS), text; one a line
//   JSONL       mlx-lm's: {"text"}, {"prompt", "completion"} or {"messages":
//               [{"role", "content"}, ...]}, one a line
//
// The format goes by the file's name (.tsv, .jsonl, .txt), else by its first
// line. Blank lines are skipped. Everything else that is off is an error,
// "notes.tsv: line 7: 2 columns, expected 3"; messages are never shown.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "ports/file_system.h"
#include "text/tokenizer.h"
#include "train/examples.h"

namespace attune {

enum class DataFormat : std::uint8_t { kText, kTsv, kJsonl };
std::string_view DataFormatName(DataFormat format);

struct Turn {
  std::string role;
  std::string content;
};

struct Message {
  std::string when{};         // TSV: "2025-09-01 07:52"; else empty.
  std::string prompt{};       // Read, not learned.
  std::string text{};         // Learned.
  std::vector<Turn> turns{};  // Of a conversation, instead of the two above.
};

struct Dataset {
  DataFormat format = DataFormat::kText;
  std::vector<Message> messages;  // In time order, where there are times.
  std::uint64_t bytes = 0;        // Of the file.
};

// The longest file that is read.
inline constexpr std::uint64_t kMaxDatasetBytes = std::uint64_t{1} << 28;

//   kNotFound          no such file
//   kInvalidArgument   not of the format, or without any message
//   kResourceExhausted larger than kMaxDatasetBytes
Result<Dataset> ReadDataset(FileSystem& files, const std::string& path);

// The same for bytes read already; `name` is for messages.
Result<Dataset> ParseDataset(std::string_view bytes, const std::string& name);

// Splits off the last `fraction` of the messages; with a fraction above 0 and
// two messages or more, neither part is empty.
struct DatasetSplit {
  std::vector<Message> train;
  std::vector<Message> held_out;
  std::vector<Message> stopping{};   // For early stopping; see session/splits.h.
  std::int64_t near_duplicates = 0;  // Left out, for they are like an earlier one.
};
DatasetSplit SplitByTime(Dataset dataset, double fraction);

// At most `limit` messages, evenly chosen.
std::vector<Message> Thinned(std::vector<Message> messages, std::int64_t limit);

// A message as the model sees it: the token that starts a text, if the
// tokenizer names one, the tokens, and the one that ends it. A user's text never
// yields control tokens. Of a conversation the last turn is learned; turns are
// written in ChatML where the vocabulary has <|im_start|> and <|im_end|>, else
// as "role: content" lines.
Result<TrainingExample> EncodeMessage(const Tokenizer& tokenizer, const Message& message);

// All messages, cut into windows of `window` tokens; those without a label are
// left out.
Result<std::vector<TrainingExample>> EncodeMessages(const Tokenizer& tokenizer,
                                                    const std::vector<Message>& messages,
                                                    std::int64_t window);

}  // namespace attune
