#include "cli/example_input.h"

#include <utility>

#include "base/strings.h"
#include "cli/calendar.h"

namespace attune {

Result<Example> ExampleOf(const Message& message) {
  Example example;
  example.prompt = message.prompt;
  example.text = message.text;
  if (!message.turns.empty()) {
    for (std::size_t i = 0; i + 1 < message.turns.size(); ++i) {
      example.prompt += StrCat(message.turns[i].role, ": ", message.turns[i].content, "\n");
    }
    example.prompt += StrCat(message.turns.back().role, ": ");
    example.text = message.turns.back().content;
  }
  if (!example.prompt.empty()) example.kind = ExampleKind::kPromptCompletion;
  if (!message.when.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(example.when, ParseMoment(message.when));
  }
  return example;
}

Status ForEachLine(std::FILE* in, std::size_t limit,
                   const std::function<Status(std::string line)>& visit) {
  std::string line;
  for (int c = std::getc(in);; c = std::getc(in)) {
    if (c != EOF && c != '\n') {
      if (line.size() <= limit) line.push_back(static_cast<char>(c));
      continue;
    }
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) ATTUNE_RETURN_IF_ERROR(visit(std::exchange(line, {})));
    line.clear();
    if (c == EOF) break;
  }
  return std::ferror(in) != 0 ? IoError("cannot read from the standard input") : OkStatus();
}

}  // namespace attune
