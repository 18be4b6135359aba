#include "openssl/file_key_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "posix/posix_file_system.h"
#include "support/memory_file_system.h"
#include "support/sealed_message.h"
#include "support/temporary_directory.h"
#include "support/vector_file.h"

namespace attune::testing {
namespace {

constexpr ScryptCost kCheap{.log2_n = 4, .r = 8, .p = 1};
const std::string kSecret = TestPlaintext(1, 80);

std::unique_ptr<FileKeyStore> OpenAt(FileSystem& files, const std::string& directory,
                                     std::string_view passphrase, const ScryptCost& cost = kCheap) {
  auto keys =
      FileKeyStore::Open(files, TestCrypto(),
                         {.directory = directory, .passphrase = AsBytes(passphrase), .cost = cost});
  EXPECT_OK(keys);
  return std::move(*keys);
}

StatusCode LoadCode(FileSystem& files, std::string_view passphrase) {
  return OpenAt(files, "keys", passphrase)->Load("root").status().code();
}

// The bytes of the item "root", stored under `passphrase`.
std::string FileOf(std::string_view passphrase, const ScryptCost& cost = kCheap) {
  MemoryFileSystem files;
  EXPECT_OK(OpenAt(files, "keys", passphrase, cost)->Store("root", AsBytes(kSecret)));
  return files.files().at("keys/root.key");
}

class KeyFileBytes : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Both, KeyFileBytes, ::testing::Values("", "open, sesame"));

TEST_P(KeyFileBytes, EveryFlippedBitIsDamage) {
  const std::string bytes = FileOf(GetParam());
  MemoryFileSystem files;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    files.Put("keys/root.key", flipped);
    const bool version = bit / 8 == 8 || bit / 8 == 9;
    ASSERT_EQ(LoadCode(files, GetParam()),
              version ? StatusCode::kUnsupported : StatusCode::kDataLoss)
        << bit;
  }
}

TEST_P(KeyFileBytes, EveryCutAndEveryTailIsDamage) {
  const std::string bytes = FileOf(GetParam());
  MemoryFileSystem files;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    files.Put("keys/root.key", bytes.substr(0, size));
    ASSERT_EQ(LoadCode(files, GetParam()), StatusCode::kDataLoss) << size;
  }
  for (const std::size_t tail : {std::size_t{1}, std::size_t{100}, kMaxKeyFileBytes}) {
    files.Put("keys/root.key", bytes + std::string(tail, '\0'));
    ASSERT_EQ(LoadCode(files, GetParam()), StatusCode::kDataLoss) << tail;
  }
}

TEST_P(KeyFileBytes, OfAnotherItemAreRefused) {
  MemoryFileSystem files;
  files.Put("keys/roof.key", FileOf(GetParam()));
  EXPECT_EQ(OpenAt(files, "keys", GetParam())->Load("roof").status().code(), StatusCode::kDataLoss);
}

TEST(FileKeyStore, TellsAWrongPassphraseFromDamage) {
  MemoryFileSystem files;
  files.Put("keys/root.key", FileOf("open, sesame"));
  EXPECT_EQ(LoadCode(files, "open, sesame"), StatusCode::kOk);
  for (const char* passphrase : {"open, sesam", "Open, sesame", "open, sesame\n"}) {
    EXPECT_EQ(LoadCode(files, passphrase), StatusCode::kFailedPrecondition) << passphrase;
  }
  EXPECT_EQ(LoadCode(files, ""), StatusCode::kFailedPrecondition);
}

TEST(FileKeyStore, DoesNotTakeABareKeyForOneUnderThePassphrase) {
  MemoryFileSystem files;
  files.Put("keys/root.key", FileOf(""));
  EXPECT_EQ(LoadCode(files, ""), StatusCode::kOk);
  EXPECT_EQ(LoadCode(files, "open, sesame"), StatusCode::kFailedPrecondition);
}

TEST(FileKeyStore, HidesTheSecretUnderAPassphraseAlone) {
  EXPECT_NE(FileOf("").find(kSecret), std::string::npos);
  EXPECT_EQ(FileOf("open, sesame").find(kSecret.substr(0, 8)), std::string::npos);
}

