#include "platform/platform.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

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

TEST(DefaultPlatform, TheSimpleOneHasNoKeys) {
  const DefaultPlatform platform(1);
  EXPECT_EQ(platform.get().keys, nullptr);
  EXPECT_EQ(platform.get().crypto, nullptr);
}

}  // namespace
}  // namespace attune
