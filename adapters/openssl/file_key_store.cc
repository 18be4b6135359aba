#include "openssl/file_key_store.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace attune {
namespace {

constexpr std::string_view kSuffix = ".key";
constexpr std::string_view kTemporaryPrefix = ".attune-";
constexpr std::string_view kTemporarySuffix = ".tmp";

}  // namespace

FileKeyStore::FileKeyStore(FileSystem& files, OpensslCrypto& crypto,
                           const FileKeyStoreOptions& options)
    : files_(files),
      crypto_(crypto),
      directory_(options.directory),
      cost_(options.cost),
      lock_timeout_seconds_(options.lock_timeout_seconds),
      passphrase_(crypto, options.passphrase.size()) {
  std::ranges::copy(options.passphrase, passphrase_.bytes().begin());
}

Result<std::unique_ptr<FileKeyStore>> FileKeyStore::Open(FileSystem& files, OpensslCrypto& crypto,
                                                         const FileKeyStoreOptions& options) {
  if (options.directory.empty()) return InvalidArgument("key store: no directory given");
  if (options.passphrase.size() > kMaxKeyStorePassphraseBytes) {
    return InvalidArgument(StrCat("passphrase of ", options.passphrase.size(), " bytes, at most ",
                                  kMaxKeyStorePassphraseBytes));
  }
  if (!IsAcceptable(options.cost)) {
    return InvalidArgument(StrCat("scrypt cost n=2^", int{options.cost.log2_n},
                                  " r=", options.cost.r, " p=", options.cost.p, ": more than ",
                                  kMaxScryptBytes, " bytes or ", kMaxScryptWork, " blocks"));
  }
  return std::unique_ptr<FileKeyStore>(new FileKeyStore(files, crypto, options));
}

Result<Secret> FileKeyStore::Load(const std::string& name) {
  ATTUNE_RETURN_IF_ERROR(CheckKeyStoreName(name));
  ATTUNE_ASSIGN_OR_RETURN(const Secret bytes, ReadWhole(name));
  ATTUNE_ASSIGN_OR_RETURN(const KeyFile file, DecodeKeyFile(crypto_, name, bytes.bytes()));
  if (file.header.protection == KeyProtection::kScrypt) {
    if (passphrase_.empty()) {
      return FailedPrecondition(StrCat(name, ": the key is under a passphrase; give it"));
    }
    return OpenSealed(name, file);
  }
  // Otherwise somebody who can write the directory could put a key of his own in
  // the place of one that the passphrase protects.
  if (!passphrase_.empty()) {
    return FailedPrecondition(
        StrCat(name, ": the key is not under a passphrase, though one was given"));
  }
  Secret secret(crypto_, file.body.size());
  std::ranges::copy(file.body, secret.bytes().begin());
  return secret;
}

Status FileKeyStore::Store(const std::string& name, ByteSpan secret) {
  ATTUNE_RETURN_IF_ERROR(CheckKeyStoreItem(name, secret.size()));
  ATTUNE_RETURN_IF_ERROR(files_.CreateDirectories(directory_));
  std::string header;
  std::string sealed;
  ByteSpan body = secret;
  if (!passphrase_.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(sealed, SealNew(name, secret, &header));
    body = std::as_bytes(std::span(sealed));
  } else {
    header = EncodeKeyFileHeader({.body_bytes = static_cast<std::uint32_t>(secret.size())});
  }
  ATTUNE_ASSIGN_OR_RETURN(const Sha256Digest checksum,
                          KeyFileChecksum(crypto_, name, header, body));
  ATTUNE_ASSIGN_OR_RETURN(const auto lock, BeginChange());
  const std::array<ByteSpan, 3> parts = {std::as_bytes(std::span(header)), body, checksum};
  return files_.WriteAtomically(PathOf(name), parts);
}

Status FileKeyStore::Remove(const std::string& name) {
  ATTUNE_RETURN_IF_ERROR(CheckKeyStoreName(name));
  const auto lock = BeginChange();
  if (lock.status().code() == StatusCode::kNotFound) return OkStatus();  // No directory yet.
  ATTUNE_RETURN_IF_ERROR(lock.status());
  const Status status = files_.Remove(PathOf(name));
  if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
  // Also if it was absent: an earlier attempt may have failed right here.
  return files_.SyncDirectory(directory_);
}

std::string FileKeyStore::PathOf(const std::string& name) const {
  return JoinPath(directory_, StrCat(name, kSuffix));
}

