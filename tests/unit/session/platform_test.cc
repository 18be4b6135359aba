#include "platform/platform.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "ane/runtime/ane_backend.h"
#include "compute/backend.h"
#include "platform/device_choice.h"
#include "ports/file_system.h"
#include "ports/key_store.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"

namespace attune {
namespace {

// Sets a variable of the environment for as long as it lives; null unsets it.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    had_ = before != nullptr;
    if (had_) before_ = before;
    Set(value);
  }
  ~ScopedVariable() { Set(had_ ? before_.c_str() : nullptr); }

 private:
  void Set(const char* value) {
    value == nullptr ? unsetenv(name_) : setenv(name_, value, /*overwrite=*/1);
  }
  const char* name_;
  bool had_ = false;
  std::string before_;
};

TEST(DefaultPlatform, FindsTheUsersKeyDirectory) {
  ScopedVariable config("XDG_CONFIG_HOME", "/c"), home("HOME", "/h");
  ASSERT_OK_AND_ASSIGN(std::string directory, DefaultKeyDirectory());
  EXPECT_EQ(directory, "/c/attune/keys");
  for (const char* ignored : {"", "relative"}) {
    ScopedVariable other("XDG_CONFIG_HOME", ignored);
    ASSERT_OK_AND_ASSIGN(directory, DefaultKeyDirectory());
    EXPECT_EQ(directory, "/h/.config/attune/keys");
  }
  ScopedVariable no_config("XDG_CONFIG_HOME", nullptr), no_home("HOME", nullptr);
  EXPECT_EQ(DefaultKeyDirectory().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(DefaultPlatform::Open({}).status().code(), StatusCode::kFailedPrecondition);
}

TEST(DefaultPlatform, MakesTheKeyDirectoryForTheUserAloneWhenItIsFirstUsed) {
  testing::TemporaryDirectory directory;
  ScopedVariable config("XDG_CONFIG_HOME", directory.path().c_str());
  ASSERT_OK_AND_ASSIGN(const auto platform, DefaultPlatform::Open({.workers = 1}));
  EXPECT_EQ(platform->workers(), 1);
  FileSystem& files = *platform->get().files;
  EXPECT_FALSE(files.Exists(directory / "attune"));
  const std::byte secret[] = {std::byte{7}};
  ASSERT_OK(platform->get().keys->Store("k", secret));
  struct stat status {};
  ASSERT_EQ(stat((directory / "attune/keys").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST(DefaultPlatform, WithAPassphraseTheKeysOpenUnderItAlone) {
  testing::TemporaryDirectory directory;
  const auto open = [&](std::string_view passphrase) {
    auto platform = DefaultPlatform::Open({.workers = 1,
                                           .key_directory = directory / "keys",
                                           .passphrase = std::as_bytes(std::span(passphrase))});
    EXPECT_OK(platform);
    return *std::move(platform);
  };
  const std::byte secret[] = {std::byte{7}};
  ASSERT_OK(open("righto")->get().keys->Store("k", secret));
  const auto same = open("righto");
  ASSERT_OK_AND_ASSIGN(const Secret again, same->get().keys->Load("k"));
  EXPECT_EQ(again.size(), 1u);
  EXPECT_EQ(open("wrong")->get().keys->Load("k").status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(open("")->get().keys->Load("k").status().code(), StatusCode::kFailedPrecondition);
}

TEST(DefaultPlatform, ComputesOnASimulatedNeuralEngineWhenAsked) {
  ASSERT_OK_AND_ASSIGN(const auto platform,
                       DefaultPlatform::WithoutKeys({.workers = 1, .device = "ane-sim:m1:exact"}));
  EXPECT_EQ(platform->note(), "");
  EXPECT_EQ(platform->get().backend->name(), "ane-sim");
  EXPECT_FALSE(platform->get().backend->half_precision()) << "exact";
  ASSERT_NE(platform->neural_engine(), nullptr);
  EXPECT_GT(platform->neural_engine()->activity().device.evaluations, 0) << "the canary";
  ASSERT_OK_AND_ASSIGN(const auto narrow,
                       DefaultPlatform::WithoutKeys({.workers = 1, .device = "ane-sim"}));
  EXPECT_TRUE(narrow->get().backend->half_precision());
}

TEST(DefaultPlatform, WithoutANeuralEngineTheCpuTakesOverAndSaysSo) {
  ScopedVariable framework("ATTUNE_ANE_FRAMEWORK", "/nowhere/AppleNeuralEngine");
  ASSERT_OK_AND_ASSIGN(const auto platform,
                       DefaultPlatform::WithoutKeys({.workers = 1, .device = "ane"}));
  EXPECT_EQ(platform->get().backend->name(), "cpu");
  EXPECT_EQ(platform->neural_engine(), nullptr);
  EXPECT_NE(platform->note().find("the CPU computes instead"), std::string::npos);
}

TEST(DefaultPlatform, KnowsItsDevicesByName) {
  for (const char* name :
       {"cpu", "ane", "ane-sim", "ane-sim:m5-max", "ane-sim:exact", "ane-sim:m3-ultra:exact"}) {
    EXPECT_OK(ParseDeviceChoice(name));
  }
  ASSERT_OK_AND_ASSIGN(const DeviceChoice choice, ParseDeviceChoice("ane-sim:m4-max"));
  EXPECT_EQ(choice.chip, ane::Chip::kM4Max);
  EXPECT_FALSE(choice.exact);
  for (const char* name : {"", "gpu", "ane:m4", "ane-sim:", "ane-sim:m9", "ane-simulator",
                           "cpu:exact", "ane-sim::exact"}) {
    EXPECT_EQ(ParseDeviceChoice(name).status().code(), StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(DefaultPlatform::WithoutKeys({.workers = 1, .device = "gpu"}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(DefaultPlatform, TheSimpleOneHasNoKeys) {
  const DefaultPlatform platform(1);
  EXPECT_EQ(platform.get().keys, nullptr);
  EXPECT_EQ(platform.get().crypto, nullptr);
}

}  // namespace
}  // namespace attune
