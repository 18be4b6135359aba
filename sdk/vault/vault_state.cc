#include "vault/vault_state.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "vault/bytes.h"
#include "vault/file_names.h"
#include "vault/keys.h"
#include "vault/manifest_file.h"

namespace attune {

namespace {

constexpr std::array kCopies = {kManifestName, kManifestCopyName};

// A reader may meet a rotation of the root key between two of its steps; another
// look then finds the keys. More than this in a row is no coincidence.
constexpr int kLooks = 4;

struct Candidate {
  std::string bytes;
  bool under_previous = false;
  std::optional<Manifest> manifest;  // If authentic and not rolled back.
  Status status;                     // Else why not.
  bool unknown_key = false;
};

Result<std::string> ReadPrefix(FileSystem& files, const std::string& path, std::size_t size) {
  ATTUNE_ASSIGN_OR_RETURN(const auto file, files.OpenForReading(path));
  std::string bytes(std::min<std::uint64_t>(size, file->size()), '\0');
  ATTUNE_RETURN_IF_ERROR(file->ReadAt(0, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

// Which of the item's keys the header means: chosen by its id, never by trying.
Result<bool> IsUnderPrevious(Crypto& crypto, const KeyItem& item, const ManifestHeader& header,
                             bool* unknown_key) {
  ATTUNE_ASSIGN_OR_RETURN(const KeyId current, KeyIdOf(crypto, item.current.bytes(), header.vault));
  if (current == header.key) return false;
  if (!item.previous.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(const KeyId previous,
                            KeyIdOf(crypto, item.previous.bytes(), header.vault));
    if (previous == header.key) return true;
  }
  *unknown_key = true;
  return FailedPrecondition("sealed under another key than the KeyStore holds for this vault");
}

Status Examine(Crypto& crypto, const VaultId& id, const KeyItem& item, Candidate* candidate) {
  ATTUNE_ASSIGN_OR_RETURN(const ManifestHeader header,
                          DecodeManifestHeader(crypto, candidate->bytes));
  if (header.vault != id) return FailedPrecondition("belongs to another vault");
  ATTUNE_ASSIGN_OR_RETURN(candidate->under_previous,
                          IsUnderPrevious(crypto, item, header, &candidate->unknown_key));
  const Secret& root = candidate->under_previous ? item.previous : item.current;
  ATTUNE_ASSIGN_OR_RETURN(Manifest manifest, OpenManifest(crypto, root.bytes(), candidate->bytes));
  if (manifest.generation < item.anchor) {
    return FailedPrecondition(StrCat("rolled back: generation ", manifest.generation, ", ",
                                     item.anchor, " was committed last"));
  }
  candidate->manifest = std::move(manifest);
  return OkStatus();
}

Candidate ReadCandidate(const VaultPorts& ports, const std::string& directory, const VaultId& id,
                        const KeyItem& item, std::string_view name) {
  Candidate candidate;
  auto bytes = ports.files->Read(JoinPath(directory, std::string(name)), kMaxManifestFileBytes);
  if (!bytes.ok()) {
    candidate.status = std::move(bytes).status();
    if (candidate.status.code() == StatusCode::kResourceExhausted) {
      candidate.status = DataLoss(candidate.status.message());
    }
    return candidate;
  }
  candidate.bytes = *std::move(bytes);
  candidate.status = Examine(*ports.crypto, id, item, &candidate).WithContext(name);
  return candidate;
}

// The more a caller can do about it, the higher.
int Urgency(const Status& status) {
  switch (status.code()) {
    case StatusCode::kUnavailable:
      return 5;
    case StatusCode::kFailedPrecondition:
      return 3;
    case StatusCode::kUnsupported:
      return 2;
    case StatusCode::kDataLoss:
      return 1;
    case StatusCode::kNotFound:
      return 0;
    default:
      return 4;
  }
}

Status MoreUrgent(const Status& a, const Status& b) {
  if (a.ok()) return b;
  if (Urgency(a) != Urgency(b)) return Urgency(a) > Urgency(b) ? a : b;
  return a.message() == b.message() ? a : Status(a.code(), StrCat(a.message(), "; ", b.message()));
}

Result<KeyItem> LoadKeys(const VaultPorts& ports, const VaultId& id) {
  Result<KeyItem> item = LoadKeyItem(*ports.keys, *ports.crypto, id);
  if (!item.ok() && item.status().code() == StatusCode::kNotFound) {
    return FailedPrecondition(
        "vault: the KeyStore has no key for it: give the key store it was made with");
  }
  return item;
}

Result<VaultState> Look(const VaultPorts& ports, const std::string& directory, const VaultId& id,
                        bool* unknown_key) {
  VaultState state;
  state.id = id;
  // Before the manifests: a commit between the two makes these newer than the
  // anchor, never older.
  ATTUNE_ASSIGN_OR_RETURN(state.item, LoadKeys(ports, id));
  Candidate first = ReadCandidate(ports, directory, id, state.item, kCopies[0]);
  Candidate second = ReadCandidate(ports, directory, id, state.item, kCopies[1]);
  *unknown_key = first.unknown_key || second.unknown_key;
  if (!first.manifest && !second.manifest) return MoreUrgent(first.status, second.status);
  const bool use_second = !first.manifest || (second.manifest && second.manifest->generation >
                                                                     first.manifest->generation);
  state.mark = first.bytes.substr(0, kManifestMarkBytes);
  state.copies_differ = first.bytes != second.bytes;
  Candidate& newest = use_second ? second : first;
  state.under_previous = newest.under_previous;
  state.manifest = *std::move(newest.manifest);
  return state;
}

Result<VaultState> LookUntilKeysFit(const VaultPorts& ports, const std::string& directory,
                                    const VaultId& id) {
  for (int look = 1;; ++look) {
    bool unknown_key = false;
    Result<VaultState> state = Look(ports, directory, id, &unknown_key);
    if (state.ok() || !unknown_key || look == kLooks) return state;
  }
}

// The vaults that the two copies claim to belong to, without a key.
Result<std::vector<VaultId>> ClaimedVaults(const VaultPorts& ports, const std::string& directory) {
  std::vector<VaultId> ids;
  Status status;
  for (const std::string_view name : kCopies) {
    const auto bytes =
        ReadPrefix(*ports.files, JoinPath(directory, std::string(name)), kManifestHeaderBytes);
    if (!bytes.ok()) {
      status = MoreUrgent(status, bytes.status());
      continue;
    }
    const auto header = DecodeManifestHeader(*ports.crypto, *bytes);
    if (!header.ok()) {
      status = MoreUrgent(status, Status(header.status()).WithContext(name));
    } else if (std::find(ids.begin(), ids.end(), header->vault) == ids.end()) {
      ids.push_back(header->vault);
    }
  }
  if (ids.empty()) return status;
  return ids;
}

Status WriteTemporary(FileSystem& files, const std::string& path, std::string_view bytes) {
  // Only who holds the lock writes here: what has this name was left behind.
  if (files.Exists(path)) ATTUNE_RETURN_IF_ERROR(files.Remove(path));
  ATTUNE_ASSIGN_OR_RETURN(const auto file, files.Create(path));
  ATTUNE_RETURN_IF_ERROR(file->Append(AsBytes(bytes)));
  return file->Sync();
}

}  // namespace

Result<VaultState> ReadVaultState(const VaultPorts& ports, const std::string& directory,
                                  const VaultId* id) {
  if (id != nullptr) return LookUntilKeysFit(ports, directory, *id);
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<VaultId> ids, ClaimedVaults(ports, directory));
  Result<VaultState> found = LookUntilKeysFit(ports, directory, ids[0]);
  if (ids.size() == 1) return found;
  // One copy was replaced by that of another vault.
  Result<VaultState> other = LookUntilKeysFit(ports, directory, ids[1]);
  if (found.ok() && other.ok()) {
    return FailedPrecondition("manifest and manifest.copy belong to two vaults");
  }
  if (found.ok() || other.ok()) return found.ok() ? std::move(found) : std::move(other);
  return MoreUrgent(found.status(), other.status());
}

Result<std::string> ReadManifestMark(FileSystem& files, const std::string& directory) {
  auto mark =
      ReadPrefix(files, JoinPath(directory, std::string(kManifestName)), kManifestMarkBytes);
  if (!mark.ok() && mark.status().code() == StatusCode::kNotFound) return std::string();
  return mark;
}

Status ReplaceManifest(FileSystem& files, const std::string& directory, std::string_view file,
                       bool* began) {
  const auto temporary = [&](std::string_view name) {
    return JoinPath(directory, StrCat(".attune-", name, ".tmp"));
  };
  for (const std::string_view name : kCopies) {
    const Status written = WriteTemporary(files, temporary(name), file);
    if (written.ok()) continue;
    for (const std::string_view written_name : kCopies) {
      files.Remove(temporary(written_name)).Ignore();
    }
    return written;
  }
  *began = true;
  // The one that Refresh() looks at first: who is killed in between is noticed.
  for (const std::string_view name : kCopies) {
    ATTUNE_RETURN_IF_ERROR(files.Rename(temporary(name), JoinPath(directory, std::string(name))));
  }
  return files.SyncDirectory(directory);
}

}  // namespace attune
