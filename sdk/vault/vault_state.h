// What the files of a vault and its item in the KeyStore say together: the two
// copies of the manifest, which of them counts, and how they are replaced.
// docs/formats/vault.md section 4.
//
// Threads: pure functions over the ports.

#pragma once

#include <string>
#include <string_view>

#include "attune/status.h"
#include "ports/crypto.h"
#include "ports/file_system.h"
#include "vault/context.h"
#include "vault/key_item.h"
#include "vault/manifest.h"
#include "vault/vault.h"

namespace attune {

struct VaultState {
  VaultId id{};
  KeyItem item;
  // The manifest is sealed under item.previous: a rotation was cut off.
  bool under_previous = false;
  Manifest manifest;
  // The leading kManifestMarkBytes of the file "manifest", or what there is.
  std::string mark;
  // One copy of the manifest is damaged, gone or older than the other.
  bool copies_differ = false;

  ByteSpan root() const { return under_previous ? item.previous.bytes() : item.current.bytes(); }
};

// The newest authentic manifest that is not older than the anchor, and its keys.
// `id`: the vault it must belong to, if that is known.
//
//   kNotFound  neither copy is there
//   else       as Vault::Open()
Result<VaultState> ReadVaultState(const VaultPorts& ports, const std::string& directory,
                                  const VaultId* id);

// What VaultState::mark would be by now; empty if there is no such file.
Result<std::string> ReadManifestMark(FileSystem& files, const std::string& directory);

// Puts `file` in place of both copies, durable on success. While `*began` is
// false nothing has changed.
Status ReplaceManifest(FileSystem& files, const std::string& directory, std::string_view file,
                       bool* began);

// Makes a new vault in a directory that has none.
//
//   kDataLoss            files of a vault without a manifest
//   kFailedPrecondition  files of something else
Result<VaultState> CreateVault(const VaultPorts& ports, const VaultOptions& options);

// Whether a directory is free for a new vault: absent, empty, or what a creation
// that was cut off has left. Errors as CreateVault().
Status CheckVacant(FileSystem& files, const std::string& directory);

}  // namespace attune
