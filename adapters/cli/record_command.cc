#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "attune/adaptation.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/example_input.h"
#include "cli/json_line.h"
#include "cli/vault_flags.h"
#include "ports/file_system.h"
#include "session/dataset.h"

namespace attune {
namespace {

struct RecordArguments {
  VaultFlags vault;
  ExamplePolicy policy;
  std::string source = "command";
  std::string data;
  std::vector<std::string> texts;
  bool secure_field = false;
  bool json = false;
};

// Counts what became of the examples, and says it; their text is never shown.
class Tally {
 public:
  explicit Tally(bool json) : json_(json) {}

  void Add(const Recorded& recorded) {
    ++counts_[static_cast<std::size_t>(recorded.outcome)];
    if (!json_) return;
    const bool stored = recorded.outcome == RecordOutcome::kStored;
    JsonLine line;
    line.Add("event", stored ? "stored" : "dropped");
    if (stored) line.Add("id", recorded.id);
    if (!stored) line.Add("reason", RecordOutcomeName(recorded.outcome));
    line.Print();
  }

  void Print() const {
    const std::int64_t stored = counts_[0];
    std::int64_t dropped = 0;
    std::vector<std::string> reasons;
    JsonLine line;
    line.Add("event", "finished").Add("stored", stored);
    line.writer().Key("dropped").BeginObject();
    for (std::size_t i = 1; i < counts_.size(); ++i) {
      if (counts_[i] == 0) continue;
      const std::string_view name = RecordOutcomeName(static_cast<RecordOutcome>(i));
      dropped += counts_[i];
      line.writer().Key(name).Int(counts_[i]);
      reasons.push_back(StrCat(counts_[i], " ", name));
    }
    line.writer().EndObject();
    if (json_) {
      line.Print();
    } else if (dropped == 0) {
      std::printf("stored %lld\n", static_cast<long long>(stored));
    } else {
      std::printf("stored %lld, dropped %lld: %s\n", static_cast<long long>(stored),
                  static_cast<long long>(dropped), StrJoin(reasons, ", ").c_str());
    }
  }

 private:
  static constexpr std::size_t kOutcomes = static_cast<std::size_t>(RecordOutcome::kDuplicate) + 1;

  const bool json_;
  std::array<std::int64_t, kOutcomes> counts_{};
};

class Recorder {
 public:
  Recorder(Adaptation& adaptation, const RecordArguments& arguments)
      : adaptation_(adaptation), arguments_(arguments), tally_(arguments.json) {}

  Status Record(Example example) {
    example.source = arguments_.source;
    example.secure_field = arguments_.secure_field;
    ATTUNE_ASSIGN_OR_RETURN(const Recorded recorded, adaptation_.Record(example));
    tally_.Add(recorded);
    return OkStatus();
  }

  Status RecordText(std::string text) {
    Example example;
    example.text = std::move(text);
    return Record(std::move(example));
  }

  Status RecordAll(const Dataset& dataset) {
    const std::string name = BaseName(arguments_.data);
    std::size_t number = 0;
    for (const Message& message : dataset.messages) {
      ++number;
      Result<Example> example = ExampleOf(message);
      if (!example.ok()) {
        return std::move(example).status().WithContext(StrCat(name, ": message ", number));
      }
      ATTUNE_RETURN_IF_ERROR(Record(*std::move(example)));
    }
    return OkStatus();
  }

  const Tally& tally() const { return tally_; }

 private:
  Adaptation& adaptation_;
  const RecordArguments& arguments_;
  Tally tally_;
};

Status RecordInput(const RecordArguments& arguments, const Dataset& dataset, Recorder* recorder) {
  if (!arguments.data.empty()) return recorder->RecordAll(dataset);
  for (const std::string& text : arguments.texts) {
    ATTUNE_RETURN_IF_ERROR(recorder->RecordText(text));
  }
  if (!arguments.texts.empty()) return OkStatus();
  const auto limit = static_cast<std::size_t>(arguments.policy.max_bytes);
  return ForEachLine(stdin, limit,
                     [&](std::string line) { return recorder->RecordText(std::move(line)); });
}

Result<ExitCode> Record(const RecordArguments& arguments) {
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, OpenVaultPlatform(arguments.vault));
  Dataset dataset;
  // Before a vault is made for it.
  if (!arguments.data.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(dataset, ReadDataset(*platform->get().files, arguments.data));
  }
  AdaptationOptions options = arguments.vault.without_model();
  options.create_vault = true;
  options.examples = arguments.policy;
  ATTUNE_ASSIGN_OR_RETURN(const auto adaptation, Adaptation::Open(platform->get(), options));
  Recorder recorder(*adaptation, arguments);
  const Status status = RecordInput(arguments, dataset, &recorder);
  // Also after an error: what was stored until then is stored.
  recorder.tally().Print();
  if (!status.ok()) return status;
  return ExitCode::kOk;
}

}  // namespace

void AddRecordCommand(CLI::App* app, Action* action) {
  CLI::App* command = app->add_subcommand("record", "Store examples to learn from, in a vault");
  auto arguments = std::make_shared<RecordArguments>();
  AddVaultFlags(command, &arguments->vault)->required();
  CLI::Option* texts = command->add_option(
      "text", arguments->texts, "Examples, one an argument; default: lines of the standard input");
  command
      ->add_option("--data", arguments->data, "Plain text, TSV (date, time, text) or JSONL instead")
      ->excludes(texts);
  command->add_option("--source", arguments->source, "Which part of an app they come from")
      ->capture_default_str();
  command->add_flag("--secure-field", arguments->secure_field,
                    "They were typed into a field for passwords: nothing is stored");
  AddPolicyFlags(command, &arguments->policy);
  command->add_flag("--json", arguments->json, "One JSON object an example, and one at the end");
  command->callback([arguments, action] { *action = [arguments] { return Record(*arguments); }; });
}

}  // namespace attune