// The key of the passphrase is made once, not for every change and every read.
TEST(FileKeyStore, KeepsTheKeyOfThePassphrase) {
  const auto salt_of = [](MemoryFileSystem& files) {
    return files.files()
        .at("keys/root.key")
        .substr(kKeyFileHeaderBytes - kScryptSaltBytes, kScryptSaltBytes);
  };
  constexpr ScryptCost kSlow{.log2_n = 13, .r = 8, .p = 1};
  MemoryFileSystem files;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_OK(OpenAt(files, "keys", "open, sesame", kSlow)->Store("root", AsBytes(kSecret)));
  const auto once = std::chrono::steady_clock::now() - begin;
  const std::string salt = salt_of(files);

  const auto keys = OpenAt(files, "keys", "open, sesame", kSlow);
  ASSERT_OK(keys->Load("root"));
  const auto loaded = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) ASSERT_OK(keys->Load("root"));
  EXPECT_LT(std::chrono::steady_clock::now() - loaded, 10 * once);
  ASSERT_OK(keys->Store("root", AsBytes(kSecret)));
  EXPECT_EQ(salt_of(files), salt);
  // A store that has not loaded it makes one of its own, with a salt of its own.
  ASSERT_OK(OpenAt(files, "keys", "open, sesame", kSlow)->Store("root", AsBytes(kSecret)));
  EXPECT_NE(salt_of(files), salt);
}

TEST(FileKeyStore, OpensTheFilesOfAnIndependentScript) {
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "key_file/vectors.txt")) {
    SCOPED_TRACE(record.Text("name") + " " + record.Text("passphrase"));
    MemoryFileSystem files;
    files.Put("keys/" + record.Text("name") + ".key", record.Bytes("file"));
    const std::string passphrase = record.Bytes("passphrase");
    const auto secret = OpenAt(files, "keys", passphrase)->Load(record.Text("name"));
    ASSERT_OK(secret);
    EXPECT_TRUE(std::ranges::equal(secret->bytes(), AsBytes(record.Bytes("secret"))));
  }
}

// A file that was altered on purpose carries a checksum that fits.
std::string Forged(std::size_t at, std::string_view patch) {
  std::string bytes = FileOf("open, sesame");
  bytes.replace(at, patch.size(), patch);
  const std::string_view header = std::string_view(bytes).substr(0, kKeyFileHeaderBytes);
  const std::string_view body = std::string_view(bytes).substr(
      kKeyFileHeaderBytes, bytes.size() - kKeyFileHeaderBytes - kSha256Bytes);
  const auto checksum = KeyFileChecksum(TestCrypto(), "root", header, AsBytes(body));
  EXPECT_OK(checksum);
  bytes.replace(bytes.size() - kSha256Bytes, kSha256Bytes,
                reinterpret_cast<const char*>(checksum->data()), kSha256Bytes);
  return bytes;
}

TEST(FileKeyStore, PaysForNoMoreThanAFewTimesItsOwnCost) {
  MemoryFileSystem files;
  // n of 2^40; r, then p, of 2^32 - 1; more than 64 MiB.
  for (const auto& [at, patch] : {std::pair<std::size_t, std::string_view>{11, "\x28"},
                                  {12, "\xff\xff\xff\xff"},
                                  {16, "\xff\xff\xff\xff"},
                                  {11, "\x11"}}) {
    files.Put("keys/root.key", Forged(at, patch));
    EXPECT_EQ(LoadCode(files, "open, sesame"), StatusCode::kDataLoss) << at;
  }
}

TEST(FileKeyStore, BindsTheSecretToItsHeader) {
  MemoryFileSystem files;
  files.Put("keys/root.key", Forged(0, ""));
  EXPECT_EQ(LoadCode(files, "open, sesame"), StatusCode::kOk);
  // Another salt or cost gives another key; a flag of no meaning is not written.
  files.Put("keys/root.key", Forged(30, "x"));
  EXPECT_EQ(LoadCode(files, "open, sesame"), StatusCode::kFailedPrecondition);
  files.Put("keys/root.key", Forged(11, "\x05"));
  EXPECT_EQ(LoadCode(files, "open, sesame"), StatusCode::kFailedPrecondition);
  files.Put("keys/root.key", Forged(10, "\x02"));
  EXPECT_EQ(LoadCode(files, "open, sesame"), StatusCode::kDataLoss);
  // The body is damaged, its commitment is not.
  files.Put("keys/root.key", Forged(kKeyFileHeaderBytes + kSealHeaderBytes, "xxxx"));
  EXPECT_EQ(LoadCode(files, "open, sesame"), StatusCode::kDataLoss);
}

