#include "vault/checkpoint_store.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "vault/stored_file.h"

namespace attune {
namespace {

// Says in the file itself which step it is of.
constexpr const char* kStepField = "attune.step";

// How often to look again for a checkpoint that another process has replaced.
constexpr int kMaxAttempts = 5;

bool Usable(const CheckpointEntry& entry, const CheckpointOptions& options) {
  return entry.base == options.base && !entry.tainted;
}

// Newest first.
std::vector<CheckpointEntry> EntriesOf(const Manifest& manifest, const std::string& adapter) {
  std::vector<CheckpointEntry> entries;
  for (const CheckpointEntry& entry : manifest.checkpoints) {
    if (entry.adapter == adapter) entries.push_back(entry);
  }
  std::reverse(entries.begin(), entries.end());
  return entries;
}

void DropAll(const std::string& adapter, Manifest* manifest) {
  std::erase_if(manifest->checkpoints,
                [&](const CheckpointEntry& entry) { return entry.adapter == adapter; });
}

// Leaves the newest `keep` that can be used. Others would only take the place of
// these.
void Prune(const CheckpointOptions& options, Manifest* manifest) {
  auto& entries = manifest->checkpoints;
  int excess = -options.keep;
  for (const CheckpointEntry& entry : entries) {
    if (entry.adapter == options.adapter && Usable(entry, options)) ++excess;
  }
  std::erase_if(entries, [&](const CheckpointEntry& entry) {
    if (entry.adapter != options.adapter) return false;
    return !Usable(entry, options) || excess-- > 0;
  });
}

// An authentic file that is of another step than the manifest says was stored by a
// defect of ours: it is no more to be trusted than a damaged one.
Result<Container> LoadCheckpoint(Vault& vault, const CheckpointEntry& entry) {
  ATTUNE_ASSIGN_OR_RETURN(Container content, LoadContainer(vault, Role::kCheckpoint, entry));
  const std::string* step = content.Field(kStepField);
  if (step == nullptr || *step != StrCat(entry.step)) {
    Status status = DataLoss(StrCat("checkpoint: not of step ", entry.step));
    vault.Quarantine(Role::kCheckpoint, entry.file, status.message()).Ignore();
    return status;
  }
  content.fields.erase(kStepField);
  return content;
}

}  // namespace

CheckpointStore::CheckpointStore(Vault& vault, CheckpointOptions options)
    : vault_(vault), options_(std::move(options)) {
  ATTUNE_CHECK(options_.keep >= 1);
}

Status CheckpointStore::BeginRun(bool resume) {
  ATTUNE_RETURN_IF_ERROR(CheckAdapterName(options_.adapter));
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  Manifest& manifest = transaction->manifest();
  const std::uint64_t run = ++LineOf(options_.adapter, &manifest).run;
  if (!resume) DropAll(options_.adapter, &manifest);
  ATTUNE_RETURN_IF_ERROR(transaction->Commit());
  run_ = run;
  return OkStatus();
}

Status CheckpointStore::Commit(const CheckpointData& data) {
  std::map<std::string, std::string> fields = data.fields;
  fields[kStepField] = StrCat(data.step);
  // The slow part, before other processes are made to wait.
  const std::string container = EncodeContainer(fields, data.sections);
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  Manifest& manifest = transaction->manifest();
  const AdapterLine* line = manifest.FindLine(options_.adapter);
  if (run_ == 0 || line == nullptr || line->run != run_) {
    return FailedPrecondition(
        StrCat("checkpoint of run ", run_, " of adapter ", options_.adapter, ": run ",
               line == nullptr ? 0 : line->run,
               " took over, or what it learned from was forgotten; run again"));
  }
  const FileOwner owner = {Role::kCheckpoint, options_.adapter, options_.base};
  CheckpointEntry entry;
  ATTUNE_ASSIGN_OR_RETURN(static_cast<StoredFile&>(entry),
                          StoreContainer(vault_, transaction.get(), owner, container, data.seen));
  entry.run = run_;
  entry.step = data.step;
  manifest.checkpoints.push_back(std::move(entry));
  Prune(options_, &manifest);
  return transaction->Commit();
}

Result<Checkpoint> CheckpointStore::Latest(CheckpointNews* news) {
  CheckpointNews local;
  if (news == nullptr) news = &local;
  *news = {};
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
    news->tainted = 0;
    news->other_base = 0;
    bool replaced = false;
    for (const CheckpointEntry& entry : EntriesOf(vault_.manifest(), options_.adapter)) {
      if (!Usable(entry, options_)) {
        ++(entry.tainted ? news->tainted : news->other_base);
        continue;
      }
      Result<Container> content = LoadCheckpoint(vault_, entry);
      if (content.ok()) return Checkpoint{entry, *std::move(content)};
      const StatusCode code = content.status().code();
      if (code != StatusCode::kDataLoss && code != StatusCode::kNotFound) return content.status();
      replaced = code == StatusCode::kNotFound;
      if (replaced) break;
      ++news->quarantined;
    }
    if (!replaced) {
      return NotFound(StrCat("adapter ", options_.adapter, ": no checkpoint to use; ",
                             news->quarantined, " damaged, ", news->tainted, " tainted, ",
                             news->other_base, " of another base"));
    }
  }
  return Unavailable(StrCat("adapter ", options_.adapter, ": its checkpoints were replaced ",
                            kMaxAttempts, " times while they were read; try again"));
}

Status CheckpointStore::Clear() {
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  const auto is_done_with = [&](const CheckpointEntry& entry) {
    return entry.adapter == options_.adapter && (run_ == 0 || entry.run <= run_);
  };
  if (std::erase_if(transaction->manifest().checkpoints, is_done_with) == 0) return OkStatus();
  return transaction->Commit();
}

}  // namespace attune
