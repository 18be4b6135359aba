#include "vault/example_segment.h"

#include <algorithm>
#include <utility>

#include "vault/example_record.h"

namespace attune {

ExampleSegment::ExampleSegment(Vault& vault, const SegmentEntry& entry,
                               std::unique_ptr<OpenSegment> segment, Secret fingerprint_key)
    : vault_(vault),
      entry_(entry),
      segment_(std::move(segment)),
      fingerprint_key_(std::move(fingerprint_key)) {}

Result<std::unique_ptr<ExampleSegment>> ExampleSegment::Make(Vault& vault,
                                                             const SegmentEntry& entry,
                                                             std::unique_ptr<OpenSegment> segment) {
  ATTUNE_ASSIGN_OR_RETURN(Secret key, FingerprintKey(*vault.ports().crypto, segment->key()));
  return std::unique_ptr<ExampleSegment>(
      new ExampleSegment(vault, entry, std::move(segment), std::move(key)));
}

Result<std::unique_ptr<ExampleSegment>> ExampleSegment::Open(Vault& vault,
                                                             const SegmentEntry& entry) {
  ATTUNE_ASSIGN_OR_RETURN(Secret key, vault.SliceKey(entry.slice));
  ATTUNE_ASSIGN_OR_RETURN(auto segment, Make(vault, entry,
                                             std::make_unique<OpenSegment>(vault, Role::kExamples,
                                                                           entry, std::move(key))));
  ATTUNE_RETURN_IF_ERROR(segment->CatchUp());
  return segment;
}

Result<std::unique_ptr<ExampleSegment>> ExampleSegment::Begin(Vault& vault,
                                                              const SegmentEntry& entry,
                                                              std::unique_ptr<OpenSegment> begun,
                                                              const Example& first) {
  ATTUNE_ASSIGN_OR_RETURN(auto segment, Make(vault, entry, std::move(begun)));
  ATTUNE_ASSIGN_OR_RETURN(const Fingerprint fingerprint,
                          FingerprintOf(*vault.ports().crypto, segment->fingerprint_key(), first));
  segment->Note(0, entry.first_id, fingerprint);
  return segment;
}

void ExampleSegment::Note(std::uint32_t index, std::uint64_t id, Fingerprint fingerprint) {
  ++examples_;
  last_id_ = std::max(last_id_, id);
  fingerprints_.resize(index);
  fingerprints_.push_back(fingerprint);
}

Status ExampleSegment::CatchUp() {
  Status status;
  ATTUNE_RETURN_IF_ERROR(segment_->CatchUp([&](std::uint32_t index, std::string_view plaintext) {
    const Result<StoredExample> stored = DecodeExampleRecord(plaintext);
    if (!stored.ok()) return;
    const auto fingerprint =
        FingerprintOf(*vault_.ports().crypto, fingerprint_key(), stored->example);
    if (!fingerprint.ok()) status = fingerprint.status();
    Note(index, stored->id, fingerprint.ok() ? *fingerprint : 0);
  }));
  return status;
}

std::int64_t ExampleSegment::Count(Fingerprint fingerprint) const {
  return std::count(fingerprints_.begin(), fingerprints_.end(), fingerprint);
}

Status ExampleSegment::Append(std::string_view plaintext, std::uint64_t id,
                              Fingerprint fingerprint) {
  const std::uint32_t index = segment_->next_index();
  ATTUNE_RETURN_IF_ERROR(segment_->Append(plaintext));
  Note(index, id, fingerprint);
  return OkStatus();
}

SegmentEntry ExampleSegment::Close() {
  fingerprints_.resize(segment_->next_index());
  segment_->AppendFooter(EncodeFooter(fingerprints_));
  SegmentEntry closed = entry_;
  static_cast<SegmentFile&>(closed) = segment_->Closed();
  closed.last_id = std::max(last_id_, entry_.first_id);
  return closed;
}

std::uint64_t ExampleSegment::FreeId() const {
  const std::uint64_t next = std::max(last_id_, entry_.first_id) + 1;
  // Bytes that do not open may be records whose ids are not known. A segment gives
  // them out one by one, so that more than these there cannot be.
  return segment_->IsWhole() ? next : std::max(next, entry_.first_id + kSegmentRecords);
}

}  // namespace attune
