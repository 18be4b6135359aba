#include "vault/checkpoint_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/forwarding_file_system.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "vault/bytes.h"
#include "vault/stored_file.h"

namespace attune {
namespace {

using testing::TestPorts;
using testing::TestVault;

class CheckpointStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { vault_ = OpenVault(); }

  std::unique_ptr<Vault> OpenVault() {
    auto vault = Vault::Open(world_.ports(), TestVault());
    EXPECT_OK(vault);
    return vault.ok() ? *std::move(vault) : nullptr;
  }
  static CheckpointOptions Options(std::string adapter = "default") {
    return {.adapter = std::move(adapter), .base = {std::byte{7}}, .keep = 2};
  }
  // What a state of this step holds: of every step something else.
  static std::string WeightsAt(std::uint64_t step) {
    return std::string(400, static_cast<char>('a' + step));
  }
  static Status CommitStep(CheckpointStore& store, std::uint64_t step,
                           std::vector<IdRange> seen = {}) {
    const std::string weights = WeightsAt(step);
    const ContainerSection sections[] = {{"weights", 4, AsBytes(weights)}};
    return store.Commit(
        {.step = step, .fields = {{"seed", "3"}}, .sections = sections, .seen = std::move(seen)});
  }
  // 0: there is none.
  static std::uint64_t LatestStep(CheckpointStore& store, CheckpointNews* news = nullptr) {
    const auto latest = store.Latest(news);
    if (!latest.ok()) {
      EXPECT_EQ(latest.status().code(), StatusCode::kNotFound) << latest.status().ToString();
      return 0;
    }
    EXPECT_EQ(latest->content.Find("weights")->bytes, WeightsAt(latest->entry.step));
    EXPECT_EQ(latest->content.fields, (std::map<std::string, std::string>{{"seed", "3"}}));
    return latest->entry.step;
  }

  std::string PathOf(std::size_t index) {
    const CheckpointEntry& entry = vault_->manifest().checkpoints[index];
    return vault_->PathOf(Role::kCheckpoint, entry.file);
  }
  std::size_t FilesThere() {
    const auto files = world_.files.files();
    return static_cast<std::size_t>(std::count_if(files.begin(), files.end(), [](const auto& file) {
      return file.first.ends_with(".checkpoint") && !file.first.starts_with("v/quarantine");
    }));
  }
  // Taints the index-th as forgetting does.
  void Taint(std::size_t index) {
    auto transaction = vault_->Begin();
    ASSERT_OK(transaction);
    (*transaction)->manifest().checkpoints[index].tainted = true;
    ASSERT_OK((*transaction)->Commit());
  }

  TestPorts world_;
  std::unique_ptr<Vault> vault_;
};

TEST_F(CheckpointStoreTest, GivesBackWhatWasCommittedLast) {
  CheckpointStore store(*vault_, Options());
  EXPECT_EQ(LatestStep(store), 0u);
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1, {{5, 9}, {1, 4}}));
  ASSERT_OK(CommitStep(store, 2));
  EXPECT_EQ(LatestStep(store), 2u);
  const CheckpointEntry& first = vault_->manifest().checkpoints[0];
  EXPECT_EQ(first.seen, (std::vector<IdRange>{{1, 9}}));
  EXPECT_EQ(first.created, world_.clock.unix_seconds);
  EXPECT_EQ(first.run, store.run());
  EXPECT_EQ(first.bytes, world_.files.Size(PathOf(0)).ok() ? *world_.files.Size(PathOf(0)) : 0);

  const auto reopened = OpenVault();
  CheckpointStore again(*reopened, Options());
  EXPECT_EQ(LatestStep(again), 2u);
}

TEST_F(CheckpointStoreTest, KeepsSoManyAndTheirKeysAndNoMore) {
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.BeginRun(true));
  for (std::uint64_t step = 1; step <= 5; ++step) ASSERT_OK(CommitStep(store, step));
  EXPECT_EQ(vault_->manifest().checkpoints.size(), 2u);
  EXPECT_EQ(vault_->manifest().slices.size(), 2u);
  EXPECT_EQ(FilesThere(), 2u);
}