TEST(FileKeyStore, StoresUnderItsOwnCostWhateverTheFileHad) {
  MemoryFileSystem files;
  files.Put("keys/root.key", FileOf("open, sesame", {.log2_n = 2, .r = 1, .p = 1}));
  const auto keys = OpenAt(files, "keys", "open, sesame");
  ASSERT_OK(keys->Load("root"));
  ASSERT_OK(keys->Store("root", AsBytes(kSecret)));
  EXPECT_EQ(files.files().at("keys/root.key")[11], kCheap.log2_n);
}

TEST(FileKeyStore, RefusesOptionsBeyondItsBounds) {
  MemoryFileSystem files;
  const std::string passphrase(kMaxKeyStorePassphraseBytes + 1, 'x');
  const auto code = [&](const FileKeyStoreOptions& options) {
    return FileKeyStore::Open(files, TestCrypto(), options).status().code();
  };
  EXPECT_EQ(code({.directory = "keys", .passphrase = AsBytes(passphrase)}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.directory = "keys", .cost = {.log2_n = 20, .r = 8, .p = 1}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.directory = ""}), StatusCode::kInvalidArgument);
}

class FileKeyStoreOnDisk : public ::testing::Test {
 protected:
  FileKeyStoreOnDisk() { EXPECT_OK(keys_->Store("root", AsBytes(kSecret))); }
  StatusCode Load() { return keys_->Load("root").status().code(); }

  TemporaryDirectory directory_;
  PosixFileSystem files_;
  std::unique_ptr<FileKeyStore> keys_ = OpenAt(files_, directory_ / "keys", "");
};

TEST_F(FileKeyStoreOnDisk, MakesFilesForTheUserAlone) {
  struct stat info;
  ASSERT_EQ(stat((directory_ / "keys/root.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((directory_ / "keys").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(FileKeyStoreOnDisk, RefusesWhatOthersMayReadOrReplace) {
  ASSERT_EQ(Load(), StatusCode::kOk);
  for (const mode_t mode : {0640, 0604, 0620}) {
    ASSERT_EQ(chmod((directory_ / "keys/root.key").c_str(), mode), 0);
    EXPECT_EQ(Load(), StatusCode::kFailedPrecondition) << mode;
  }
  ASSERT_EQ(chmod((directory_ / "keys/root.key").c_str(), 0600), 0);
  ASSERT_EQ(chmod((directory_ / "keys").c_str(), 0755), 0);
  EXPECT_EQ(Load(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(keys_->Store("root", AsBytes(kSecret)).code(), StatusCode::kFailedPrecondition);
}

TEST_F(FileKeyStoreOnDisk, DoesNotFollowALink) {
  std::filesystem::rename(directory_ / "keys/root.key", directory_ / "elsewhere");
  std::filesystem::create_symlink(directory_ / "elsewhere", directory_ / "keys/root.key");
  EXPECT_EQ(Load(), StatusCode::kInvalidArgument);
}

TEST_F(FileKeyStoreOnDisk, SweepsWhatAKilledProcessLeft) {
  const std::string left = directory_ / "keys/.attune-0123456789abcdef.tmp";
  auto file = files_.Create(left);
  ASSERT_OK(file);
  ASSERT_OK(keys_->Store("other", AsBytes("x")));
  EXPECT_FALSE(files_.Exists(left));
}

TEST_F(FileKeyStoreOnDisk, WaitsForAnotherProcesssChange) {
  auto lock = files_.Lock(directory_ / "keys/lock", 0);
  ASSERT_OK(lock);
  auto impatient = FileKeyStore::Open(
      files_, TestCrypto(), {.directory = directory_ / "keys", .lock_timeout_seconds = 0});
  ASSERT_OK(impatient);
  EXPECT_EQ((*impatient)->Store("root", AsBytes("x")).code(), StatusCode::kUnavailable);
  EXPECT_EQ((*impatient)->Remove("root").code(), StatusCode::kUnavailable);
  EXPECT_EQ(Load(), StatusCode::kOk);  // Readers do not wait.
}

}  // namespace
}  // namespace attune::testing
