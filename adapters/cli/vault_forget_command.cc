#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "attune/adaptation.h"
#include "cli/calendar.h"
#include "cli/example_input.h"
#include "cli/json_line.h"
#include "cli/vault_commands.h"
#include "cli/vault_flags.h"

namespace attune {
namespace {

constexpr std::size_t kMaxWordsBytes = 4096;

struct ForgetArguments {
  VaultFlags vault;
  ForgetQuery query;
  std::string from;
  std::string before;
  bool yes = false;
  bool json = false;
};

// The first line of the standard input.
Result<std::string> ReadWords() {
  std::string words;
  ATTUNE_RETURN_IF_ERROR(ForEachLine(stdin, kMaxWordsBytes, [&](std::string line) {
    if (words.empty()) words = std::move(line);
    return OkStatus();
  }));
  if (words.empty()) return InvalidArgument("no words on the standard input to look for");
  if (words.size() <= kMaxWordsBytes) return words;
  return InvalidArgument("the words to look for have more than 4096 bytes");
}

Result<ForgetQuery> QueryOf(const ForgetArguments& arguments) {
  ForgetQuery query = arguments.query;
  if (!arguments.from.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(query.from, ParseMoment(arguments.from));
  }
  if (!arguments.before.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(query.before, ParseMoment(arguments.before));
  }
  if (query.ids.empty() && query.containing.empty() && query.source.empty() &&
      arguments.from.empty() && arguments.before.empty()) {
    return InvalidArgument(
        "say what to forget: --id, --containing, --source, --from, --before, or several of them");
  }
  if (query.containing == "-") {
    ATTUNE_ASSIGN_OR_RETURN(query.containing, ReadWords());
  }
  return query;
}

Status Confirm(const ForgetArguments& arguments) {
  if (arguments.yes) return OkStatus();
  constexpr const char* kHow = "nothing was forgotten; --yes confirms that it is for ever";
  if (arguments.query.containing == "-" || isatty(STDIN_FILENO) == 0) {
    return FailedPrecondition(kHow);
  }
  std::fputs("Forget what fits, for ever? Type yes: ", stderr);
  char answer[8] = {};
  if (std::fgets(answer, sizeof answer, stdin) == nullptr || std::string(answer) != "yes\n") {
    return FailedPrecondition(kHow);
  }
  return OkStatus();
}

void Print(const Forgotten& forgotten, bool json) {
  if (json) {
    JsonLine()
        .Add("examples", forgotten.examples)
        .Add("tainted_generations", forgotten.tainted_generations)
        .Add("dropped_checkpoints", forgotten.dropped_checkpoints)
        .Add("unreadable", forgotten.unreadable)
        .Add("serving", forgotten.serving)
        .Print();
    return;
  }
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf("forgot %llu examples, dropped %llu saved states that saw them\n",
              number(forgotten.examples), number(forgotten.dropped_checkpoints));
  if (forgotten.tainted_generations > 0) {
    std::printf("%llu generations were trained or tested on them and do not serve any more\n",
                number(forgotten.tainted_generations));
  }
  if (forgotten.unreadable > 0) {
    std::printf("%llu records or files could not be read and remain; see `attune vault verify`\n",
                number(forgotten.unreadable));
  }
  if (forgotten.serving == 0) {
    std::printf("serving the bare base; `attune run` learns anew from what is left\n");
  } else {
    std::printf("serving generation %llu\n", number(forgotten.serving));
  }
}

Result<ExitCode> Forget(const ForgetArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  ATTUNE_ASSIGN_OR_RETURN(const ForgetQuery query, QueryOf(arguments));
  ATTUNE_RETURN_IF_ERROR(Confirm(arguments));
  ATTUNE_ASSIGN_OR_RETURN(const auto adaptation,
                          Adaptation::Open(platform->get(), arguments.vault.without_model()));
  ATTUNE_ASSIGN_OR_RETURN(const Forgotten forgotten, adaptation->Forget(query));
  Print(forgotten, arguments.json);
  return ExitCode::kOk;
}

}  // namespace

void AddVaultForgetCommand(CLI::App* vault, Action* action) {
  CLI::App* command =
      vault->add_subcommand("forget", "Drop the examples that fit every option given, for ever");
  auto arguments = std::make_shared<ForgetArguments>();
  ForgetQuery& query = arguments->query;
  AddVaultFlags(command, &arguments->vault)->required();
  command->add_option("--id", query.ids, "Of these numbers, comma between")->delimiter(',');
  command->add_option("--containing", query.containing,
                      "With these words in them; -: read the words from the standard input");
  command->add_option("--source", query.source, "From this part of the app");
  command->add_option("--from", arguments->from, "Not older than YYYY-MM-DD (UTC)");
  command->add_option("--before", arguments->before, "Older than YYYY-MM-DD (UTC)");
  command->add_flag("--yes", arguments->yes, "Do not ask");
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, action] { *action = [arguments] { return Forget(*arguments); }; });
}

}  // namespace attune
