#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "vault/bytes.h"
#include "vault/example_record.h"
#include "vault/file_header.h"
#include "vault/file_names.h"
#include "vault/ledger_store.h"
#include "vault/seal.h"
#include "vault/segment_reader.h"
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

bool MayBeLost(const Status& status) {
  return status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kNotFound;
}

VaultFile FileOf(Role role, const StoredFile& entry) {
  return {.role = role,
          .file = entry.file,
          .slice = entry.slice,
          .base = entry.base,
          .adapter = entry.adapter};
}

VaultFile FileOf(Role role, const SegmentFile& entry) {
  return {.role = role, .file = entry.file, .slice = entry.slice, .base = {}, .adapter = {}};
}

bool IsNamed(const Manifest& manifest, const VaultFile& file) {
  const auto is_it = [&](const VaultFile& named) {
    return named.file == file.file && named.slice == file.slice && named.base == file.base &&
           named.adapter == file.adapter;
  };
  const auto among = [&](const auto& entries) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const auto& entry) { return is_it(FileOf(file.role, entry)); });
  };
  if (file.role == Role::kCheckpoint) return among(manifest.checkpoints);
  if (file.role == Role::kAdapter) return among(manifest.adapters);
  if (file.role == Role::kLedger) return among(manifest.ledger);
  return among(manifest.segments);
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
  const std::string name = FormatFileName(file.role, file.file);
  const std::uint64_t most = std::min(limit, kMaxSealPlaintextBytes);
  Result<std::string> bytes =
      ports_.files->Read(PathOf(file.role, file.file), kFileHeaderBytes + SealedBytes(most));
  if (!bytes.ok()) {
    return bytes.status().code() == StatusCode::kNotFound ? DataLoss(name + ": gone")
                                                          : bytes.status();
  }
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
  if (plain.ok() || !MayBeLost(plain.status())) return plain;
  // Another process may have dropped it since the manifest was read, or the
  // caller asks for a file that never was: neither is damage, and only the newest
  // manifest tells.
  ATTUNE_RETURN_IF_ERROR(Refresh());
  if (!IsNamed(manifest(), file)) {
    return NotFound(FormatFileName(file.role, file.file) + ": not in the manifest, or no more");
  }
  // One bad read costs no file: what is put aside loses its key.
  plain = ReadFile(file, limit);
  if (plain.ok() || !MayBeLost(plain.status())) return plain;
  // Whoever cannot move it now reports it all the same, and again the next time.
  if (!in_transaction_) Quarantine(file.role, file.file, plain.status().message()).Ignore();
  return plain;
}

Status Vault::Quarantine(Role role, std::uint64_t file, std::string_view reason) {
  ATTUNE_ASSIGN_OR_RETURN(const std::unique_ptr<Transaction> transaction, Begin());
  ATTUNE_RETURN_IF_ERROR(transaction->Quarantine(role, file, reason));
  return transaction->Commit();
}

// Every record of the segment.
Status Vault::CheckSegment(Role role, const SegmentFile& entry) {
  SegmentReport report;
  const Status read = ReadOn(*this, role, entry, &report, [&](std::string_view record) {
    return role == Role::kLedger ? UnpackLedgerRecord(record).ok()
                                 : DecodeExampleRecord(record).ok();
  });
  const std::string name = FormatFileName(role, entry.file);
  if (read.code() == StatusCode::kNotFound) return DataLoss(name + ": gone");
  ATTUNE_RETURN_IF_ERROR(read);
  if (report.damaged == 0) return OkStatus();
  return DataLoss(
      StrCat(name, ": ", report.damaged, " places damaged, ", report.records, " records readable"));
}

Result<std::vector<Vault::Damage>> Vault::Verify() {
  ATTUNE_RETURN_IF_ERROR(Refresh());
  const Manifest all = manifest();
  std::vector<Damage> damages;
  const auto note = [&](const VaultFile& file, Status status) {
    if (status.ok()) return;
    // Dropped by another process meanwhile?
    if (Refresh().ok() && !IsNamed(manifest(), file)) return;
    damages.push_back({file.role, file.file, std::move(status)});
  };
  const auto check_segment = [&](Role role, const SegmentFile& entry) {
    note(FileOf(role, entry), CheckSegment(role, entry));
  };
  for (const SegmentEntry& entry : all.segments) check_segment(Role::kExamples, entry);
  for (const SegmentFile& entry : all.ledger) check_segment(Role::kLedger, entry);
  const auto check = [&](Role role, const StoredFile& entry) {
    const VaultFile file = FileOf(role, entry);
    note(file, ReadFile(file, entry.bytes).status());
  };
  for (const CheckpointEntry& entry : all.checkpoints) check(Role::kCheckpoint, entry);
  for (const AdapterEntry& entry : all.adapters) check(Role::kAdapter, entry);
  return damages;
}

}  // namespace attune
