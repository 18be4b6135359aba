// What a configuration of two jobs becomes: defaults of the file, then the job's own.

#include "config/config.h"

#include <gtest/gtest.h>

#include <string>

#include "support/memory_file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

constexpr char kTwoJobs[] = R"(# Two people's keyboards.
model: models/tiny
vault: state/vault
open: {context_tokens: 256}
night:
  concurrent: 2
  max_loss: 45s
  watts: 6.5
data: {keep_days: 30, held_out_fraction: 20%}
lora:
  rank: 4
  targets: [q_proj, v_proj]
training: {steps: 80, learning_rate: 5e-4, decay: linear, replay: 20%, canaries: 3,
  memory_budget: 256MiB}
gate: {max_forgetting: 3%, anchor: models/anchor.txt}
schedule:
  windows: [22:00-06:00, "sat,sun 12:00-14:00"]
  conditions: {min_battery: 0.5, min_disk_free: 1GiB}
  min_interval: 20h
jobs:
  - name: anna
  - name: ben
    vault: state/ben
    lora: {rank: 2}
    schedule:
      windows: []
      after: [anna]
      conditions: {external_power: false}
      per_run: {wall: 30min, cpu: 1h, energy: 5Wh}
      priority: -2
)";

Result<Config> Parse(std::string_view text) { return ParseConfig(text, "night.yaml", "/app"); }

TEST(Config, GivesEveryJobTheFilesDefaults) {
  const auto config = Parse(kTwoJobs);
  ASSERT_OK(config);
  EXPECT_EQ(config->night.vault, "/app/state/vault");
  EXPECT_EQ(config->night.concurrent, 2);
  EXPECT_EQ(config->night.max_loss_seconds, 45);
  EXPECT_EQ(config->night.watts, 6.5);
  EXPECT_EQ(config->night.governor, nullptr);
  ASSERT_EQ(config->night.jobs.size(), 2u);
  const NightJob& anna = config->night.jobs[0];
  EXPECT_EQ(anna.policy.name, "anna");
  EXPECT_EQ(anna.adaptation.adapter, "anna");
  EXPECT_EQ(anna.adaptation.model, "/app/models/tiny");
  EXPECT_EQ(anna.adaptation.vault, "/app/state/vault");
  EXPECT_EQ(anna.adaptation.open.context_tokens, 256);
  EXPECT_EQ(anna.adaptation.examples.keep_days, 30);
  EXPECT_EQ(anna.adaptation.held_out_fraction, 0.2);
  EXPECT_EQ(anna.run.training.rank, 4);
  EXPECT_EQ(anna.run.training.targets, (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_EQ(anna.run.training.steps, 80);
  EXPECT_EQ(anna.run.training.learning_rate, 5e-4);
  EXPECT_EQ(anna.run.training.decay, RateDecay::kLinear);
  EXPECT_EQ(anna.run.training.memory_budget_bytes, 256 << 20);
  EXPECT_EQ(anna.run.gate.max_forgetting, 0.03);
  EXPECT_EQ(anna.adaptation.anchor, "/app/models/anchor.txt");
  EXPECT_EQ(anna.run.replay, 0.2);
  EXPECT_EQ(anna.run.canaries, 3);
  EXPECT_EQ(anna.policy.windows,
            (std::vector<TimeWindow>{{22 * 60, 6 * 60, 127}, {12 * 60, 14 * 60, 0b1100000}}));
  EXPECT_EQ(anna.policy.conditions.min_battery, 0.5);
  EXPECT_EQ(anna.policy.conditions.min_disk_free, std::int64_t{1} << 30);
  EXPECT_TRUE(anna.policy.conditions.external_power);
  EXPECT_EQ(anna.policy.min_interval_seconds, 20 * 3600);
}

TEST(Config, LetsAJobOverrideKeyByKey) {
  const auto config = Parse(kTwoJobs);
  ASSERT_OK(config);
  const NightJob& ben = config->night.jobs[1];
  EXPECT_EQ(ben.adaptation.vault, "/app/state/ben");
  EXPECT_EQ(ben.run.training.rank, 2);
  EXPECT_EQ(ben.run.training.targets.size(), 2u);
  EXPECT_TRUE(ben.policy.windows.empty());
  EXPECT_EQ(ben.policy.after, std::vector<std::string>{"anna"});
  EXPECT_FALSE(ben.policy.conditions.external_power);
  EXPECT_EQ(ben.policy.conditions.min_battery, 0.5);
  EXPECT_EQ(ben.policy.per_run, (Budget{1800, 3600, 18000}));
  EXPECT_EQ(ben.policy.per_day, Budget{});
  EXPECT_EQ(ben.policy.priority, -2);
}

TEST(Config, KeepsTheSdksDefaultsWhereTheFileIsSilent) {
  const auto config = Parse("model: m\nvault: v\njobs: [{name: a}]\n");
  ASSERT_OK(config);
  const NightJob& job = config->night.jobs[0];
  JobPolicy policy;
  policy.name = "a";
  EXPECT_EQ(job.policy, policy);
  EXPECT_EQ(job.run.training.steps, RunOptions{}.training.steps);
  EXPECT_EQ(job.run.training.learning_rate, RunOptions{}.training.learning_rate);
  EXPECT_EQ(job.adaptation.keep_checkpoints, AdaptationOptions{}.keep_checkpoints);
  EXPECT_EQ(job.run.gate, GateOptions{});
  EXPECT_EQ(config->night.max_loss_seconds, NightOptions{}.max_loss_seconds);
}

TEST(Config, ReadsJobsBeforeTheirDefaultsAllTheSame) {
  const auto config = Parse("jobs: [{name: a}]\nmodel: m\nlora: {rank: 3}\nvault: v\n");
  ASSERT_OK(config);
  EXPECT_EQ(config->night.jobs[0].run.training.rank, 3);
}

TEST(Config, LeavesAbsolutePathsAndTidiesTheRest) {
  const auto config = Parse("model: /big/m.bin\nvault: ./a//b/\njobs: [{name: a}]\n");
  ASSERT_OK(config);
  EXPECT_EQ(config->night.jobs[0].adaptation.model, "/big/m.bin");
  EXPECT_EQ(config->night.vault, "/app/a/b");
}

TEST(Config, SetsAGovernorOnlyIfAsked) {
  const auto config = Parse(
      "model: m\nvault: v\njobs: [{name: a}]\n"
      "night: {governor: {duty_fair: 25%, lines: [{window: 60s, share: 0.4}]}}\n");
  ASSERT_OK(config);
  ASSERT_NE(config->night.governor, nullptr);
  GovernorOptions expected;
  expected.duty_fair = 0.25;
  expected.lines = {{60, 0.4}};
  EXPECT_EQ(*config->night.governor, expected);
}

TEST(Config, IsReadFromAFileBesideItsVault) {
  testing::MemoryFileSystem files;
  ASSERT_OK(files.CreateDirectories("/home/app"));
  files.Put("/home/app/night.yaml", "model: m\nvault: v\njobs: [{name: a}]\n");
  const auto config = ReadConfig(files, "/home/app/night.yaml");
  ASSERT_OK(config);
  EXPECT_EQ(config->night.vault, "/home/app/v");
  EXPECT_EQ(ReadConfig(files, "/home/app/other.yaml").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace attune