Status FileKeyStore::CheckPrivate(const std::string& path) const {
  ATTUNE_ASSIGN_OR_RETURN(const bool is_private, files_.IsPrivate(path));
  if (is_private) return OkStatus();
  return FailedPrecondition(StrCat(BaseName(path),
                                   ": other users may read or write it; make it yours alone "
                                   "(chmod go=) and consider what it protects as seen"));
}

// The right to change the store, until dropped. Removes what a killed process
// left behind, which may be a whole secret.
Result<std::unique_ptr<FileLock>> FileKeyStore::BeginChange() {
  ATTUNE_RETURN_IF_ERROR(CheckPrivate(directory_));
  ATTUNE_ASSIGN_OR_RETURN(auto lock,
                          files_.Lock(JoinPath(directory_, "lock"), lock_timeout_seconds_));
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(directory_));
  for (const std::string& name : names) {
    if (!name.starts_with(kTemporaryPrefix) || !name.ends_with(kTemporarySuffix)) continue;
    ATTUNE_RETURN_IF_ERROR(files_.Remove(JoinPath(directory_, name)));
  }
  return lock;
}

// Straight from the file into a Secret.
Result<Secret> FileKeyStore::ReadWhole(const std::string& name) const {
  const std::string path = PathOf(name);
  Status status = CheckPrivate(directory_);
  if (status.ok()) status = CheckPrivate(path);
  if (status.code() == StatusCode::kNotFound) return NotFound(StrCat(name, ": no such key"));
  ATTUNE_RETURN_IF_ERROR(status);
  ATTUNE_ASSIGN_OR_RETURN(const auto file, files_.OpenForReading(path));
  if (file->size() > kMaxKeyFileBytes) {
    return DataLoss(
        StrCat(name, ": key file of ", file->size(), " bytes, at most ", kMaxKeyFileBytes));
  }
  Secret bytes(crypto_, static_cast<std::size_t>(file->size()));
  ATTUNE_RETURN_IF_ERROR(file->ReadAt(0, bytes.bytes()));
  return bytes;
}

Result<FileKeyStore::WrappingKey> FileKeyStore::MakeWrappingKey(const ScryptCost& cost,
                                                                const ScryptSalt& salt) {
  WrappingKey wrapping{.cost = cost, .salt = salt, .key = Secret(crypto_, kSealKeyBytes)};
  ATTUNE_RETURN_IF_ERROR(
      crypto_.Scrypt(std::as_const(passphrase_).bytes(), salt, cost, wrapping.key.bytes()));
  return wrapping;
}

Result<Secret> FileKeyStore::OpenSealed(const std::string& name, const KeyFile& file) {
  const std::lock_guard guard(mutex_);
  const KeyFileHeader& header = file.header;
  const bool known =
      wrapping_.has_value() && wrapping_->cost == header.cost && wrapping_->salt == header.salt;
  std::optional<WrappingKey> made;
  if (!known) {
    ATTUNE_ASSIGN_OR_RETURN(made, MakeWrappingKey(header.cost, header.salt));
  }
  const WrappingKey& wrapping = known ? *wrapping_ : *made;
  SealFault fault = SealFault::kNone;
  auto secret = UnsealSecret(crypto_, wrapping.key.bytes(), KeyFileContext(name, file.header_bytes),
                             file.body, &fault);
  if (!secret.ok()) {
    // The checksum has shown that nothing was damaged by accident.
    if (fault == SealFault::kNotOurs) {
      return FailedPrecondition(StrCat(name, ": wrong passphrase, or a key file that was altered"));
    }
    return std::move(secret).status().WithContext(name);
  }
  // Kept only now: the salt of a forged file must not become that of new items.
  if (made.has_value()) wrapping_ = std::move(made);
  return secret;
}

Result<std::string> FileKeyStore::SealNew(const std::string& name, ByteSpan secret,
                                          std::string* header) {
  const std::lock_guard guard(mutex_);
  if (!wrapping_.has_value() || wrapping_->cost != cost_) {
    ScryptSalt salt;
    ATTUNE_RETURN_IF_ERROR(crypto_.Random(salt));
    ATTUNE_ASSIGN_OR_RETURN(wrapping_, MakeWrappingKey(cost_, salt));
  }
  *header =
      EncodeKeyFileHeader({.protection = KeyProtection::kScrypt,
                           .cost = wrapping_->cost,
                           .salt = wrapping_->salt,
                           .body_bytes = static_cast<std::uint32_t>(SealedBytes(secret.size()))});
  std::string sealed;
  ATTUNE_RETURN_IF_ERROR(Seal(crypto_, std::as_const(wrapping_->key).bytes(),
                              KeyFileContext(name, *header), secret, &sealed));
  return sealed;
}

}  // namespace attune
