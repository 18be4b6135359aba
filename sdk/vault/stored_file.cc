#include "vault/stored_file.h"

#include <string>
#include <utility>

#include "base/strings.h"
#include "vault/bytes.h"

namespace attune {

Status CheckAdapterName(std::string_view adapter) {
  if (IsAdapterName(adapter)) return OkStatus();
  return InvalidArgument(StrCat("adapter name of ", adapter.size(),
                                " characters, allowed: [a-z0-9._-], 1 to ", kMaxAdapterName));
}

AdapterLine& LineOf(std::string_view adapter, Manifest* manifest) {
  if (AdapterLine* line = manifest->FindLine(adapter)) return *line;
  manifest->lines.push_back({.adapter = std::string(adapter)});
  return manifest->lines.back();
}

Result<StoredFile> StoreContainer(Vault& vault, Vault::Transaction* transaction,
                                  const FileOwner& owner, std::string_view container,
                                  const std::vector<IdRange>& seen) {
  Manifest& manifest = transaction->manifest();
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t file, transaction->NewFile());
  ATTUNE_ASSIGN_OR_RETURN(const Vault::NewSlice slice,
                          vault.MakeSlice(owner.role, manifest.next_slice));
  const VaultFile place = {owner.role, file, slice.slice.id, owner.base,
                           std::string(owner.adapter)};
  ATTUNE_ASSIGN_OR_RETURN(const std::string sealed,
                          vault.SealFile(place, slice.key.bytes(), AsBytes(container)));
  const ByteSpan parts[] = {AsBytes(sealed)};
  ATTUNE_RETURN_IF_ERROR(transaction->Write(owner.role, file, parts));
  ++manifest.next_slice;
  manifest.slices.push_back(slice.slice);
  return StoredFile{.file = file,
                    .slice = slice.slice.id,
                    .bytes = sealed.size(),
                    .adapter = place.adapter,
                    .base = owner.base,
                    .created = vault.ports().clock->UnixSeconds(),
                    .seen = MergeRanges(seen),
                    .tainted = false};
}

Result<Container> LoadContainer(Vault& vault, Role role, const StoredFile& file) {
  const VaultFile place = {role, file.file, file.slice, file.base, file.adapter};
  // The manifest knows the size: whatever has been made of the file since, no more
  // than that is read.
  Result<std::string> bytes = vault.OpenFile(place, file.bytes);
  if (!bytes.ok() && bytes.status().code() == StatusCode::kResourceExhausted) {
    Status status = DataLoss(
        StrCat(RoleName(role), ": larger than the ", file.bytes, " bytes that were written"));
    vault.Quarantine(role, file.file, status.message()).Ignore();
    return status;
  }
  if (!bytes.ok()) return std::move(bytes).status();
  Result<Container> container = DecodeContainer(*bytes);
  // Authentic, yet no container: a defect of whatever wrote it. One of a later
  // version is left alone.
  if (!container.ok() && container.status().code() == StatusCode::kDataLoss) {
    vault.Quarantine(role, file.file, container.status().message()).Ignore();
  }
  return container;
}

}  // namespace attune
