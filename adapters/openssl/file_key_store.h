// A KeyStore of one file an item, in a directory that only its user may enter.
// Byte layout: docs/formats/key-file.md.
//
// Without a passphrase the files hold the secrets as they are: whoever can read
// the user's files can read them, and they protect a vault beside them only
// where the two part (a backup of one, a stolen copy of the other). With one they
// are sealed under a key that scrypt makes of it. docs/threat-model.md.
//
// Durability, threads, processes: as KeyStore.

#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "attune/status.h"
#include "openssl/key_file.h"
#include "openssl/openssl_crypto.h"
#include "ports/file_system.h"
#include "ports/key_store.h"

namespace attune {

inline constexpr std::size_t kMaxKeyStorePassphraseBytes = 1024;

struct FileKeyStoreOptions {
  // Made by the first Store(), for the user alone, if absent.
  std::string directory = {};
  // Empty: none. Copied into a Secret.
  ByteSpan passphrase = {};
  // Of what is stored from now on; each item says what it was stored with.
  ScryptCost cost = {};
  // How long a change waits for another process's.
  double lock_timeout_seconds = 10;
};

class FileKeyStore final : public KeyStore {
 public:
  // Neither is owned; both must outlive the store.
  //
  //   kInvalidArgument  a cost that IsAcceptable() refuses, or a passphrase longer
  //                     than kMaxKeyStorePassphraseBytes
  static Result<std::unique_ptr<FileKeyStore>> Open(FileSystem& files, OpensslCrypto& crypto,
                                                    const FileKeyStoreOptions& options);

  // The first use of a passphrase takes about a tenth of a second and 32 MiB; the
  // key made of it is kept.
  //
  //   kFailedPrecondition  also: the item is under a passphrase and the store has
  //                        none, or the other way round
  Result<Secret> Load(const std::string& name) override;
  //   kUnavailable  another process is changing the store for too long
  Status Store(const std::string& name, ByteSpan secret) override;
  Status Remove(const std::string& name) override;

 private:
  // A key that scrypt has made of the passphrase.
  struct WrappingKey {
    ScryptCost cost;
    ScryptSalt salt{};
    Secret key;
  };

  FileKeyStore(FileSystem& files, OpensslCrypto& crypto, const FileKeyStoreOptions& options);
  std::string PathOf(const std::string& name) const;
  Status CheckPrivate(const std::string& path) const;
  Result<std::unique_ptr<FileLock>> BeginChange();
  Result<Secret> ReadWhole(const std::string& name) const;
  Result<WrappingKey> MakeWrappingKey(const ScryptCost& cost, const ScryptSalt& salt);
  Result<Secret> OpenSealed(const std::string& name, const KeyFile& file);
  Result<std::string> SealNew(const std::string& name, ByteSpan secret, std::string* header);

  FileSystem& files_;
  OpensslCrypto& crypto_;
  const std::string directory_;
  const ScryptCost cost_;
  const double lock_timeout_seconds_;
  Secret passphrase_;

  std::mutex mutex_;  // Of the following.
  // The one used last, of an item that it has opened or of one just stored.
  std::optional<WrappingKey> wrapping_;
};

}  // namespace attune