TEST_F(CheckpointStoreTest, KeepsTheCheckpointsOfOtherAdaptersApart) {
  CheckpointStore words(*vault_, Options("words")), voice(*vault_, Options("voice"));
  ASSERT_OK(words.BeginRun(false));
  ASSERT_OK(CommitStep(words, 1));
  ASSERT_OK(voice.BeginRun(false));
  for (std::uint64_t step = 2; step <= 4; ++step) ASSERT_OK(CommitStep(voice, step));
  ASSERT_OK(CommitStep(words, 5));
  EXPECT_EQ(LatestStep(voice), 4u);
  ASSERT_OK(voice.Clear());
  EXPECT_EQ(LatestStep(voice), 0u);
  EXPECT_EQ(LatestStep(words), 5u);
  EXPECT_EQ(FilesThere(), 2u);
}

TEST_F(CheckpointStoreTest, ANewRunEndsTheOneBefore) {
  const auto other = OpenVault();
  CheckpointStore older(*vault_, Options()), newer(*other, Options());
  EXPECT_EQ(CommitStep(older, 1).code(), StatusCode::kFailedPrecondition);  // None begun.
  ASSERT_OK(older.BeginRun(true));
  ASSERT_OK(CommitStep(older, 1));
  ASSERT_OK(newer.BeginRun(true));
  EXPECT_GT(newer.run(), older.run());
  EXPECT_EQ(CommitStep(older, 2).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(LatestStep(newer), 1u);
  ASSERT_OK(CommitStep(newer, 3));
  EXPECT_EQ(LatestStep(older), 3u);
  EXPECT_EQ(FilesThere(), 2u);
  // Who tidies up too late leaves what the newer run has saved.
  ASSERT_OK(older.Clear());
  EXPECT_EQ(LatestStep(newer), 3u);
  EXPECT_EQ(FilesThere(), 1u);
}

TEST_F(CheckpointStoreTest, ARunThatDoesNotResumeDropsWhatIsThere) {
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1));
  ASSERT_OK(store.BeginRun(true));
  EXPECT_EQ(LatestStep(store), 1u);
  ASSERT_OK(store.BeginRun(false));
  EXPECT_EQ(LatestStep(store), 0u);
  EXPECT_EQ(FilesThere(), 0u);
  EXPECT_TRUE(vault_->manifest().slices.empty());
}

TEST_F(CheckpointStoreTest, FallsBackToTheOneBeforeADamagedOne) {
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1));
  ASSERT_OK(CommitStep(store, 2));
  world_.files.Put(PathOf(1), "not a checkpoint");
  CheckpointNews news;
  EXPECT_EQ(LatestStep(store, &news), 1u);
  EXPECT_EQ(news.quarantined, 1);
  ASSERT_EQ(vault_->manifest().quarantine.size(), 1u);
  EXPECT_EQ(FilesThere(), 1u);
  // Found damaged once, it is not met again.
  EXPECT_EQ(LatestStep(store, &news), 1u);
  EXPECT_EQ(news.quarantined, 0);
  ASSERT_OK(CommitStep(store, 3));
  EXPECT_EQ(LatestStep(store), 3u);
}

TEST_F(CheckpointStoreTest, IsEmptyIfNoneAuthenticates) {
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1));
  ASSERT_OK(CommitStep(store, 2));
  world_.files.Put(PathOf(0), "");
  ASSERT_OK(world_.files.Remove(PathOf(1)));
  CheckpointNews news;
  EXPECT_EQ(LatestStep(store, &news), 0u);
  EXPECT_EQ(news.quarantined, 2);
}

TEST_F(CheckpointStoreTest, ReadsNoMoreThanWasWritten) {
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1));
  ASSERT_OK(CommitStep(store, 2));
  world_.files.Put(PathOf(1), world_.files.files()[PathOf(1)] + std::string(1 << 20, 'x'));
  CheckpointNews news;
  EXPECT_EQ(LatestStep(store, &news), 1u);
  EXPECT_EQ(news.quarantined, 1);
}

