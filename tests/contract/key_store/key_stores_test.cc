// The key stores there are: in memory, in files, in files under a passphrase.

#include "contract/key_store/key_store_contract.h"
#include "openssl/file_key_store.h"
#include "posix/posix_file_system.h"
#include "support/memory_key_store.h"
#include "support/sealed_message.h"
#include "support/temporary_directory.h"

namespace attune::testing {
namespace {

class MemoryHome final : public KeyStoreHome {
 public:
  std::unique_ptr<KeyStore> Open() override { return std::make_unique<Shared>(keys_); }

 private:
  class Shared final : public KeyStore {
   public:
    explicit Shared(MemoryKeyStore& keys) : keys_(keys) {}
    Result<Secret> Load(const std::string& name) override { return keys_.Load(name); }
    Status Store(const std::string& name, ByteSpan secret) override {
      return keys_.Store(name, secret);
    }
    Status Remove(const std::string& name) override { return keys_.Remove(name); }

   private:
    MemoryKeyStore& keys_;
  };
  MemoryKeyStore keys_{TestCrypto()};
};

class FileHome final : public KeyStoreHome {
 public:
  explicit FileHome(std::string passphrase) : passphrase_(std::move(passphrase)) {}
  std::unique_ptr<KeyStore> Open() override {
    auto keys = FileKeyStore::Open(files_, TestCrypto(),
                                   {.directory = directory_ / "a/b",
                                    .passphrase = AsBytes(passphrase_),
                                    .cost = {.log2_n = 4, .r = 8, .p = 1}});
    EXPECT_OK(keys);
    return std::move(*keys);
  }

 private:
  TemporaryDirectory directory_;
  PosixFileSystem files_;
  std::string passphrase_;
};

const KeyStoreUnderTest kMemory{"memory", [] { return std::make_unique<MemoryHome>(); }};
const KeyStoreUnderTest kFile{"file", [] { return std::make_unique<FileHome>(""); }};
const KeyStoreUnderTest kPassphrase{"file_under_passphrase",
                                    [] { return std::make_unique<FileHome>("open, sesame"); }};
INSTANTIATE_TEST_SUITE_P(All, KeyStoreContract, ::testing::Values(kMemory, kFile, kPassphrase),
                         KeyStoreName);

}  // namespace
}  // namespace attune::testing
