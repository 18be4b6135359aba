// Every file of bad/ is a configuration with a mistake. Its first line says what the
// reader must answer: "# 12:7: words of the message", line and column from 1, the
// words at the beginning of the message.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "config/config.h"

namespace attune {
namespace {

std::vector<std::filesystem::path> BadFiles() {
  const std::filesystem::path folder =
      std::filesystem::path(ATTUNE_SOURCE_DIR) / "tests" / "unit" / "config" / "bad";
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  return files;
}

std::string BytesOf(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TEST(BadConfig, IsToldWithLineColumnAndWhatToDo) {
  const auto files = BadFiles();
  ASSERT_GE(files.size(), 60u);
  for (const auto& path : files) {
    const std::string name = path.filename().string(), bytes = BytesOf(path);
    SCOPED_TRACE(name);
    ASSERT_EQ(bytes.substr(0, 2), "# ");
    const std::string expected = name + ":" + bytes.substr(2, bytes.find('\n') - 2);
    const auto config = ParseConfig(bytes, name, "/app");
    if (config.ok()) {
      ADD_FAILURE() << "was read; expected: " << expected;
      continue;
    }
    EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(config.status().message().substr(0, expected.size()), expected)
        << config.status().message();
  }
}

// A message is one line of printable ASCII that shows no more than a glimpse of the file.
TEST(BadConfig, IsToldInOneShortLine) {
  for (const auto& path : BadFiles()) {
    const std::string name = path.filename().string();
    const auto config = ParseConfig(BytesOf(path), name, "/app");
    ASSERT_FALSE(config.ok()) << name;
    EXPECT_LE(config.status().message().size(), 400u) << name;
    for (const char c : config.status().message()) {
      ASSERT_TRUE(c >= 0x20 && c < 0x7F) << name;
    }
  }
}

}  // namespace
}  // namespace attune
