// What tests do to a vault without its stores.

#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "vault/bytes.h"
#include "vault/vault.h"

namespace attune::testing {

// Seals `text` as a new checkpoint under a slice of its own, within `transaction`.
inline Result<VaultFile> StageCheckpoint(Vault& vault, Vault::Transaction& transaction,
                                         std::string_view text) {
  Manifest& manifest = transaction.manifest();
  ATTUNE_ASSIGN_OR_RETURN(auto made, vault.MakeSlice(Role::kCheckpoint, manifest.next_slice++));
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t id, transaction.NewFile());
  const VaultFile file{.role = Role::kCheckpoint,
                       .file = id,
                       .slice = made.slice.id,
                       .base = {},
                       .adapter = "default"};
  ATTUNE_ASSIGN_OR_RETURN(const std::string bytes,
                          vault.SealFile(file, made.key.bytes(), AsBytes(text)));
  const ByteSpan parts[] = {AsBytes(bytes)};
  ATTUNE_RETURN_IF_ERROR(transaction.Write(file.role, file.file, parts));
  manifest.slices.push_back(made.slice);
  CheckpointEntry entry;
  entry.file = file.file;
  entry.slice = file.slice;
  entry.bytes = bytes.size();
  entry.adapter = file.adapter;
  manifest.checkpoints.push_back(entry);
  return file;
}

// Commits `text` as a new checkpoint and drops those before the last `keep`.
inline Result<VaultFile> AddCheckpoint(Vault& vault, std::string_view text,
                                       std::size_t keep = 100) {
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault.Begin());
  ATTUNE_ASSIGN_OR_RETURN(const VaultFile file, StageCheckpoint(vault, *transaction, text));
  auto& all = transaction->manifest().checkpoints;
  while (all.size() > keep) all.erase(all.begin());
  ATTUNE_RETURN_IF_ERROR(transaction->Commit());
  return file;
}

inline VaultFile FileOf(const CheckpointEntry& entry) {
  return {.role = Role::kCheckpoint,
          .file = entry.file,
          .slice = entry.slice,
          .base = entry.base,
          .adapter = entry.adapter};
}

// What the checkpoints hold, oldest first, separated by commas; where one does not
// open, the error in brackets.
inline std::string Contents(Vault& vault) {
  std::string all;
  const auto checkpoints = vault.manifest().checkpoints;
  for (const CheckpointEntry& entry : checkpoints) {
    const auto text = vault.OpenFile(FileOf(entry), 1 << 20);
    if (!all.empty()) all += ',';
    all += text.ok() ? *text : "[" + text.status().ToString() + "]";
  }
  return all;
}

}  // namespace attune::testing
