#include <algorithm>
#include <set>
#include <utility>

#include "base/strings.h"
#include "vault/bytes.h"
#include "vault/file_names.h"
#include "vault/vault.h"
#include "vault/vault_state.h"

namespace attune {

namespace {

using NameSet = std::set<std::pair<Role, std::uint64_t>>;

NameSet NamesOf(const Manifest& manifest) {
  NameSet names;
  for (const auto& entry : manifest.segments) names.insert({Role::kExamples, entry.file});
  for (const auto& entry : manifest.ledger) names.insert({Role::kLedger, entry.file});
  for (const auto& entry : manifest.checkpoints) names.insert({Role::kCheckpoint, entry.file});
  for (const auto& entry : manifest.adapters) names.insert({Role::kAdapter, entry.file});
  return names;
}

bool IsQuarantined(const Manifest& manifest, const FileName& name) {
  return std::any_of(
      manifest.quarantine.begin(), manifest.quarantine.end(),
      [&](const auto& entry) { return entry.role == name.role && entry.file == name.file; });
}

// The directory, unless something else has its name: a link could lead to another
// vault, whose files would be garbage here.
bool IsQuarantine(FileSystem& files, const std::string& directory) {
  return files.IsPrivate(directory).ok() && files.IsDirectory(directory);
}

// One line of at most kMaxQuarantineReason bytes.
std::string OneLine(std::string_view reason) {
  std::string line(reason.substr(0, kMaxQuarantineReason));
  for (char& c : line) {
    if (c < 0x20 || c == 0x7f) c = '?';
  }
  return line;
}

}  // namespace

Result<std::unique_ptr<Vault::Transaction>> Vault::Begin() {
  if (in_transaction_) return FailedPrecondition("vault: it is in a transaction already");
  Result<std::unique_ptr<FileLock>> lock = ports_.files->Lock(
      JoinPath(options_.directory, std::string(kLockName)), options_.lock_timeout_seconds);
  if (!lock.ok()) return std::move(lock).status().WithContext("vault");
  ATTUNE_RETURN_IF_ERROR(Refresh());
  ATTUNE_RETURN_IF_ERROR(FinishLastCommit());
  if (!swept_) Sweep();
  return std::unique_ptr<Transaction>(new Transaction(*this, *std::move(lock)));
}

// Only who holds the lock writes, so whatever the manifest does not name by now
// is garbage. What cannot be removed is tried again by the next transaction.
void Vault::Sweep() {
  swept_ = true;
  const NameSet named = NamesOf(state_->manifest);
  const auto names = ports_.files->List(options_.directory);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const auto parsed = ParseFileName(name);
    if (parsed.has_value()) {
      if (!named.contains({parsed->role, parsed->file})) Discard(*parsed);
    } else if (IsTemporaryName(name)) {
      ports_.files->Remove(JoinPath(options_.directory, name)).Ignore();
    }
  }
  const std::string quarantine = JoinPath(options_.directory, std::string(kQuarantineName));
  if (!IsQuarantine(*ports_.files, quarantine)) return;
  const auto kept = ports_.files->List(quarantine);
  if (!kept.ok()) return;
  for (const std::string& name : *kept) {
    const auto parsed = ParseFileName(name);
    if (parsed.has_value() && !IsQuarantined(state_->manifest, *parsed)) {
      ports_.files->Remove(JoinPath(quarantine, name)).Ignore();
    }
  }
}

// Removes a file that the manifest does not name, or moves it to quarantine if
// it is listed there.
void Vault::Discard(const FileName& name) {
  const std::string path = PathOf(name.role, name.file);
  if (!IsQuarantined(state_->manifest, name)) {
    const Status removed = ports_.files->Remove(path);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) swept_ = false;
    return;
  }
  const std::string quarantine = JoinPath(options_.directory, std::string(kQuarantineName));
  if (!ports_.files->CreateDirectories(quarantine).ok()) return;
  if (!IsQuarantine(*ports_.files, quarantine)) return;
  ports_.files->Rename(path, JoinPath(quarantine, FormatFileName(name.role, name.file))).Ignore();
  ports_.files->SyncDirectory(quarantine).Ignore();
  ports_.files->SyncDirectory(options_.directory).Ignore();
}

Vault::Transaction::Transaction(Vault& vault, std::unique_ptr<FileLock> lock)
    : vault_(vault), lock_(std::move(lock)) {
  vault_.in_transaction_ = true;
}

Vault::Transaction::~Transaction() {
  vault_.in_transaction_ = false;
  if (done_) return;
  for (const FileName& name : written_) vault_.Discard(name);
}

Manifest& Vault::Transaction::manifest() {
  if (!changed_.has_value()) changed_ = vault_.state_->manifest;
  return *changed_;
}

