#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/json_line.h"
#include "cli/options.h"

namespace attune {
namespace {

struct SuggestArguments {
  ModelOptions model;
  std::string prefix;
  std::size_t top = 3;
  bool json = false;
};

void PrintAsJson(const std::vector<WordSuggestion>& words) {
  JsonLine line;
  line.writer().Key("suggestions").BeginArray();
  for (const WordSuggestion& word : words) {
    line.writer().BeginObject();
    line.writer().Key("word").String(word.word);
    line.writer().Key("follows").Bool(word.follows);
    line.writer().Key("probability").Double(word.probability);
    line.writer().EndObject();
  }
  line.writer().EndArray();
  line.Print();
}

Result<ExitCode> Suggest(const SuggestArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(OpenedModel opened, OpenedModel::Open(arguments.model));
  ATTUNE_ASSIGN_OR_RETURN(const auto words, opened.SuggestWords(arguments.prefix, arguments.top));
  if (arguments.json) {
    PrintAsJson(words);
    return ExitCode::kOk;
  }
  for (const WordSuggestion& word : words) {
    std::printf("%s\t%.4f\n", word.word.c_str(), word.probability);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddSuggestCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("suggest", "Suggest the next word, as a keyboard does");
  auto arguments = std::make_shared<SuggestArguments>();
  AddModelOptions(command, &arguments->model);
  command->add_option("--prefix", arguments->prefix, "What was typed; may end within a word")
      ->required();
  command->add_option("--top", arguments->top, "How many words")->capture_default_str();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, action] { *action = [arguments] { return Suggest(*arguments); }; });
}

}  // namespace attune
