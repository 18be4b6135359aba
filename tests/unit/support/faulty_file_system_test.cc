// What the simulated disk loses, keeps and damages. Its promises to the programs
// under test are those of the port: tests/contract/file_system.

#include "support/faulty_file_system.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "base/strings.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kSeeds = 200;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

void AppendTo(FileSystem& files, const std::string& path, std::string_view text, bool sync) {
  auto file = files.OpenForAppending(path);
  ASSERT_OK(file);
  ASSERT_OK((*file)->Append(Bytes(text)));
  if (sync) {
    ASSERT_OK((*file)->Sync());
  }
}

// How often the file had which contents after a power failure ("-": no file), over
// kSeeds seeds.
std::map<std::string, int> AfterPowerFailure(
    const std::string& path, const std::function<void(FaultyFileSystem&)>& scenario) {
  std::map<std::string, int> outcomes;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultPlan plan({.seed = seed});
    FaultyFileSystem files(plan);
    files.Put("d/old", "old");
    scenario(files);
    files.Restart();
    const auto left = files.files();
    ++outcomes[left.contains(path) ? left.at(path) : "-"];
    EXPECT_EQ(files.pending(), 0u);
    // What a restart found is durable.
    files.Restart();
    EXPECT_EQ(files.files(), left);
  }
  return outcomes;
}

TEST(FaultyFileSystem, AnUnsyncedAppendIsKeptDroppedGarbledOrCutShort) {
  const auto outcomes = AfterPowerFailure("d/old", [](FaultyFileSystem& files) {
    AppendTo(files, "d/old", "+12345678", /*sync=*/false);
    EXPECT_EQ(files.pending(), 1u);
    EXPECT_EQ(files.files()["d/old"], "old+12345678");
  });
  int kept = 0, dropped = 0, cut = 0, zeros = 0, garbled = 0;
  for (const auto& [text, count] : outcomes) {
    EXPECT_EQ(text.substr(0, 3), "old");  // What was synced before is left alone.
    EXPECT_LE(text.size(), 12u);
    const std::string tail = text.substr(3);
    if (tail == "+12345678") {
      kept += count;
    } else if (tail.empty()) {
      dropped += count;
    } else if (std::string_view("+12345678").starts_with(tail)) {
      cut += count;
    } else if (tail.find('\0') != std::string::npos) {
      zeros += count;
    } else {
      EXPECT_EQ(tail.size(), 9u);
      garbled += count;
    }
  }
  for (const int count : {kept, dropped, cut, zeros, garbled}) EXPECT_GE(count, 10);
}

TEST(FaultyFileSystem, ASyncedAppendIsNeverLost) {
  EXPECT_THAT(AfterPowerFailure("d/old",
                                [](FaultyFileSystem& files) {
                                  AppendTo(files, "d/old", "+new", /*sync=*/true);
                                  EXPECT_EQ(files.pending(), 0u);
                                }),
              ElementsAre(std::pair("old+new", kSeeds)));
}

TEST(FaultyFileSystem, AnAppendMayBeLostBeforeALaterOneThatIsNot) {
  const auto outcomes = AfterPowerFailure("d/old", [](FaultyFileSystem& files) {
    AppendTo(files, "d/old", "AA", /*sync=*/false);
    AppendTo(files, "d/old", "BB", /*sync=*/false);
    EXPECT_EQ(files.pending(), 2u);
  });
  using namespace std::string_literals;
  EXPECT_TRUE(outcomes.contains("old\0\0BB"s));
  EXPECT_TRUE(outcomes.contains("oldAA"));
  EXPECT_TRUE(outcomes.contains("oldAABB"));
  EXPECT_TRUE(outcomes.contains("old"));
}

TEST(FaultyFileSystem, ANewNameIsSometimesLostUntilItsDirectoryIsSynced) {
  for (const bool sync_directory : {false, true}) {
    const auto outcomes = AfterPowerFailure("d/new", [&](FaultyFileSystem& files) {
      auto file = files.Create("d/new");
      ASSERT_OK(file);
      ASSERT_OK((*file)->Append(Bytes("bytes")));
      ASSERT_OK((*file)->Sync());
      if (sync_directory) {
        ASSERT_OK(files.SyncDirectory("d"));
      }
    });
    EXPECT_EQ(outcomes.contains("-"), !sync_directory);
    EXPECT_TRUE(outcomes.contains("bytes"));
  }
}

