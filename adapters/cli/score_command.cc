#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/json_line.h"
#include "cli/options.h"
#include "ports/file_system.h"
#include "session/platform.h"

namespace attune {
namespace {

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 28;

struct ScoreArguments {
  ModelOptions model;
  std::string text;
  bool json = false;
};

Result<ExitCode> ScoreFile(const ScoreArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(OpenedModel opened, OpenedModel::Open(arguments.model));
  ATTUNE_ASSIGN_OR_RETURN(const std::string text,
                          opened.platform().files->Read(arguments.text, kMaxTextBytes));
  Result<Score> score = opened.ScoreText(text);
  if (!score.ok()) {
    return std::move(score).status().WithContext(
        StrCat(BaseName(arguments.text), ": ", text.size(), " bytes"));
  }
  if (arguments.json) {
    JsonLine()
        .Add("nats_per_token", score->nats_per_token)
        .Add("perplexity", score->perplexity)
        .Add("tokens", score->tokens)
        .Print();
  } else {
    std::printf("%.4f nats/token, perplexity %.3f, %lld tokens\n", score->nats_per_token,
                score->perplexity, static_cast<long long>(score->tokens));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddScoreCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("score", "Say how probable a text is");
  auto arguments = std::make_shared<ScoreArguments>();
  AddModelOptions(command, &arguments->model);
  command
      ->add_option("--text", arguments->text, "File; <|endoftext|> separates its documents, if any")
      ->required();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback(
      [arguments, action] { *action = [arguments] { return ScoreFile(*arguments); }; });
}

}  // namespace attune
