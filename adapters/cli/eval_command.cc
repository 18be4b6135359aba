#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json_line.h"
#include "cli/message_loss.h"
#include "cli/options.h"
#include "session/dataset.h"
#include "session/keyboard_metrics.h"
#include "session/platform.h"

namespace attune {
namespace {

struct EvalArguments {
  ModelOptions model;
  std::string data;
  double held_out = 1;
  std::int64_t max_words = 2000;
  bool json = false;
};

// What the keyboard types: the learned part of each message.
std::vector<std::string> TypedTexts(const std::vector<Message>& messages) {
  std::vector<std::string> texts;
  for (const Message& message : messages) {
    texts.push_back(message.turns.empty() ? message.text : message.turns.back().content);
  }
  return texts;
}

void Print(const EvalArguments& arguments, std::size_t messages, const MessageLoss& loss,
           const KeyboardMetrics& keyboard) {
  const double nats = loss.per_token();
  if (arguments.json) {
    JsonLine()
        .Add("messages", static_cast<std::int64_t>(messages))
        .Add("tokens", loss.tokens)
        .Add("nats_per_token", nats)
        .Add("perplexity", std::exp(nats))
        .Add("words", keyboard.words)
        .Add("hit_rate_at_1", keyboard.hit_rate_at_1())
        .Add("hit_rate_at_3", keyboard.hit_rate_at_3())
        .Add("keystrokes_saved", keyboard.keystrokes_saved())
        .Print();
    return;
  }
  std::printf("messages          %zu, %lld tokens\n", messages,
              static_cast<long long>(loss.tokens));
  std::printf("loss              %.4f nats/token, perplexity %.2f\n", nats, std::exp(nats));
  std::printf("next word         hit@1 %.1f %%, hit@3 %.1f %% of %lld words\n",
              100 * keyboard.hit_rate_at_1(), 100 * keyboard.hit_rate_at_3(),
              static_cast<long long>(keyboard.words));
  std::printf("keystrokes saved  %.1f %%\n", 100 * keyboard.keystrokes_saved());
}

Result<ExitCode> Evaluate(const EvalArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(OpenedModel opened, OpenedModel::Open(arguments.model));
  const Platform& platform = opened.platform();
  ATTUNE_ASSIGN_OR_RETURN(Dataset dataset, ReadDataset(*platform.files, arguments.data));
  const std::vector<Message> messages =
      arguments.held_out < 1 ? SplitByTime(std::move(dataset), arguments.held_out).held_out
                             : std::move(dataset.messages);
  WatchForInterrupts();
  const auto go_on = [] { return !Interrupted(); };
  Result<MessageLoss> loss = MeasureMessages(platform, arguments.model, messages, go_on);
  if (!loss.ok()) return std::move(loss).status().WithContext(BaseName(arguments.data));
  KeyboardMetrics keyboard;
  // 0 words: the loss alone.
  if (arguments.max_words != 0) {
    const auto suggest = [&](std::string_view prefix, std::size_t count) {
      return opened.SuggestWords(prefix, count);
    };
    ATTUNE_ASSIGN_OR_RETURN(keyboard,
                            MeasureKeyboard(suggest, TypedTexts(messages),
                                            std::max<std::int64_t>(arguments.max_words, 0), go_on));
  }
  Print(arguments, messages.size(), *loss, keyboard);
  return ExitCode::kOk;
}

}  // namespace

void AddEvalCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("eval", "Measure a model on messages");
  auto arguments = std::make_shared<EvalArguments>();
  AddModelOptions(command, &arguments->model);
  command->add_option("--data", arguments->data, "Messages: plain text, TSV or JSONL")->required();
  command
      ->add_option("--held-out", arguments->held_out,
                   "Only the latest part of the data, as train --held-out leaves it out")
      ->check(CLI::Range(0.001, 1.0))
      ->capture_default_str();
  command
      ->add_option("--max-words", arguments->max_words,
                   "Suggest at most so many words, evenly chosen; 0: none; negative: all")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback(
      [arguments, action] { *action = [arguments] { return Evaluate(*arguments); }; });
}

}  // namespace attune