Result<std::uint64_t> Vault::Transaction::NewFile() {
  for (;;) {
    std::uint64_t file = 0;
    ATTUNE_RETURN_IF_ERROR(
        vault_.ports_.crypto->Random(std::as_writable_bytes(std::span(&file, 1))));
    bool taken = file == 0;
    for (const Role role : {Role::kCheckpoint, Role::kAdapter, Role::kExamples, Role::kLedger}) {
      taken = taken || vault_.ports_.files->Exists(vault_.PathOf(role, file));
    }
    if (!taken) return file;
  }
}

Status Vault::Transaction::Write(Role role, std::uint64_t file, std::span<const ByteSpan> parts) {
  FileSystem& files = *vault_.ports_.files;
  ATTUNE_ASSIGN_OR_RETURN(const auto out, files.Create(vault_.PathOf(role, file)));
  written_.push_back({role, file});
  for (const ByteSpan part : parts) ATTUNE_RETURN_IF_ERROR(out->Append(part));
  return out->Sync();
}

Status Vault::Transaction::Quarantine(Role role, std::uint64_t file, std::string_view reason) {
  Manifest& next = manifest();
  const auto is_it = [&](const auto& entry) { return entry.file == file; };
  std::size_t taken = 0;
  if (role == Role::kExamples) taken = std::erase_if(next.segments, is_it);
  if (role == Role::kLedger) taken = std::erase_if(next.ledger, is_it);
  if (role == Role::kCheckpoint) taken = std::erase_if(next.checkpoints, is_it);
  if (role == Role::kAdapter) taken = std::erase_if(next.adapters, is_it);
  if (taken == 0) return NotFound(StrCat(FormatFileName(role, file), ": not in the manifest"));
  next.quarantine.push_back({file, role, vault_.ports_.clock->UnixSeconds(), OneLine(reason)});
  if (next.quarantine.size() > kMaxQuarantined) next.quarantine.erase(next.quarantine.begin());
  return OkStatus();
}

Status Vault::Transaction::Commit() {
  if (done_) return FailedPrecondition("transaction: over");
  if (!changed_.has_value() && written_.empty()) {
    done_ = true;
    return OkStatus();
  }
  return Publish(false);
}

Status Vault::Transaction::CommitUnderNewKey() {
  if (done_) return FailedPrecondition("transaction: over");
  return Publish(true);
}

Status Vault::Transaction::Publish(bool under_new_key) {
  Manifest before = vault_.state_->manifest;
  Manifest next = manifest();
  next.generation = before.generation + 1;
  DropUnused(&next);
  if (Status valid = CheckManifest(next); !valid.ok()) return InvalidArgument(valid.message());
  // The names of the new files, before anything that names them.
  if (!written_.empty()) {
    ATTUNE_RETURN_IF_ERROR(vault_.ports_.files->SyncDirectory(vault_.options_.directory));
  }
  // Both keys are known before any manifest needs the new one. Killed in between, the
  // next transaction wraps the old manifest anew: a rotation and nothing else.
  if (under_new_key) ATTUNE_RETURN_IF_ERROR(vault_.StoreNewKey(&next));
  const Status published = vault_.Publish(std::move(next));
  // Half-way: a later look will find either manifest, so no file may go.
  done_ = published.ok() || vault_.uncertain_;
  if (!published.ok()) {
    vault_.swept_ = vault_.swept_ && !vault_.uncertain_;
    // Another process may go on with the item before this one does.
    vault_.uncertain_ = vault_.uncertain_ || under_new_key;
    return published;
  }
  // Durable, hence acknowledged: it will not be lost. Without its anchor the
  // manifest before could be put in its place until the next transaction, which
  // begins by anchoring this one and fails if it cannot. The old key is another
  // matter: who asked for its end has to hear that it is still there.
  const Status anchored = vault_.Anchor();
  Dispose(before);
  return under_new_key ? anchored : OkStatus();
}

// Removes what is no longer named. Not synced: what comes back after a power
// failure is swept, and its key is gone anyway.
void Vault::Transaction::Dispose(const Manifest& before) {
  const NameSet named = NamesOf(vault_.state_->manifest);
  NameSet gone = NamesOf(before);
  for (const FileName& name : written_) gone.insert({name.role, name.file});
  for (const auto& [role, file] : gone) {
    if (!named.contains({role, file})) vault_.Discard({role, file});
  }
  const std::string quarantine = JoinPath(vault_.options_.directory, std::string(kQuarantineName));
  if (before.quarantine.empty() || !IsQuarantine(*vault_.ports_.files, quarantine)) return;
  for (const QuarantinedFile& entry : before.quarantine) {
    if (IsQuarantined(vault_.state_->manifest, {entry.role, entry.file})) continue;
    vault_.ports_.files->Remove(JoinPath(quarantine, FormatFileName(entry.role, entry.file)))
        .Ignore();
  }
}

}  // namespace attune
