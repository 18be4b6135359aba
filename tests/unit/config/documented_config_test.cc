// docs/configuration.md against the reader: its examples are read, its defaults are the
// SDK's, and no key is left out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/strings.h"
#include "config/config.h"
#include "config/yaml_document.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

std::string Page() {
  std::ifstream in(std::string(ATTUNE_SOURCE_DIR) + "/docs/configuration.md", std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::string> Examples() {
  static constexpr std::string_view kBegin = "```yaml\n", kEnd = "```";
  const std::string page = Page();
  std::vector<std::string> examples;
  for (std::size_t at = page.find(kBegin); at != std::string::npos; at = page.find(kBegin, at)) {
    at += kBegin.size();
    examples.push_back(page.substr(at, page.find(kEnd, at) - at));
  }
  return examples;
}

std::string WithEveryKey() {
  for (const std::string& example : Examples()) {
    if (example.find("# Every key") != std::string::npos) return example;
  }
  return "";
}

constexpr char kMinimal[] = "model: models/stories15M\nvault: state/night\njobs: [{name: anna}]\n";

TEST(DocumentedConfig, EveryExampleIsRead) {
  const auto examples = Examples();
  ASSERT_EQ(examples.size(), 2u);
  for (const std::string& example : examples) EXPECT_OK(ParseConfig(example, "doc.yaml", ""));
}

// Member by member, for the structs have no comparison of their own.
void ExpectSameRun(const RunOptions& a, const RunOptions& b) {
  const TrainingOptions &x = a.training, &y = b.training;
  EXPECT_EQ(a.gate, b.gate);
  EXPECT_EQ(a.checkpoint_every, b.checkpoint_every);
  EXPECT_EQ(a.promote_if_better, b.promote_if_better);
  EXPECT_EQ(x.rank, y.rank);
  EXPECT_EQ(x.alpha, y.alpha);
  EXPECT_EQ(x.rslora, y.rslora);
  EXPECT_EQ(x.dropout, y.dropout);
  EXPECT_EQ(x.targets, y.targets);
  EXPECT_EQ(x.steps, y.steps);
  EXPECT_EQ(x.batch, y.batch);
  EXPECT_EQ(x.micro_batches, y.micro_batches);
  EXPECT_EQ(x.sequence, y.sequence);
  EXPECT_EQ(x.packed, y.packed);
  EXPECT_EQ(x.learning_rate, y.learning_rate);
  EXPECT_EQ(x.decay, y.decay);
  EXPECT_EQ(x.final_rate_fraction, y.final_rate_fraction);
  EXPECT_EQ(x.warmup_steps, y.warmup_steps);
  EXPECT_EQ(x.weight_decay, y.weight_decay);
  EXPECT_EQ(x.beta2, y.beta2);
  EXPECT_EQ(x.sgd, y.sgd);
  EXPECT_EQ(x.clip_norm, y.clip_norm);
  EXPECT_EQ(x.lora_plus_ratio, y.lora_plus_ratio);
  EXPECT_EQ(x.seed, y.seed);
  EXPECT_EQ(x.evaluate_every, y.evaluate_every);
  EXPECT_EQ(x.patience, y.patience);
  EXPECT_EQ(x.noise_multiplier, y.noise_multiplier);
  EXPECT_EQ(x.privacy_delta, y.privacy_delta);
  EXPECT_EQ(a.replay, b.replay);
  EXPECT_EQ(a.canaries, b.canaries);
  EXPECT_EQ(x.arithmetic, y.arithmetic);
  EXPECT_EQ(x.pack_weights, y.pack_weights);
  EXPECT_EQ(x.memory_budget_bytes, y.memory_budget_bytes);
}

void ExpectSameAdaptation(const AdaptationOptions& a, const AdaptationOptions& b) {
  const ExamplePolicy &x = a.examples, &y = b.examples;
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.vault, b.vault);
  EXPECT_EQ(a.adapter, b.adapter);
  EXPECT_EQ(a.open.tokenizer, b.open.tokenizer);
  EXPECT_EQ(a.open.context_tokens, b.open.context_tokens);
  EXPECT_EQ(a.open.arithmetic, b.open.arithmetic);
  EXPECT_EQ(a.open.pack_weights, b.open.pack_weights);
  EXPECT_EQ(a.held_out_fraction, b.held_out_fraction);
  EXPECT_EQ(a.held_out_examples, b.held_out_examples);
  EXPECT_EQ(a.source, b.source);
  EXPECT_EQ(a.stopping_fraction, b.stopping_fraction);
  EXPECT_EQ(a.keep_near_duplicates, b.keep_near_duplicates);
  EXPECT_EQ(a.anchor, b.anchor);
  EXPECT_EQ(a.anchor_examples, b.anchor_examples);
  EXPECT_EQ(a.keep_checkpoints, b.keep_checkpoints);
  EXPECT_EQ(a.keep_generations, b.keep_generations);
  EXPECT_EQ(a.outcomes, b.outcomes);
  EXPECT_EQ(x.sources, y.sources);
  EXPECT_EQ(x.drop_card_numbers, y.drop_card_numbers);
  EXPECT_EQ(x.drop_emails, y.drop_emails);
  EXPECT_EQ(x.drop_secrets, y.drop_secrets);
  EXPECT_EQ(x.max_digit_run, y.max_digit_run);
  EXPECT_EQ(x.max_bytes, y.max_bytes);
  EXPECT_EQ(x.max_duplicates, y.max_duplicates);
  EXPECT_EQ(x.keep_days, y.keep_days);
  EXPECT_EQ(x.keep_examples, y.keep_examples);
  EXPECT_EQ(x.keep_bytes, y.keep_bytes);
}

TEST(DocumentedConfig, TheDefaultsItGivesAreTheSdks) {
  const auto written = ParseConfig(WithEveryKey(), "doc.yaml", "/app");
  const auto silent = ParseConfig(kMinimal, "doc.yaml", "/app");
  ASSERT_OK(written);
  ASSERT_OK(silent);
  const NightOptions &a = written->night, &b = silent->night;
  EXPECT_EQ(a.vault, b.vault);
  EXPECT_EQ(a.concurrent, b.concurrent);
  EXPECT_EQ(a.max_loss_seconds, b.max_loss_seconds);
  EXPECT_EQ(a.wait, b.wait);
  EXPECT_EQ(a.watts, b.watts);
  EXPECT_EQ(a.seed, b.seed);
  ASSERT_NE(a.governor, nullptr);
  EXPECT_EQ(*a.governor, GovernorOptions{});
  ASSERT_EQ(a.jobs.size(), 1u);
  EXPECT_EQ(a.jobs[0].policy, b.jobs[0].policy);
  ExpectSameAdaptation(a.jobs[0].adaptation, b.jobs[0].adaptation);
  ExpectSameRun(a.jobs[0].run, b.jobs[0].run);
}

// The keys that a section allows, as the reader lists them for one that is far from all.
std::vector<std::string> AllowedKeys(const std::string& section) {
  static constexpr std::string_view kList = "allowed are ";
  const std::string text = StrCat(kMinimal, section);
  const std::string message = ParseConfig(text, "doc.yaml", "").status().message();
  std::vector<std::string> keys;
  std::size_t at = message.find(kList);
  if (at == std::string::npos) return keys;
  at += kList.size();
  while (at < message.size()) {
    const std::size_t end = std::min(message.find(", ", at), message.size());
    keys.push_back(message.substr(at, end - at));
    at = end + 2;
  }
  return keys;
}

// A commented-out key counts: it has no default that could be written.
bool HasKey(const std::string& example, const std::string& key) {
  for (const char* before : {"\n", " ", "{", "\n# "}) {
    if (example.find(StrCat(before, key, ":")) != std::string::npos) return true;
  }
  return false;
}

TEST(DocumentedConfig, NoKeyIsLeftOut) {
  const std::string example = WithEveryKey();
  int keys = 0;
  for (const char* section :
       {"zzzzzzzz: 1\n", "open: {zzzzzzzz: 1}\n", "night: {zzzzzzzz: 1}\n",
        "night: {governor: {zzzzzzzz: 1}}\n", "night: {governor: {lines: [{zzzzzzzz: 1}]}}\n",
        "data: {zzzzzzzz: 1}\n", "lora: {zzzzzzzz: 1}\n", "training: {zzzzzzzz: 1}\n",
        "gate: {zzzzzzzz: 1}\n", "outcomes: {zzzzzzzz: 1}\n", "schedule: {zzzzzzzz: 1}\n",
        "schedule: {conditions: {zzzzzzzz: 1}}\n", "schedule: {per_run: {zzzzzzzz: 1}}\n",
        "schedule: {backoff: {zzzzzzzz: 1}}\n"}) {
    const auto allowed = AllowedKeys(section);
    ASSERT_GE(allowed.size(), 2u) << section;
    for (const std::string& key : allowed) {
      EXPECT_TRUE(HasKey(example, key)) << section << key;
      ++keys;
    }
  }
  EXPECT_GT(keys, 90);
}

}  // namespace
}  // namespace attune
