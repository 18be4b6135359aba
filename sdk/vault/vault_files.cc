#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "vault/bytes.h"
#include "vault/file_header.h"
#include "vault/file_names.h"
#include "vault/seal.h"
#include "vault/vault.h"

namespace attune {

namespace {

std::string ContextOf(const VaultId& vault, const VaultFile& file) {
  return EncodeContext({.role = file.role,
                        .vault = vault,
                        .base = file.base,
                        .adapter = file.adapter,
                        .generation = file.file,
                        .index = 0});
}

FileHeader HeaderOf(const VaultFile& file) {
  return {.role = file.role, .file = file.file, .slice = file.slice};
}

VaultFile FileOf(Role role, const StoredFile& entry) {
  return {.role = role,
          .file = entry.file,
          .slice = entry.slice,
          .base = entry.base,
          .adapter = entry.adapter};
}

}  // namespace

Result<std::string> Vault::SealFile(const VaultFile& file, ByteSpan key, ByteSpan plaintext) {
  std::string bytes;
  bytes.reserve(kFileHeaderBytes + SealedBytes(plaintext.size()));
  bytes = EncodeFileHeader(HeaderOf(file));
  ATTUNE_RETURN_IF_ERROR(Seal(*ports_.crypto, key, ContextOf(id(), file), plaintext, &bytes));
  return bytes;
}

Result<std::string> Vault::ReadFile(const VaultFile& file, std::uint64_t limit) {
  const std::uint64_t most = std::min(limit, kMaxSealPlaintextBytes);
  Result<std::string> bytes =
      ports_.files->Read(PathOf(file.role, file.file), kFileHeaderBytes + SealedBytes(most));
  if (!bytes.ok()) return bytes;
  const std::string name = FormatFileName(file.role, file.file);
  if (Status header = CheckFileHeader(*bytes, HeaderOf(file)); !header.ok()) {
    return std::move(header).WithContext(name);
  }
  ATTUNE_ASSIGN_OR_RETURN(const Secret key, SliceKey(file.slice));
  Result<std::string> plain = Unseal(*ports_.crypto, key.bytes(), ContextOf(id(), file),
                                     AsBytes(std::string_view(*bytes).substr(kFileHeaderBytes)));
  if (!plain.ok()) return std::move(plain).status().WithContext(name);
  return plain;
}

Result<std::string> Vault::OpenFile(const VaultFile& file, std::uint64_t limit) {
  Result<std::string> plain = ReadFile(file, limit);
  if (plain.ok()) return plain;
  Status status = std::move(plain).status();
  const bool gone = status.code() == StatusCode::kNotFound;
  if (!gone && status.code() != StatusCode::kDataLoss) return status;
  if (gone) status = DataLoss(FormatFileName(file.role, file.file) + ": gone");
  // Another process may have dropped it since the manifest was read: that is no
  // damage, and only the newest manifest tells.
  ATTUNE_RETURN_IF_ERROR(Refresh());
  if (!manifest().Names(file.role, file.file, file.slice)) {
    return NotFound(FormatFileName(file.role, file.file) + ": dropped since");
  }
  // Whoever cannot move it now reports it all the same, and again the next time.
  if (!in_transaction_) Quarantine(file.role, file.file, status.message()).Ignore();
  return status;
}

Status Vault::Quarantine(Role role, std::uint64_t file, std::string_view reason) {
  ATTUNE_ASSIGN_OR_RETURN(const std::unique_ptr<Transaction> transaction, Begin());
  ATTUNE_RETURN_IF_ERROR(transaction->Quarantine(role, file, reason));
  return transaction->Commit();
}

// What can be said of a segment without its records.
Status Vault::CheckSegment(const SegmentEntry& entry) {
  const std::string path = PathOf(Role::kExamples, entry.file);
  ATTUNE_ASSIGN_OR_RETURN(const auto file, ports_.files->OpenForReading(path));
  std::string header(std::min<std::uint64_t>(kFileHeaderBytes, file->size()), '\0');
  ATTUNE_RETURN_IF_ERROR(file->ReadAt(0, std::as_writable_bytes(std::span(header))));
  ATTUNE_RETURN_IF_ERROR(
      CheckFileHeader(header, {.role = Role::kExamples, .file = entry.file, .slice = entry.slice}));
  if (entry.closed && file->size() < entry.bytes) {
    return DataLoss(StrCat(file->size(), " bytes, the manifest says ", entry.bytes));
  }
  return SliceKey(entry.slice).status();
}

Result<std::vector<Vault::Damage>> Vault::Verify() {
  ATTUNE_RETURN_IF_ERROR(Refresh());
  std::vector<Damage> damages;
  const auto note = [&](Role role, std::uint64_t file, Status status) {
    if (!status.ok()) damages.push_back({role, file, std::move(status)});
  };
  for (const SegmentEntry& entry : manifest().segments) {
    note(Role::kExamples, entry.file, CheckSegment(entry));
  }
  for (const CheckpointEntry& entry : manifest().checkpoints) {
    note(Role::kCheckpoint, entry.file,
         ReadFile(FileOf(Role::kCheckpoint, entry), entry.bytes).status());
  }
  for (const AdapterEntry& entry : manifest().adapters) {
    note(Role::kAdapter, entry.file, ReadFile(FileOf(Role::kAdapter, entry), entry.bytes).status());
  }
  return damages;
}

}  // namespace attune
