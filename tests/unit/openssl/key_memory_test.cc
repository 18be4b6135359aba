// Where keys lie in memory, and that they are gone when they are dropped.

#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "openssl/file_key_store.h"
#include "support/memory_file_system.h"
#include "support/sealed_message.h"
#ifdef __linux__
#include "unit/openssl/memory_scan.h"
#endif

namespace attune::testing {
namespace {

// Counts what is allocated and released, and looks at what is released.
class WatchedCrypto final : public Crypto {
 public:
  Status Random(std::span<std::byte> out) override { return TestCrypto().Random(out); }
  Status Hkdf(ByteSpan key, ByteSpan salt, ByteSpan info, std::span<std::byte> out) override {
    return TestCrypto().Hkdf(key, salt, info, out);
  }
  Status HkdfExpand(ByteSpan prk, ByteSpan info, std::span<std::byte> out) override {
    return TestCrypto().HkdfExpand(prk, info, out);
  }
  Result<std::unique_ptr<Aead>> Aes256Gcm(ByteSpan key) override {
    return TestCrypto().Aes256Gcm(key);
  }
  Result<Sha256Digest> Sha256(std::span<const ByteSpan> parts) override {
    return TestCrypto().Sha256(parts);
  }
  std::span<std::byte> AllocateSecret(std::size_t size) override {
    ++live;
    return TestCrypto().AllocateSecret(size);
  }
  void ReleaseSecret(std::span<std::byte> secret) override {
    --live;
    ++released;
    TestCrypto().ReleaseSecret(secret);
  }

  int live = 0;
  int released = 0;
};

TEST(Secret, IsReleasedOnceWhoeverHoldsItLast) {
  WatchedCrypto crypto;
  {
    Secret first(crypto, 32);
    Secret second(crypto, 32);
    EXPECT_EQ(crypto.live, 2);
    second = std::move(first);  // Drops what it held.
    EXPECT_EQ(crypto.released, 1);
    const Secret third(std::move(second));
    EXPECT_EQ(crypto.released, 1);
  }
  EXPECT_EQ(crypto.live, 0);
  EXPECT_EQ(crypto.released, 2);
}

TEST(Secret, NoneIsLeftBehindBySealingAndOpening) {
  WatchedCrypto crypto;
  std::string sealed;
  ASSERT_OK(Seal(crypto, AsBytes(TestKey()), "context", AsBytes("text"), &sealed));
  ASSERT_OK(Unseal(crypto, AsBytes(TestKey()), "context", AsBytes(sealed)));
  EXPECT_FALSE(Unseal(crypto, AsBytes(TestKey()), "another", AsBytes(sealed)).ok());
  ASSERT_OK(UnsealSecret(crypto, AsBytes(TestKey()), "context", AsBytes(sealed)));
  EXPECT_EQ(crypto.live, 0);
  EXPECT_EQ(crypto.released, 5);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ATTUNE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ATTUNE_SANITIZED 1
#endif
#endif

#if defined(__linux__) && !defined(ATTUNE_SANITIZED)

std::vector<std::string> Dumped() { return MemoryScan::FindKey(/*also_undumped=*/false); }
std::vector<std::string> Anywhere() { return MemoryScan::FindKey(/*also_undumped=*/true); }

Secret MakeKey() {
  Secret key(TestCrypto(), kSealKeyBytes);
  WriteKey(key.bytes());
  return key;
}

// Whatever the SDK does with a key.
void UseKey(const Secret& key) {
  OpensslCrypto& crypto = TestCrypto();
  std::string out(32, '\0');
  ASSERT_OK(crypto.Hkdf(key.bytes(), AsBytes("vault id"), AsBytes("label"),
                        std::as_writable_bytes(std::span(out))));
  std::string sealed;
  ASSERT_OK(Seal(crypto, key.bytes(), "context", AsBytes(TestPlaintext(1, 50000)), &sealed));
  ASSERT_OK(Unseal(crypto, key.bytes(), "context", AsBytes(sealed)));
  const auto reader =
      SealedReader::Create(crypto, key.bytes(), "context", std::make_unique<StringSource>(sealed));
  ASSERT_OK(reader);
  // Wrapped under another key, and unwrapped.
  std::string wrapped;
  ASSERT_OK(Seal(crypto, AsBytes(TestKey()), "wrap", key.bytes(), &wrapped));
  ASSERT_OK(UnsealSecret(crypto, AsBytes(TestKey()), "wrap", AsBytes(wrapped)));
}

TEST(KeyMemory, TheSearchFindsACopyInTheOrdinaryHeap) {
  EXPECT_EQ(Anywhere().size(), 0u);
  std::vector<std::byte> copy(32);
  WriteKey(copy);
  EXPECT_GE(Dumped().size(), 1u);
  Wipe(copy);
  EXPECT_EQ(Anywhere().size(), 0u);
}

TEST(KeyMemory, AKeyInUseIsInNoCoreDump) {
  const Secret key = MakeKey();
  UseKey(key);
  EXPECT_EQ(Dumped(), std::vector<std::string>());
  EXPECT_GE(Anywhere().size(), 1u);  // It is there, on pages that are left out.
}

TEST(KeyMemory, AKeyFromAStoreIsInNoCoreDump) {
  // The files of a MemoryFileSystem would be finds; under a passphrase they are not.
  MemoryFileSystem files;
  const auto keys = FileKeyStore::Open(
      files, TestCrypto(),
      {.directory = "keys", .passphrase = AsBytes("open, sesame"), .cost = {.log2_n = 4}});
  ASSERT_OK(keys);
  ASSERT_OK((*keys)->Store("root", MakeKey().bytes()));
  const auto key = (*keys)->Load("root");
  ASSERT_OK(key);
  EXPECT_EQ(Dumped(), std::vector<std::string>());
  EXPECT_GE(Anywhere().size(), 1u);
}

TEST(KeyMemory, ADroppedKeyIsNowhere) {
  {
    const Secret key = MakeKey();
    UseKey(key);
  }
  EXPECT_EQ(Anywhere(), std::vector<std::string>());
  {
    // More than the secure heap has: in the ordinary heap while it lives.
    Secret large(TestCrypto(), 100000);
    WriteKey(large.bytes().subspan(5000, 32));
    EXPECT_GE(Dumped().size(), 1u);
  }
  EXPECT_EQ(Anywhere(), std::vector<std::string>());
}

#else

TEST(KeyMemory, IsSearchedOnLinuxAlone) {
  GTEST_SKIP() << "the search reads /proc/self/mem, not under a sanitizer";
}

#endif

}  // namespace
}  // namespace attune::testing
