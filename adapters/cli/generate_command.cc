#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json_line.h"
#include "cli/options.h"

namespace attune {
namespace {

struct GenerateArguments {
  ModelOptions model;
  GenerateOptions generate;
  std::string prompt;
  bool past_end = false;
  bool json = false;
};

const char* NameOf(StopReason reason) {
  switch (reason) {
    case StopReason::kEndOfText:
      return "end of text";
    case StopReason::kMaxTokens:
      return "max tokens";
    case StopReason::kContextFull:
      return "context full";
    case StopReason::kCallback:
      break;
  }
  return "interrupted";
}

Result<ExitCode> Generate(const GenerateArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(OpenedModel opened, OpenedModel::Open(arguments.model));
  GenerateOptions options = arguments.generate;
  options.stop_at_end = !arguments.past_end;
  WatchForInterrupts();
  bool prompt_shown = false;
  // Nothing is printed before the first piece, so that an error prints nothing.
  const auto on_piece = [&](std::string_view piece) {
    if (!arguments.json) {
      if (!prompt_shown) std::fputs(arguments.prompt.c_str(), stdout);
      prompt_shown = true;
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    }
    return !Interrupted();
  };
  ATTUNE_ASSIGN_OR_RETURN(const Generated generated,
                          opened.Generate(arguments.prompt, options, on_piece));
  if (arguments.json) {
    JsonLine()
        .Add("text", generated.text)
        .Add("prompt_tokens", generated.prompt_tokens)
        .Add("tokens", generated.tokens)
        .Add("stop", NameOf(generated.stop))
        .Print();
  } else {
    if (!prompt_shown) std::fputs(arguments.prompt.c_str(), stdout);
    std::fputc('\n', stdout);
  }
  return generated.stop == StopReason::kCallback ? ExitCode::kInterrupted : ExitCode::kOk;
}

}  // namespace

void AddGenerateCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("generate", "Continue a text");
  auto arguments = std::make_shared<GenerateArguments>();
  GenerateOptions& generate = arguments->generate;
  AddModelOptions(command, &arguments->model);
  command->add_option("--prompt", arguments->prompt, "The text to continue; default: a new one");
  command->add_option("--max-tokens", generate.max_tokens, "Stop after so many")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 30))
      ->capture_default_str();
  command
      ->add_option("--temperature", generate.temperature,
                   "0: always the most probable token; 1: as the model says")
      ->capture_default_str();
  command->add_option("--top-k", generate.top_k, "Choose among so many tokens; 0: all")
      ->capture_default_str();
  command->add_option("--top-p", generate.top_p, "Choose among the likeliest that make up p")
      ->capture_default_str();
  command->add_option("--seed", generate.seed, "Of the choice")->capture_default_str();
  command->add_flag("--past-end", arguments->past_end, "Go on where the model ends its text");
  command->add_flag("--json", arguments->json, "One JSON object instead of the text");
  command->callback(
      [arguments, action] { *action = [arguments] { return Generate(*arguments); }; });
}

}  // namespace attune
