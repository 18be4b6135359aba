#include "session/dataset.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/function_ref.h"
#include "base/strings.h"
#include "formats/json.h"

namespace attune {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::size_t kMaxLine = std::size_t{1} << 24;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Whether `text` is `pattern`, whose '0' stand for digits.
bool Matches(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (pattern[i] == '0' ? !IsDigit(text[i]) : text[i] != pattern[i]) return false;
  }
  return true;
}

int TwoDigits(std::string_view text) { return (text[0] - '0') * 10 + (text[1] - '0'); }

bool IsDate(std::string_view text) {
  if (!Matches(text, "0000-00-00")) return false;
  const int month = TwoDigits(text.substr(5)), day = TwoDigits(text.substr(8));
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

bool IsTime(std::string_view text) {
  if (!Matches(text, "00:00") && !Matches(text, "00:00:00")) return false;
  if (text.size() == 8 && TwoDigits(text.substr(6)) > 60) return false;
  return TwoDigits(text) < 24 && TwoDigits(text.substr(3)) < 60;
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r\v\f") == std::string_view::npos;
}

// Calls visit(line number, line) for each line that is not blank.
Status ForEachLine(std::string_view bytes,
                   FunctionRef<Status(std::int64_t, std::string_view)> visit) {
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  std::int64_t number = 0;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > kMaxLine) {
      return InvalidArgument(
          StrCat("line ", number, ": ", line.size(), " bytes, at most ", kMaxLine));
    }
    if (const auto nul = line.find('\0'); nul != std::string_view::npos) {
      return InvalidArgument(
          StrCat("line ", number, ": byte ", nul + 1, " of ", line.size(), " is NUL, not text"));
    }
    if (IsBlank(line)) continue;
    ATTUNE_RETURN_IF_ERROR(visit(number, line));
  }
  return OkStatus();
}

Status ParseTsvLine(std::string_view line, Message* message) {
  const std::size_t first = line.find('\t');
  const std::size_t second = first == std::string_view::npos ? first : line.find('\t', first + 1);
  if (second == std::string_view::npos) {
    const int columns = first == std::string_view::npos ? 1 : 2;
    return InvalidArgument(StrCat(columns, columns == 1 ? " column" : " columns", ", expected 3"));
  }
  const std::string_view date = line.substr(0, first);
  const std::string_view time = line.substr(first + 1, second - first - 1);
  if (!IsDate(date)) return InvalidArgument("column 1 is no date of the form YYYY-MM-DD");
  if (!IsTime(time)) return InvalidArgument("column 2 is no time of the form HH:MM");
  message->when = StrCat(date, " ", time);
  message->text = line.substr(second + 1);
  return OkStatus();
}

Status ParseTurns(const Json& root, Message* message) {
  ATTUNE_ASSIGN_OR_RETURN(const Json* turns, root.GetArray("messages"));
  for (std::size_t i = 0; i < turns->size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const Json* turn, turns->ObjectAt(i));
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view role, turn->GetString("role"));
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view content, turn->GetString("content"));
    message->turns.push_back({std::string(role), std::string(content)});
  }
  if (message->turns.empty()) return InvalidArgument("messages: is empty, expected 1 or more");
  return OkStatus();
}

Status ParseJsonLine(std::string_view line, Message* message) {
  ATTUNE_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(line));
  const Json& root = document.root();
  if (!root.is_object()) return InvalidArgument("not a JSON object");
  const int forms = (root.Find("text") != nullptr) + (root.Find("completion") != nullptr) +
                    (root.Find("messages") != nullptr);
  if (forms != 1) {
    return InvalidArgument(StrCat(forms, " of the keys text, completion and messages, expected 1"));
  }
  if (root.Find("messages") != nullptr) return ParseTurns(root, message);
  if (root.Find("text") != nullptr) {
    ATTUNE_ASSIGN_OR_RETURN(message->text, root.GetString("text"));
    return OkStatus();
  }
  ATTUNE_ASSIGN_OR_RETURN(message->prompt, root.GetString("prompt"));
  ATTUNE_ASSIGN_OR_RETURN(message->text, root.GetString("completion"));
  return OkStatus();
}

DataFormat GuessFormat(std::string_view bytes, const std::string& name) {
  if (name.ends_with(".tsv")) return DataFormat::kTsv;
  if (name.ends_with(".jsonl")) return DataFormat::kJsonl;
  if (name.ends_with(".txt")) return DataFormat::kText;
  const std::string_view line = bytes.substr(0, std::min(bytes.find('\n'), bytes.size()));
  if (line.starts_with('{')) return DataFormat::kJsonl;
  return IsDate(line.substr(0, std::min(line.find('\t'), line.size()))) ? DataFormat::kTsv
                                                                        : DataFormat::kText;
}

Status ParseLine(DataFormat format, std::string_view line, Message* message) {
  switch (format) {
    case DataFormat::kTsv:
      return ParseTsvLine(line, message);
    case DataFormat::kJsonl:
      return ParseJsonLine(line, message);
    case DataFormat::kText:
      break;
  }
  message->text = line;
  return OkStatus();
}

// The parts of a conversation: all before the learned turn, and that turn.
struct Conversation {
  std::vector<std::pair<std::string, bool>>
      prompt;  // Text, and whether it may name control tokens.
  std::vector<std::pair<std::string, bool>> answer;
};

