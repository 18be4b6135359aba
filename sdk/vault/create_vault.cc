#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "vault/file_names.h"
#include "vault/keys.h"
#include "vault/manifest_file.h"
#include "vault/vault_state.h"

namespace attune {

namespace {

Result<VaultState> MakeKeys(const VaultPorts& ports) {
  VaultState state;
  ATTUNE_RETURN_IF_ERROR(ports.crypto->Random(state.id));
  ATTUNE_ASSIGN_OR_RETURN(state.item.current, NewKey(*ports.crypto));
  state.manifest.generation = 1;
  return state;
}

}  // namespace

Status CheckVacant(FileSystem& files, const std::string& directory) {
  if (!files.Exists(directory)) return OkStatus();
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  std::size_t ours = 0, foreign = 0;
  for (const std::string& name : names) {
    if (ParseFileName(name).has_value()) {
      ++ours;
    } else if (!name.starts_with('.') && name != kLockName && name != kQuarantineName) {
      ++foreign;
    }
  }
  if (ours != 0) {
    return DataLoss(
        StrCat("vault: no manifest and no copy of it, but ", ours, " files of a vault"));
  }
  if (foreign != 0) {
    return FailedPrecondition(
        StrCat("vault: none there, but ", foreign, " other files: choose an empty directory"));
  }
  return OkStatus();
}

Result<VaultState> CreateVault(const VaultPorts& ports, const VaultOptions& options) {
  FileSystem& files = *ports.files;
  ATTUNE_RETURN_IF_ERROR(CheckVacant(files, options.directory));
  ATTUNE_RETURN_IF_ERROR(files.CreateDirectories(options.directory));
  ATTUNE_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock,
                          files.Lock(JoinPath(options.directory, std::string(kLockName)),
                                     options.lock_timeout_seconds));
  // Another process may have been faster.
  Result<VaultState> made = ReadVaultState(ports, options.directory, nullptr);
  if (made.ok() || made.status().code() != StatusCode::kNotFound) return made;

  ATTUNE_ASSIGN_OR_RETURN(VaultState state, MakeKeys(ports));
  // The key first: a manifest without one could never be opened.
  ATTUNE_RETURN_IF_ERROR(StoreKeyItem(*ports.keys, *ports.crypto, state.id, state.item));
  ATTUNE_ASSIGN_OR_RETURN(
      const std::string file,
      SealManifest(*ports.crypto, state.item.current.bytes(), state.id, state.manifest));
  ATTUNE_RETURN_IF_ERROR(files.SyncDirectory(DirectoryName(options.directory)));
  bool began = false;
  ATTUNE_RETURN_IF_ERROR(ReplaceManifest(files, options.directory, file, &began));
  state.mark = file.substr(0, kManifestMarkBytes);
  // The vault is there. If this fails, the first transaction anchors it.
  state.item.anchor = state.manifest.generation;
  if (!StoreKeyItem(*ports.keys, *ports.crypto, state.id, state.item).ok()) state.item.anchor = 0;
  return state;
}

}  // namespace attune
