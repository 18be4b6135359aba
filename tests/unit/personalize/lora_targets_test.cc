#include "session/lora_targets.h"

#include <gtest/gtest.h>

#include "support/status_matchers.h"

namespace attune {
namespace {

const std::vector<std::string> kLinears = {"h.0.attn.q_proj", "h.0.attn.v_proj", "h.0.mlp.up",
                                           "h.1.attn.q_proj", "h.1.attn.v_proj", "h.1.mlp.up"};

std::vector<std::string> Names(const Result<std::vector<LoraModule>>& modules) {
  std::vector<std::string> names;
  EXPECT_OK(modules);
  if (!modules.ok()) return names;
  for (const LoraModule& module : *modules) names.push_back(module.module);
  return names;
}

PeftConfig Config(TargetModules targets) {
  PeftConfig config;
  config.target_modules = std::move(targets);
  return config;
}

TEST(SelectModules, TakesNamesWholeOrFromADot) {
  EXPECT_EQ(Names(SelectModules(Config(TargetNames{"q_proj"}), kLinears)),
            (std::vector<std::string>{"h.0.attn.q_proj", "h.1.attn.q_proj"}));
  EXPECT_EQ(Names(SelectModules(Config(TargetNames{"h.1.mlp.up", "0.attn.v_proj"}), kLinears)),
            (std::vector<std::string>{"h.0.attn.v_proj", "h.1.mlp.up"}));
  EXPECT_EQ(SelectModules(Config(TargetNames{"q_proj", "proj"}), kLinears).status().message(),
            "no linear layer is called 'proj'");
}

TEST(SelectModules, APatternMustMatchTheWholeName) {
  EXPECT_EQ(
      Names(SelectModules(Config(TargetRegex{"h\\.\\d\\.attn\\.(q|v)_proj"}), kLinears)).size(),
      4u);
  EXPECT_EQ(Names(SelectModules(Config(TargetRegex{".*\\.0\\..*"}), kLinears)).size(), 3u);
  // An alternative that matches a beginning only must not hide a longer one.
  EXPECT_EQ(Names(SelectModules(Config(TargetRegex{"h.0|h.0.mlp.up"}), kLinears)),
            (std::vector<std::string>{"h.0.mlp.up"}));
  EXPECT_EQ(SelectModules(Config(TargetRegex{"q_proj"}), kLinears).status().message(),
            "the targets match 0 of 6 linear layers");
  EXPECT_FALSE(SelectModules(Config(TargetRegex{"("}), kLinears).ok());
}

TEST(SelectModules, AllLinearTakesEveryModuleWithItsScale) {
  PeftConfig config = Config(TargetAllLinear{});
  config.rank = 4;
  config.alpha = 8;
  ASSERT_OK_AND_ASSIGN(const auto modules, SelectModules(config, kLinears));
  ASSERT_EQ(modules.size(), 6u);
  EXPECT_EQ(modules[0].rank, 4);
  EXPECT_EQ(modules[0].scale, 2.0f);
  config.use_rslora = true;
  EXPECT_EQ((*SelectModules(config, kLinears))[0].scale, 4.0f);
}

}  // namespace
}  // namespace attune