TEST(FaultyFileSystem, ANameMayOutliveTheBytesOfItsFile) {
  const auto outcomes = AfterPowerFailure("d/new", [&](FaultyFileSystem& files) {
    auto file = files.Create("d/new");
    ASSERT_OK(file);
    ASSERT_OK((*file)->Append(Bytes("bytes")));
    ASSERT_OK(files.SyncDirectory("d"));
  });
  EXPECT_FALSE(outcomes.contains("-"));
  EXPECT_TRUE(outcomes.contains(""));
  EXPECT_TRUE(outcomes.contains("bytes"));
}

TEST(FaultyFileSystem, ARenameIsOldOrNewUntilItsDirectoryIsSyncedThenNew) {
  for (const bool sync_directory : {false, true}) {
    const auto scenario = [&](FaultyFileSystem& files) {
      files.Put("d/new", "new");
      ASSERT_OK(files.Rename("d/new", "d/old"));
      EXPECT_THAT(files.files(), ElementsAre(std::pair("d/old", "new")));
      if (sync_directory) {
        ASSERT_OK(files.SyncDirectory("d"));
      }
    };
    const auto target = AfterPowerFailure("d/old", scenario);
    const auto source = AfterPowerFailure("d/new", scenario);
    EXPECT_EQ(target.contains("old"), !sync_directory);
    EXPECT_TRUE(target.contains("new"));
    EXPECT_FALSE(target.contains("-"));
    // One entry for both names: the same seeds lose both changes.
    EXPECT_EQ(source.contains("new") ? source.at("new") : 0,
              target.contains("old") ? target.at("old") : 0);
  }
}

TEST(FaultyFileSystem, ARenameBetweenDirectoriesIsTwoChanges) {
  std::map<std::pair<bool, bool>, int> outcomes;
  for (const char* first : {"", "d", "e"}) {
    outcomes.clear();
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      FaultPlan plan({.seed = seed});
      FaultyFileSystem files(plan);
      files.Put("d/a", "bytes");
      ASSERT_OK(files.CreateDirectories("e"));
      ASSERT_OK(files.Rename("d/a", "e/a"));
      EXPECT_EQ(files.pending(), 2u);
      if (*first != 0) {
        ASSERT_OK(files.SyncDirectory(first));
      }
      files.Restart();
      ++outcomes[{files.Exists("d/a"), files.Exists("e/a")}];
    }
    const bool both_lost = outcomes.contains({false, false});
    EXPECT_EQ(both_lost, std::string_view(first) != "e") << first;
    EXPECT_EQ(outcomes.size(), *first == '\0' ? 4u : 2u) << first;
  }
}

TEST(FaultyFileSystem, ARemovedFileSometimesComesBackUntilTheDirectoryIsSynced) {
  for (const bool sync_directory : {false, true}) {
    const auto outcomes = AfterPowerFailure("d/old", [&](FaultyFileSystem& files) {
      ASSERT_OK(files.Remove("d/old"));
      EXPECT_FALSE(files.Exists("d/old"));
      if (sync_directory) {
        ASSERT_OK(files.SyncDirectory("d"));
      }
    });
    EXPECT_EQ(outcomes.contains("old"), !sync_directory);
    EXPECT_TRUE(outcomes.contains("-"));
  }
}