TEST_F(CheckpointStoreTest, SkipsTaintedOnesAndReplacesThemFirst) {
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1));
  ASSERT_OK(CommitStep(store, 2));
  Taint(1);
  CheckpointNews news;
  EXPECT_EQ(LatestStep(store, &news), 1u);
  EXPECT_EQ(news.tainted, 1);
  ASSERT_OK(CommitStep(store, 3));
  ASSERT_EQ(vault_->manifest().checkpoints.size(), 2u);
  EXPECT_EQ(vault_->manifest().checkpoints[0].step, 1u);
  EXPECT_EQ(vault_->manifest().checkpoints[1].step, 3u);
}

TEST_F(CheckpointStoreTest, SkipsThoseOfAnotherBase) {
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1));
  CheckpointOptions changed = Options();
  changed.base = {std::byte{8}};
  CheckpointStore other(*vault_, changed);
  CheckpointNews news;
  EXPECT_EQ(LatestStep(other, &news), 0u);
  EXPECT_EQ(news.other_base, 1);
  EXPECT_EQ(news.quarantined, 0);
  EXPECT_EQ(LatestStep(store), 1u);  // Still there.
}

// Lets another process do something just before a data file is read.
class InterruptedFileSystem final : public testing::ForwardingFileSystem {
 public:
  explicit InterruptedFileSystem(FileSystem& to) : ForwardingFileSystem(to) {}
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override {
    if (interrupt != nullptr && path.ends_with(".checkpoint")) interrupt();
    return ForwardingFileSystem::Read(path, limit);
  }
  std::function<void()> interrupt;
};

TEST_F(CheckpointStoreTest, LooksAgainWhenAnotherProcessDropsWhatItIsAboutToRead) {
  const auto writer = OpenVault();
  CheckpointStore store(*writer, Options());
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1));
  InterruptedFileSystem files(world_.files);
  VaultPorts ports = world_.ports();
  ports.files = &files;
  auto vault = Vault::Open(ports, TestVault());
  ASSERT_OK(vault);
  CheckpointStore reader(**vault, Options());
  int interruptions = 0;
  files.interrupt = [&] {
    if (++interruptions > 1) return;
    for (std::uint64_t step = 2; step <= 4; ++step) ASSERT_OK(CommitStep(store, step));
  };
  CheckpointNews news;
  EXPECT_EQ(LatestStep(reader, &news), 4u);
  EXPECT_EQ(news.quarantined, 0);

  // Over and over again: it gives up rather than to call them damaged.
  std::uint64_t step = 4;
  files.interrupt = [&] {
    for (int i = 0; i < 2; ++i) ASSERT_OK(CommitStep(store, ++step));
  };
  EXPECT_EQ(reader.Latest().status().code(), StatusCode::kUnavailable);
  files.interrupt = nullptr;
  EXPECT_EQ(LatestStep(reader, &news), step);
  EXPECT_TRUE((*vault)->manifest().quarantine.empty());
}

// Sealed by us, and yet no checkpoint, or not the one the manifest means.
TEST_F(CheckpointStoreTest, PutsAnAuthenticFileThatIsNoCheckpointIntoQuarantine) {
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.BeginRun(true));
  ASSERT_OK(CommitStep(store, 1));
  for (const std::string& content : {std::string("ATTC?"), EncodeContainer({}, {}),
                                     EncodeContainer({{"attune.step", "3"}}, {})}) {
    auto transaction = vault_->Begin();
    ASSERT_OK(transaction);
    const FileOwner owner = {Role::kCheckpoint, "default", Options().base};
    const auto stored = StoreContainer(*vault_, transaction->get(), owner, content, {});
    ASSERT_OK(stored);
    CheckpointEntry entry{*stored};
    entry.step = 2;
    (*transaction)->manifest().checkpoints.push_back(entry);
    ASSERT_OK((*transaction)->Commit());
    transaction = Unavailable("over");
    CheckpointNews news;
    EXPECT_EQ(LatestStep(store, &news), 1u);
    EXPECT_EQ(news.quarantined, 1);
  }
  EXPECT_EQ(vault_->manifest().quarantine.size(), 3u);
}

