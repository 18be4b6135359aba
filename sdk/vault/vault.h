// A Vault is a directory of sealed files under one root key: what the SDK keeps
// about a user. Stores for checkpoints, adapters and examples lie on top.
// Byte layout: docs/formats/vault.md.
//
// Durability: a transaction that was committed survives a process kill and a
// power failure at any later instant; one that was not leaves nothing behind.
// Rollback: the KeyStore holds the generation of the last commit; an older set
// of files is refused, however valid.
// Processes: any number may have the vault open. Readers never wait; writers take
// turns by a lock that is held for one transaction only and ends with its process.
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "ports/clock.h"
#include "ports/crypto.h"
#include "ports/file_system.h"
#include "ports/key_store.h"
#include "vault/context.h"
#include "vault/manifest.h"

namespace attune {

// Nothing is owned; all must outlive the vault.
struct VaultPorts {
  FileSystem* files = nullptr;
  KeyStore* keys = nullptr;
  Crypto* crypto = nullptr;
  Clock* clock = nullptr;
};

struct VaultOptions {
  std::string directory;
  // Make a vault, and its root key, where the directory is absent or empty.
  bool create = false;
  // How long a transaction waits for another process's.
  double lock_timeout_seconds = 10;
};

// A file of the vault, as the stores see it.
struct VaultFile {
  Role role = Role::kCheckpoint;
  std::uint64_t file = 0;
  std::uint64_t slice = 0;
  BaseHash base{};
  std::string adapter;
};

class Vault {
 public:
  //   kNotFound            no vault there, and create is false
  //   kUnavailable         the KeyStore is locked; retry later
  //   kFailedPrecondition  no key for this vault, wrong passphrase, or the files
  //                        are of an earlier generation than the last commit
  //   kDataLoss            the manifest and its copy are damaged, or gone
  //   kUnsupported         of a later version
  static Result<std::unique_ptr<Vault>> Open(const VaultPorts& ports, const VaultOptions& options);
  ~Vault();
  Vault(const Vault&) = delete;
  Vault& operator=(const Vault&) = delete;

  const VaultPorts& ports() const { return ports_; }
  const std::string& directory() const { return options_.directory; }
  const VaultId& id() const { return id_; }

  // As of Open(), the last Refresh() or the last transaction.
  const Manifest& manifest() const { return manifest_; }

  // Reads the manifest again if another process has committed since. Does not
  // wait.
  Status Refresh();

  // --- Keys ---

  // A new key for `role`, to be added to a transaction's manifest.
  struct NewSlice {
    Slice slice;
    Secret key;
  };
  Result<NewSlice> MakeSlice(Role role, std::uint64_t id);
  // The key of a slice of the manifest. kNotFound: it was dropped.
  Result<Secret> SliceKey(std::uint64_t id);

  // Replaces the root key and wraps every slice's key anew; data files stay.
  Status RotateKey();
  // How often that was done.
  std::uint64_t key_generation() const { return key_generation_; }

  // --- Files ---

  // Seals `plaintext` as the content of `file` under `key`: clear header and
  // message, ready for Transaction::Write().
  Result<std::string> SealFile(const VaultFile& file, ByteSpan key, ByteSpan plaintext);
  // Opens it. A file that does not authenticate is moved to quarantine and
  // reported: kDataLoss.
  Result<std::string> OpenFile(const VaultFile& file, std::uint64_t limit);
  std::string PathOf(Role role, std::uint64_t file) const;

  // Takes a file out of the manifest, and its slice with it if nothing else uses
  // that, and moves the bytes below quarantine/.
  Status Quarantine(Role role, std::uint64_t file, std::string_view reason);

  // --- Changes ---

  // The right to change the vault: holds the writers' lock until dropped.
  // Dropped without a Commit(), it removes what it wrote.
  class Transaction {
   public:
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    // The newest one, to be changed.
    Manifest& manifest() { return manifest_; }
    // A file id never used before.
    Result<std::uint64_t> NewFile();
    // Writes and syncs a new file.
    Status Write(Role role, std::uint64_t file, std::span<const ByteSpan> parts);
    // Makes the manifest the newest, then removes files that it no longer names.
    //
    //   kResourceExhausted  no space; nothing has changed
    Status Commit();

   private:
    friend class Vault;
    Transaction(Vault& vault, std::unique_ptr<FileLock> lock, Manifest manifest);
    Vault& vault_;
    std::unique_ptr<FileLock> lock_;
    Manifest manifest_;
    std::vector<std::string> written_;
    bool committed_ = false;
  };
  // Refreshes, and removes what a killed process left behind.
  //
  //   kUnavailable  another process is in a transaction for too long
  Result<std::unique_ptr<Transaction>> Begin();

  // --- Looking after it ---

  // Reads and authenticates every file that the manifest names, without moving
  // any: one line a damaged file.
  struct Damage {
    Role role;
    std::uint64_t file;
    Status status;
  };
  Result<std::vector<Damage>> Verify();

 private:
  Vault(const VaultPorts& ports, const VaultOptions& options);

  VaultPorts ports_;
  VaultOptions options_;
  VaultId id_{};
  std::uint64_t key_generation_ = 0;
  Secret root_;
  Manifest manifest_;
};

}  // namespace attune
