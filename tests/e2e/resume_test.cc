// Stop and resume equals never stopping, across processes: the test runs itself
// again as the process that trains.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "attune/personalize.h"
#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "posix/posix_clock.h"
#include "posix/posix_file_system.h"
#include "posix/thread_pool.h"
#include "session/platform.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"
#include "support/tiny_language_model.h"

namespace attune {
namespace {

constexpr const char* kJobDirectory = "ATTUNE_E2E_DIRECTORY";
constexpr const char* kJobOutput = "ATTUNE_E2E_OUTPUT";
constexpr const char* kJobStop = "ATTUNE_E2E_STOP_AT";

// 200 steps in all, of which this process takes those up to `stop_at`.
Status TrainIn(const std::string& directory, const std::string& output, std::int64_t stop_at) {
  PosixFileSystem files;
  PosixClock clock;
  ThreadPool pool(2);
  const auto backend = MakeCpuBackend(pool);
  PersonalizeOptions options;
  options.model = directory + "/base";
  options.data = directory + "/history.txt";
  options.output = directory + "/" + output;
  options.training.steps = 200;
  options.training.batch = 2;
  options.training.sequence = 32;
  options.training.rank = 4;
  options.training.dropout = 0.05;
  options.training.learning_rate = 0.005;
  options.training.seed = 21;
  options.resume = true;
  options.stop_at_step = stop_at;
  return Personalize({&files, &clock, &pool, backend.get()}, options).status();
}

// Not a test of its own: what a child process does.
TEST(ResumeChild, Trains) {
  const char* directory = std::getenv(kJobDirectory);
  if (directory == nullptr) GTEST_SKIP() << "runs as a child of Resume only";
  const std::int64_t stop_at = std::atoll(std::getenv(kJobStop));
  ASSERT_OK(TrainIn(directory, std::getenv(kJobOutput), stop_at));
}

void RunChild(const std::string& directory, const std::string& output, std::int64_t stop_at) {
  const std::string program = ::testing::internal::GetArgvs()[0];
  const std::string command =
      StrCat(kJobDirectory, "='", directory, "' ", kJobOutput, "='", output, "' ", kJobStop, "=",
             stop_at, " '", program, "' --gtest_filter=ResumeChild.Trains >/dev/null");
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

TEST(Resume, TwoHundredStepsEqualOneHundredSavedPlusOneHundredInANewProcess) {
  testing::TemporaryDirectory directory;
  PosixFileSystem files;
  testing::WriteTinyModel(files, directory / "base");
  testing::WriteFile(files, directory / "history.txt", testing::TinyMessages(80));

  RunChild(directory.path(), "straight", 0);
  RunChild(directory.path(), "broken", 100);
  EXPECT_TRUE(files.Exists(directory / "broken/training_state.safetensors"));
  EXPECT_FALSE(files.Exists(directory / "broken/adapter_model.safetensors"));
  RunChild(directory.path(), "broken", 0);

  for (const char* name : {"adapter_model.safetensors", "adapter_config.json", "loss_curve.csv"}) {
    ASSERT_OK_AND_ASSIGN(const std::string straight,
                         files.Read(directory / (std::string("straight/") + name), 1 << 26));
    ASSERT_OK_AND_ASSIGN(const std::string broken,
                         files.Read(directory / (std::string("broken/") + name), 1 << 26));
    EXPECT_FALSE(straight.empty());
    EXPECT_TRUE(straight == broken) << name;
  }
}

}  // namespace
}  // namespace attune