TEST_F(CheckpointStoreTest, RefusesANameThatIsNone) {
  for (const char* name : {"", "../up", "Upper", "with space"}) {
    CheckpointStore store(*vault_, Options(name));
    EXPECT_EQ(store.BeginRun(true).code(), StatusCode::kInvalidArgument) << name;
  }
  CheckpointStore store(*vault_, Options(std::string(65, 'a')));
  EXPECT_EQ(store.BeginRun(true).code(), StatusCode::kInvalidArgument);
}

TEST_F(CheckpointStoreTest, ClearingNothingWritesNothing) {
  const std::uint64_t generation = vault_->manifest().generation;
  CheckpointStore store(*vault_, Options());
  ASSERT_OK(store.Clear());
  EXPECT_EQ(vault_->manifest().generation, generation);
}

// --- Tampering with the newest of two: the one before is used, whatever it is ---

class TamperedCheckpointTest : public CheckpointStoreTest {
 protected:
  // Two checkpoints; `before_` is everything there is with them.
  void SetUp() override {
    CheckpointStoreTest::SetUp();
    CheckpointStore store(*vault_, Options());
    ASSERT_OK(store.BeginRun(true));
    ASSERT_OK(CommitStep(store, 1));
    ASSERT_OK(CommitStep(store, 2));
    first_ = PathOf(0);
    second_ = PathOf(1);
    before_ = world_.files.files();
    keys_ = world_.keys.items();
  }

  // Everything as it was, but for the file.
  void ExpectNoticed(const std::string& path, const std::string& bytes, std::uint64_t step) {
    for (const auto& [name, content] : before_) world_.files.Put(name, content);
    world_.keys.SetItems(keys_);
    world_.files.Put(path, bytes);
    const auto vault = OpenVault();
    ASSERT_NE(vault, nullptr);
    CheckpointStore store(*vault, Options());
    CheckpointNews news;
    ASSERT_EQ(LatestStep(store, &news), step);
    ASSERT_EQ(news.quarantined, step == 0 ? 2 : 1);
    ASSERT_EQ(vault->manifest().quarantine.size(), step == 0 ? 2u : 1u);
  }

  std::string first_, second_;
  std::map<std::string, std::string> before_;
  testing::MemoryKeyStore::Items keys_;
};

TEST_F(TamperedCheckpointTest, NoticesEveryFlippedByte) {
  const std::string good = before_[second_];
  for (std::size_t i = 0; i < good.size(); ++i) {
    SCOPED_TRACE(i);
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    ExpectNoticed(second_, bad, 1);
    if (HasFailure()) return;
  }
}

TEST_F(TamperedCheckpointTest, NoticesEveryCutAndAnAddition) {
  const std::string good = before_[second_];
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    SCOPED_TRACE(cut);
    ExpectNoticed(second_, good.substr(0, cut), 1);
    if (HasFailure()) return;
  }
  ExpectNoticed(second_, good + '\0', 1);
  ExpectNoticed(second_, good + good, 1);
}

TEST_F(TamperedCheckpointTest, NoticesAnOlderOneUnderANewerName) {
  ExpectNoticed(second_, before_[first_], 1);
}

TEST_F(TamperedCheckpointTest, NoticesTheHeaderOfOneOnTheBodyOfTheOther) {
  const std::size_t header = 32;
  ExpectNoticed(second_, before_[second_].substr(0, header) + before_[first_].substr(header), 1);
  ExpectNoticed(second_, before_[first_].substr(0, header) + before_[second_].substr(header), 1);
}

TEST_F(TamperedCheckpointTest, NoticesThatTwoWereExchanged) {
  const std::string first = before_[first_];
  before_[first_] = before_[second_];
  ExpectNoticed(second_, first, 0);
}

}  // namespace
}  // namespace attune