Conversation Render(const Tokenizer& tokenizer, const std::vector<Turn>& turns) {
  const bool chat_ml = tokenizer.FindToken("<|im_start|>") && tokenizer.FindToken("<|im_end|>");
  Conversation out;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const bool last = i + 1 == turns.size();
    auto& body = last ? out.answer : out.prompt;
    if (chat_ml) {
      out.prompt.emplace_back("<|im_start|>", true);
      out.prompt.emplace_back(turns[i].role + "\n", false);
      body.emplace_back(turns[i].content, false);
      body.emplace_back("<|im_end|>", true);
      if (!last) body.emplace_back("\n", false);
    } else {
      out.prompt.emplace_back(turns[i].role + ":", false);
      body.emplace_back(StrCat(" ", turns[i].content, last ? "" : "\n"), false);
    }
  }
  return out;
}

Status AppendPieces(const Tokenizer& tokenizer,
                    const std::vector<std::pair<std::string, bool>>& pieces,
                    TrainingExample* example) {
  for (const auto& [text, control] : pieces) {
    ATTUNE_ASSIGN_OR_RETURN(const auto ids, tokenizer.Encode(text, {.add_special_tokens = false,
                                                                    .parse_special = control}));
    example->ids.insert(example->ids.end(), ids.begin(), ids.end());
  }
  return OkStatus();
}

}  // namespace

std::string_view DataFormatName(DataFormat format) {
  switch (format) {
    case DataFormat::kText:
      return "text";
    case DataFormat::kTsv:
      return "tsv";
    case DataFormat::kJsonl:
      return "jsonl";
  }
  return "";
}

Result<Dataset> ReadDataset(FileSystem& files, const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string bytes, files.Read(path, kMaxDatasetBytes));
  return ParseDataset(bytes, BaseName(path));
}

Result<Dataset> ParseDataset(std::string_view bytes, const std::string& name) {
  Dataset dataset;
  dataset.format = GuessFormat(bytes, name);
  dataset.bytes = bytes.size();
  Status status = ForEachLine(bytes, [&](std::int64_t number, std::string_view line) {
    Message message;
    ATTUNE_RETURN_IF_ERROR(
        ParseLine(dataset.format, line, &message).WithContext(StrCat("line ", number)));
    // A message that says nothing: an emptied one in a log.
    if (IsBlank(message.text) && message.turns.empty()) return OkStatus();
    dataset.messages.push_back(std::move(message));
    return OkStatus();
  });
  if (!status.ok()) return std::move(status).WithContext(name);
  if (dataset.messages.empty()) {
    return InvalidArgument(StrCat(name, ": 0 messages in ", bytes.size(), " bytes, 1 needed"));
  }
  // Stamps sort as text; messages without keep their order.
  std::stable_sort(dataset.messages.begin(), dataset.messages.end(),
                   [](const Message& a, const Message& b) { return a.when < b.when; });
  return dataset;
}

DatasetSplit SplitByTime(Dataset dataset, double fraction) {
  const auto n = static_cast<std::int64_t>(dataset.messages.size());
  auto held_out = static_cast<std::int64_t>(std::llround(static_cast<double>(n) * fraction));
  if (n < 2) held_out = 0;
  if (fraction > 0 && n > 1) held_out = std::clamp<std::int64_t>(held_out, 1, n - 1);
  DatasetSplit split;
  const auto middle = dataset.messages.end() - std::min(held_out, n);
  split.held_out.assign(std::make_move_iterator(middle),
                        std::make_move_iterator(dataset.messages.end()));
  dataset.messages.erase(middle, dataset.messages.end());
  split.train = std::move(dataset.messages);
  return split;
}

std::vector<Message> Thinned(std::vector<Message> messages, std::int64_t limit) {
  const auto n = static_cast<std::int64_t>(messages.size());
  if (n <= limit) return messages;
  std::vector<Message> kept;
  for (std::int64_t i = 0; i < limit; ++i) {
    kept.push_back(std::move(messages[static_cast<std::size_t>(i * n / limit)]));
  }
  return kept;
}

Result<TrainingExample> EncodeMessage(const Tokenizer& tokenizer, const Message& message) {
  TrainingExample example;
  Conversation parts;
  if (message.turns.empty()) {
    if (!message.prompt.empty()) parts.prompt.emplace_back(message.prompt, false);
    parts.answer.emplace_back(message.text, false);
  } else {
    parts = Render(tokenizer, message.turns);
  }
  if (const auto bos = tokenizer.bos_id()) example.ids.push_back(*bos);
  ATTUNE_RETURN_IF_ERROR(AppendPieces(tokenizer, parts.prompt, &example));
  example.first_label = std::max<std::int64_t>(static_cast<std::int64_t>(example.ids.size()), 1);
  ATTUNE_RETURN_IF_ERROR(AppendPieces(tokenizer, parts.answer, &example));
  if (const auto eos = tokenizer.eos_id()) example.ids.push_back(*eos);
  return example;
}

Result<std::vector<TrainingExample>> EncodeMessages(const Tokenizer& tokenizer,
                                                    const std::vector<Message>& messages,
                                                    std::int64_t window) {
  std::vector<TrainingExample> examples;
  for (const Message& message : messages) {
    ATTUNE_ASSIGN_OR_RETURN(const TrainingExample example, EncodeMessage(tokenizer, message));
    for (TrainingExample& piece : SplitIntoWindows(example, window))
      examples.push_back(std::move(piece));
  }
  return examples;
}

}  // namespace attune
