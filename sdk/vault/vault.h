// A Vault is a directory of sealed files under one root key: what the SDK keeps
// about a user. Stores for checkpoints, adapters and examples lie on top.
// Byte layout: docs/formats/vault.md.
//
// Durability: a transaction that was committed survives a process kill and a
// power failure at any later instant; one that was not is absent, or, if it was
// cut off in the very last moment, whole.
// Rollback: the KeyStore holds the generation of the last commit; an older set
// of files is refused, however valid. Removing all files is not noticed.
// Processes: any number may have the vault open. Readers never wait; writers take
// turns by a lock that is held for one transaction only and ends with its process.
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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

struct FileName;
struct VaultState;

struct VaultOptions {
  std::string directory;
  // Make a vault, and its root key, where the directory is absent or empty (but
  // for names that begin with a dot).
  bool create = false;
  // How long a transaction, and making a vault, waits for another process's.
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
  //   kFailedPrecondition  no key for this vault or another key, wrong passphrase,
  //                        files of an earlier generation than the last commit, or
  //                        a directory full of something else
  //   kDataLoss            the manifest and its copy are damaged, or gone, or the
  //                        key's item is damaged
  //   kUnsupported         of a later version
  static Result<std::unique_ptr<Vault>> Open(const VaultPorts& ports, const VaultOptions& options);
  ~Vault();
  Vault(const Vault&) = delete;
  Vault& operator=(const Vault&) = delete;

  const VaultPorts& ports() const { return ports_; }
  const std::string& directory() const { return options_.directory; }
  const VaultId& id() const;

  // As of Open(), the last Refresh() or the last transaction.
  const Manifest& manifest() const;

  // Reads the manifest again if another process has committed since. Does not
  // wait. On error nothing has changed.
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

  // A transaction that changes nothing, with Transaction::CommitUnderNewKey(). Cut
  // off on the way, the next transaction finishes it.
  Status RotateKey();
  // 1, and one more for each rotation.
  std::uint64_t key_generation() const;

  // --- Files ---

  // Seals `plaintext` as the content of `file` under `key`: clear header and
  // message, ready for Transaction::Write().
  Result<std::string> SealFile(const VaultFile& file, ByteSpan key, ByteSpan plaintext);
  // Opens it. A file that does not authenticate, or is gone, and a second time as
  // well, is moved to quarantine (outside of a transaction) and reported.
  //
  //   kDataLoss           damaged
  //   kNotFound           the newest manifest names no such file: another process has
  //                       dropped it, or the base or the adapter is another
  //   kResourceExhausted  more than `limit` bytes; nothing is read
  Result<std::string> OpenFile(const VaultFile& file, std::uint64_t limit);
  std::string PathOf(Role role, std::uint64_t file) const;

  // A transaction with Transaction::Quarantine() alone.
  //
  //   kNotFound  the manifest does not name the file
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
    Manifest& manifest();
    // A file id never used before.
    Result<std::uint64_t> NewFile();
    // Writes and syncs a new file, to be named in the manifest.
    Status Write(Role role, std::uint64_t file, std::span<const ByteSpan> parts);
    // Takes a file out of the manifest and notes why; Commit() moves its bytes below
    // quarantine/. If nothing else lies under its slice the key goes, and nobody
    // can read the bytes any more. Only the last kMaxQuarantined files are kept.
    //
    //   kNotFound  the manifest does not name the file
    Status Quarantine(Role role, std::uint64_t file, std::string_view reason);
    // Counts the generation up, drops slices that nothing lies under, makes the
    // manifest the newest, then removes files that it no longer names. Once.
    // After kIoError it may turn out to have been committed: Refresh() tells.
    //
    //   kResourceExhausted  no space; nothing has changed
    //   kInvalidArgument    no CheckManifest(); nothing has changed
    Status Commit();
    // The same, and replaces the root key in one act with it: every slice's key is
    // wrapped anew, data files stay. On success the old root key is gone, and no
    // earlier manifest can be opened. After an error nothing has changed, or
    // everything has and the next transaction drops the old key before it begins.
    Status CommitUnderNewKey();

   private:
    friend class Vault;
    Transaction(Vault& vault, std::unique_ptr<FileLock> lock);
    Status Publish(bool under_new_key);
    void Dispose(const Manifest& before);

    Vault& vault_;
    std::unique_ptr<FileLock> lock_;
    std::optional<Manifest> changed_;
    std::vector<FileName> written_;
    bool done_ = false;
  };
  // Refreshes, and finishes or removes what a killed process left behind.
  //
  //   kUnavailable         another process is in a transaction for too long
  //   kFailedPrecondition  this vault is in one
  Result<std::unique_ptr<Transaction>> Begin();

  // --- Looking after it ---

  // Reads and authenticates every file that the manifest names, without moving
  // any: one entry a damaged file.
  struct Damage {
    Role role;
    std::uint64_t file;
    Status status;
  };
  Result<std::vector<Damage>> Verify();

 private:
  Vault(const VaultPorts& ports, const VaultOptions& options, VaultState state);
  Status Reload();
  Status FinishLastCommit();
  Status StoreNewKey(Manifest* next);
  Status Publish(Manifest next);
  Status Anchor();
  void Sweep();
  void Discard(const FileName& name);
  Result<std::string> ReadFile(const VaultFile& file, std::uint64_t limit);
  Status CheckSegment(Role role, const SegmentFile& entry);

  VaultPorts ports_;
  VaultOptions options_;
  std::unique_ptr<VaultState> state_;
  bool in_transaction_ = false;
  // A commit failed half-way: what the files and the item say has to be read.
  bool uncertain_ = false;
  // What killed processes left was removed.
  bool swept_ = false;
};

}  // namespace attune