TEST(FaultyFileSystem, SyncingOneDirectoryOrFileLeavesTheOthersPending) {
  FaultPlan plan;
  FaultyFileSystem files(plan);
  ASSERT_OK(files.CreateDirectories("d/sub"));
  ASSERT_OK_AND_ASSIGN(const auto a, files.Create("d/a"));
  ASSERT_OK_AND_ASSIGN(const auto b, files.Create("d/sub/b"));
  ASSERT_OK(a->Append(Bytes("1")));
  ASSERT_OK(b->Append(Bytes("2")));
  EXPECT_EQ(files.pending(), 4u);
  ASSERT_OK(files.SyncDirectory("d"));
  EXPECT_EQ(files.pending(), 3u);
  ASSERT_OK(a->Sync());
  EXPECT_EQ(files.pending(), 2u);
  ASSERT_OK(files.SyncDirectory("d/sub/"));
  ASSERT_OK(b->Sync());
  EXPECT_EQ(files.pending(), 0u);
}

TEST(FaultyFileSystem, AfterACrashEverythingFailsUntilRestart) {
  FaultPlan plan({.fault = Fault::kCrash, .at = 2});
  FaultyFileSystem files(plan);
  files.Put("d/old", "old");
  ASSERT_OK_AND_ASSIGN(const auto reader, files.OpenForReading("d/old"));
  ASSERT_OK_AND_ASSIGN(const auto writer, files.OpenForAppending("d/old"));
  auto lock = files.Lock("d/lock", 0);
  ASSERT_OK(lock);
  plan.Start();
  EXPECT_OK(files.CreateDirectories("d"));
  EXPECT_FALSE(plan.faulted());
  std::byte byte;
  for (int life = 0; life < 2; ++life) {
    const std::vector<Status> all = {files.Remove("d/old"),  // The second operation.
                                     files.Read("d/old", 9).status(),
                                     files.Size("d/old").status(),
                                     files.IsPrivate("d/old").status(),
                                     files.List("d").status(),
                                     files.OpenForReading("d/old").status(),
                                     files.Map("d/old").status(),
                                     files.Create("d/b").status(),
                                     files.OpenForAppending("d/old").status(),
                                     files.Rename("d/old", "d/b"),
                                     files.SyncDirectory("d"),
                                     files.CreateDirectories("d/e"),
                                     files.Lock("d/lock", 0).status(),
                                     reader->ReadAt(0, std::span(&byte, 1)),
                                     writer->Append(Bytes("x")),
                                     writer->Sync()};
    for (const Status& status : all) EXPECT_EQ(status.code(), StatusCode::kIoError);
    EXPECT_FALSE(files.Exists("d/old"));
    EXPECT_FALSE(files.IsDirectory("d"));
  }
  EXPECT_TRUE(plan.faulted());
  EXPECT_TRUE(plan.crashed());
  EXPECT_EQ(plan.operations(), 2u);
  files.Restart();
  EXPECT_TRUE(plan.faulted());
  EXPECT_FALSE(plan.crashed());
  EXPECT_TRUE(files.IsDirectory("d"));
  EXPECT_FALSE(files.IsDirectory("d/e"));
  EXPECT_OK(files.Lock("d/lock", 0));  // Released by the crash.
  // Files opened before the crash are no good afterwards.
  EXPECT_EQ(reader->ReadAt(0, std::span(&byte, 1)).code(), StatusCode::kIoError);
  EXPECT_EQ(writer->Append(Bytes("x")).code(), StatusCode::kIoError);
  EXPECT_EQ(writer->Sync().code(), StatusCode::kIoError);
}

TEST(FaultyFileSystem, ALockOfADeadProcessDoesNotReleaseThatOfALivingOne) {
  FaultPlan plan;
  FaultyFileSystem files(plan);
  ASSERT_OK(files.CreateDirectories("d"));
  ASSERT_OK_AND_ASSIGN(auto dead, files.Lock("d/lock", 0));
  ASSERT_OK(files.SyncDirectory("d"));
  files.Restart();
  ASSERT_OK_AND_ASSIGN(const auto alive, files.Lock("d/lock", 0));
  dead.reset();
  EXPECT_EQ(files.Lock("d/lock", 0).status().code(), StatusCode::kUnavailable);
}

