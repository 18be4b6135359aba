#include "vault/example_writer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "vault/example_record.h"
#include "vault/open_segment.h"

namespace attune {
namespace {

// The last there is, for the day's older ones lie under the same.
std::uint64_t SliceOfDay(const Manifest& manifest, std::int64_t day) {
  std::uint64_t slice = 0;
  for (const SegmentEntry& segment : manifest.segments) {
    if (segment.day == day) slice = segment.slice;
  }
  return slice;
}

}  // namespace

Status ExampleWriter::Follow(const Manifest& manifest) {
  const SegmentEntry* entry = FindOpen(manifest.segments);
  if (entry == nullptr) {
    open_.reset();
    return OkStatus();
  }
  if (open_ != nullptr && open_->entry() == *entry) return open_->CatchUp();
  open_.reset();
  ATTUNE_ASSIGN_OR_RETURN(open_, ExampleSegment::Open(vault_, *entry));
  return OkStatus();
}

Result<Recorded> ExampleWriter::Record(const Example& example, std::int64_t max_duplicates) {
  began_day_ = false;
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  const Manifest& manifest = vault_.manifest();
  ATTUNE_RETURN_IF_ERROR(Follow(manifest));
  const std::int64_t now = vault_.ports().clock->UnixSeconds();
  Candidate candidate;
  candidate.day = DayOf(now);
  candidate.stored.example = example;
  if (example.when == 0) candidate.stored.example.when = now;
  candidate.stored.id = manifest.next_example;
  if (open_ != nullptr) candidate.stored.id = std::max(candidate.stored.id, open_->FreeId());
  candidate.slice = open_ != nullptr && open_->entry().day == candidate.day
                        ? open_->entry().slice
                        : SliceOfDay(manifest, candidate.day);
  ATTUNE_ASSIGN_OR_RETURN(const bool duplicate, IsDuplicate(manifest, max_duplicates, &candidate));
  if (duplicate) return Recorded{.outcome = RecordOutcome::kDuplicate, .id = 0};
  const std::string plaintext = EncodeExampleRecord(candidate.stored);
  const bool fits = open_ != nullptr && open_->entry().day == candidate.day &&
                    open_->HasRoomFor(plaintext.size());
  ATTUNE_RETURN_IF_ERROR(fits ? Append(*transaction, plaintext, candidate)
                              : Begin(*transaction, plaintext, candidate));
  return Recorded{.outcome = RecordOutcome::kStored, .id = candidate.stored.id};
}

Result<bool> ExampleWriter::IsDuplicate(const Manifest& manifest, std::int64_t max_duplicates,
                                        Candidate* candidate) {
  if (candidate->slice == 0) return false;
  Crypto& crypto = *vault_.ports().crypto;
  const bool at_hand = open_ != nullptr && open_->entry().slice == candidate->slice;
  if (at_hand) {
    ATTUNE_ASSIGN_OR_RETURN(candidate->fingerprint, FingerprintOf(crypto, open_->fingerprint_key(),
                                                                  candidate->stored.example));
  } else {
    ATTUNE_ASSIGN_OR_RETURN(const Secret key, vault_.SliceKey(candidate->slice));
    ATTUNE_ASSIGN_OR_RETURN(const Secret fingerprint_key, FingerprintKey(crypto, key.bytes()));
    ATTUNE_ASSIGN_OR_RETURN(candidate->fingerprint, FingerprintOf(crypto, fingerprint_key.bytes(),
                                                                  candidate->stored.example));
  }
  if (max_duplicates <= 0) return false;
  ATTUNE_RETURN_IF_ERROR(duplicates_.Follow(vault_, manifest, candidate->slice));
  const std::int64_t open = at_hand ? open_->Count(candidate->fingerprint) : 0;
  return duplicates_.Count(candidate->fingerprint) + open >= max_duplicates;
}

Status ExampleWriter::Append(Vault::Transaction& transaction, std::string_view plaintext,
                             const Candidate& candidate) {
  const Status appended = open_->Append(plaintext, candidate.stored.id, candidate.fingerprint);
  if (appended.ok()) return appended;
  // Perhaps the record lies there whole, though it was refused: if the manifest can
  // be written, it says that the segment ends before it.
  Status closed = Close(transaction);
  if (closed.ok()) closed = transaction.Commit();
  closed.Ignore();
  Reset();
  return appended;
}

Status ExampleWriter::Close(Vault::Transaction& transaction) {
  if (open_ == nullptr) return OkStatus();
  Manifest& manifest = transaction.manifest();
  SegmentEntry* entry = FindOpen(manifest.segments);
  if (entry == nullptr) return OkStatus();
  manifest.next_example = std::max(manifest.next_example, open_->FreeId());
  *entry = open_->Close();
  return OkStatus();
}

Status ExampleWriter::Begin(Vault::Transaction& transaction, std::string_view plaintext,
                            Candidate candidate) {
  ATTUNE_RETURN_IF_ERROR(Close(transaction));
  Manifest& manifest = transaction.manifest();
  const bool first_of_day = candidate.slice == 0;
  Secret key;
  if (first_of_day) {
    ATTUNE_ASSIGN_OR_RETURN(Vault::NewSlice made,
                            vault_.MakeSlice(Role::kExamples, manifest.next_slice++));
    candidate.slice = made.slice.id;
    key = std::move(made.key);
    manifest.slices.push_back(std::move(made.slice));
  } else {
    ATTUNE_ASSIGN_OR_RETURN(key, vault_.SliceKey(candidate.slice));
  }
  SegmentEntry entry;
  ATTUNE_ASSIGN_OR_RETURN(entry.file, transaction.NewFile());
  entry.slice = candidate.slice;
  entry.day = candidate.day;
  entry.first_id = candidate.stored.id;
  ATTUNE_ASSIGN_OR_RETURN(auto segment, OpenSegment::Begin(vault_, transaction, Role::kExamples,
                                                           entry, std::move(key), plaintext));
  manifest.segments.push_back(entry);
  manifest.next_example = entry.first_id + 1;
  Reset();
  ATTUNE_RETURN_IF_ERROR(transaction.Commit());
  began_day_ = first_of_day;
  // It is stored: what fails from here on is read again by the next Follow().
  auto begun = ExampleSegment::Begin(vault_, entry, std::move(segment), candidate.stored.example);
  if (begun.ok()) open_ = *std::move(begun);
  return OkStatus();
}

}  // namespace attune