TEST(FaultyFileSystem, AKilledProcessLosesNothingThatItHadWritten) {
  int begun = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultPlan plan({.fault = Fault::kKill, .at = 3, .seed = seed});
    FaultyFileSystem files(plan);
    ASSERT_OK(files.CreateDirectories("d"));
    plan.Start();
    ASSERT_OK_AND_ASSIGN(const auto file, files.Create("d/a"));
    ASSERT_OK(file->Append(Bytes("whole ")));
    EXPECT_FALSE(file->Append(Bytes("part")).ok());
    files.Restart();
    const std::string text = files.files().at("d/a");
    EXPECT_TRUE(std::string_view("whole part").starts_with(text)) << text;
    EXPECT_GE(text.size(), 6u);
    begun += text.size() > 6 && text.size() < 10;
    EXPECT_GE(files.pending(), 2u);  // Another power failure can still take it.
  }
  EXPECT_GE(begun, 10);
}

TEST(FaultyFileSystem, AnOperationThatACrashStruckMayHaveTakenPlace) {
  for (const Fault fault : {Fault::kCrash, Fault::kKill}) {
    std::map<std::string, int> outcomes;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      FaultPlan plan({.fault = fault, .seed = seed});
      FaultyFileSystem files(plan);
      files.Put("d/a", "");
      plan.Start();
      switch (seed % 4) {
        case 0:
          EXPECT_FALSE(files.Remove("d/a").ok());
          break;
        case 1:
          EXPECT_FALSE(files.Rename("d/a", "d/b").ok());
          break;
        case 2:
          EXPECT_FALSE(files.Create("d/c").ok());
          break;
        default:
          EXPECT_FALSE(files.CreateDirectories("d/e").ok());
      }
      files.Restart();
      ASSERT_OK_AND_ASSIGN(const auto names, files.List("d"));
      ++outcomes[StrCat(seed % 4, ":", StrJoin(names, ","))];
    }
    EXPECT_EQ(outcomes.size(), 8u);
    for (const char* outcome : {"0:", "0:a", "1:a", "1:b", "2:a", "2:a,c", "3:a", "3:a,e"}) {
      EXPECT_GE(outcomes[outcome], 5) << FaultName(fault) << " " << outcome;
    }
  }
}

TEST(FaultyFileSystem, AFailedSyncLosesDataAtOnceAndTheFileStaysFailed) {
  std::map<std::string, int> outcomes;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultPlan plan({.fault = Fault::kFailedSync, .seed = seed});
    FaultyFileSystem files(plan);
    files.Put("d/old", "old");
    ASSERT_OK_AND_ASSIGN(const auto file, files.OpenForAppending("d/old"));
    plan.Start();
    ASSERT_OK(file->Append(Bytes("+new")));
    ASSERT_OK_AND_ASSIGN(const auto reader, files.OpenForReading("d/old"));
    EXPECT_EQ(file->Sync().code(), StatusCode::kIoError);
    EXPECT_EQ(file->Sync().code(), StatusCode::kIoError);  // Not a success, ever.
    EXPECT_EQ(file->Append(Bytes("x")).code(), StatusCode::kIoError);
    EXPECT_EQ(plan.operations(), 1u);
    const std::string left = files.files()["d/old"];
    ++outcomes[left];
    EXPECT_EQ(files.pending(), left.size() > 3 ? 1u : 0u);
    std::string text(7, '?');
    EXPECT_EQ(reader->ReadAt(0, std::as_writable_bytes(std::span(text))).code(),
              left.size() == 7 ? StatusCode::kOk : StatusCode::kDataLoss);
    AppendTo(files, "d/old", "", /*sync=*/true);  // A new one may work.
    EXPECT_EQ(files.pending(), 0u);
  }
  EXPECT_TRUE(outcomes.contains("old"));
  EXPECT_TRUE(outcomes.contains("old+new"));
  EXPECT_TRUE(outcomes.contains("old+ne"));
}

TEST(FaultyFileSystem, AShortWriteAppendsAPart) {
  for (const auto& [fault, code] : {std::pair(Fault::kShortWrite, StatusCode::kIoError),
                                    std::pair(Fault::kNoSpace, StatusCode::kResourceExhausted)}) {
    std::map<std::string, int> outcomes;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      FaultPlan plan({.fault = fault, .seed = seed});
      FaultyFileSystem files(plan);
      files.Put("a", "");
      ASSERT_OK_AND_ASSIGN(const auto file, files.OpenForAppending("a"));
      plan.Start();
      EXPECT_EQ(file->Append(Bytes("abc")).code(), code);
      EXPECT_EQ(file->Append(Bytes("def")).code(), code);
      ++outcomes[files.files()["a"]];
    }
    EXPECT_THAT(outcomes, UnorderedElementsAre(::testing::Key(""), ::testing::Key("a"),
                                               ::testing::Key("ab"), ::testing::Key("abc")));
  }
}

TEST(FaultyFileSystem, AFailedOrDeadAppendChangesNothing) {
  FaultPlan plan({.fault = Fault::kIoError});
  FaultyFileSystem files(plan);
  files.Put("a", "old");
  for (const Fault fault : {Fault::kIoError, Fault::kCrash}) {
    ASSERT_OK_AND_ASSIGN(const auto file, files.OpenForAppending("a"));
    plan.Start({.fault = fault});
    if (fault == Fault::kCrash) {
      EXPECT_FALSE(files.SyncDirectory(".").ok());
    }
    EXPECT_EQ(file->Append(Bytes("new")).code(), StatusCode::kIoError);
    EXPECT_EQ(files.files()["a"], "old");
    files.Restart();
  }
}

TEST(FaultyFileSystem, ARemovalThatSurvivesTakesTheFileItWasMeantFor) {
  std::map<std::string, int> outcomes;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FaultPlan plan({.seed = seed});
    FaultyFileSystem files(plan);
    files.Put("a", "old");
    files.Put("b", "new");
    ASSERT_OK(files.Rename("b", "a"));
    ASSERT_OK(files.Remove("a"));
    files.Restart();
    std::string left;
    for (const auto& [path, bytes] : files.files()) left += StrCat(path, "=", bytes, " ");
    ++outcomes[left];
  }
  // The rename lost, whatever became of the removal; only the removal lost; neither.
  EXPECT_THAT(outcomes, UnorderedElementsAre(::testing::Key("a=old b=new "),
                                             ::testing::Key("a=new "), ::testing::Key("")));
}

TEST(FaultyFileSystem, WaitingForALockIsOneOperation) {
  FaultPlan plan({.fault = Fault::kCrash, .at = 3});
  FaultyFileSystem files(plan);
  plan.Start();
  ASSERT_OK_AND_ASSIGN(const auto lock, files.Lock("lock", 0));
  EXPECT_EQ(files.Lock("lock", 0.01).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(plan.operations(), 2u);
}

TEST(FaultyFileSystem, AKillReleasesLocks) {
  FaultPlan plan({.fault = Fault::kKill, .at = 2});
  FaultyFileSystem files(plan);
  plan.Start();
  ASSERT_OK_AND_ASSIGN(const auto lock, files.Lock("lock", 0));
  EXPECT_FALSE(files.SyncDirectory(".").ok());
  files.Restart();
  EXPECT_OK(files.Lock("lock", 0));
}

// A test that fails has to fail again, although the names of temporary files differ.
TEST(FaultyFileSystem, TheSameSeedGivesTheSameDiskWhateverTheNames) {
  const auto left = [](const std::string& name, std::uint64_t seed) {
    FaultPlan plan({.seed = seed});
    FaultyFileSystem files(plan);
    files.Put("d/m", "old");
    for (const std::string& path : {"d/" + name, std::string("d/n")}) {
      auto file = files.Create(path);
      EXPECT_OK(file);
      EXPECT_OK((*file)->Append(Bytes("abcdefgh")));
    }
    EXPECT_OK(files.Rename("d/" + name, "d/m"));
    files.Restart();
    auto now = files.files();
    now.erase("d/" + name);
    return now;
  };
  int different = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    EXPECT_EQ(left("aaa", seed), left("zzz", seed)) << seed;
    different += left("aaa", seed) != left("aaa", seed + 1);
  }
  EXPECT_GE(different, 100);
}

}  // namespace
}  // namespace attune::testing
