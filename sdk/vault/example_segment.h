// The segment that examples are appended to, as far as this process has read it: an
// OpenSegment that knows the ids and fingerprints of its records.
//
// Threads: as Vault.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "attune/example.h"
#include "attune/status.h"
#include "vault/duplicates.h"
#include "vault/open_segment.h"
#include "vault/vault.h"

namespace attune {

class ExampleSegment {
 public:
  // Reads what there is.
  static Result<std::unique_ptr<ExampleSegment>> Open(Vault& vault, const SegmentEntry& entry);
  // One that was just begun, with its first record.
  static Result<std::unique_ptr<ExampleSegment>> Begin(Vault& vault, const SegmentEntry& entry,
                                                       std::unique_ptr<OpenSegment> segment,
                                                       const Example& first);

  // Reads what was appended since. Needs no lock.
  Status CatchUp();

  const SegmentEntry& entry() const { return entry_; }
  ByteSpan fingerprint_key() const { return fingerprint_key_.bytes(); }
  std::uint64_t size() const { return segment_->size(); }  // Of the file.
  std::uint64_t examples() const { return examples_; }
  std::uint64_t last_id() const { return last_id_; }
  std::int64_t Count(Fingerprint fingerprint) const;
  bool HasRoomFor(std::uint64_t plaintext) const { return segment_->HasRoomFor(plaintext); }

  // As OpenSegment::Append().
  Status Append(std::string_view plaintext, std::uint64_t id, Fingerprint fingerprint);

  // Appends the footer, if it can, and says how far the segment is good.
  SegmentEntry Close();

  // No id below was given out by this segment.
  std::uint64_t FreeId() const;

 private:
  ExampleSegment(Vault& vault, const SegmentEntry& entry, std::unique_ptr<OpenSegment> segment,
                 Secret fingerprint_key);
  static Result<std::unique_ptr<ExampleSegment>> Make(Vault& vault, const SegmentEntry& entry,
                                                      std::unique_ptr<OpenSegment> segment);
  void Note(std::uint32_t index, std::uint64_t id, Fingerprint fingerprint);

  Vault& vault_;
  const SegmentEntry entry_;
  const std::unique_ptr<OpenSegment> segment_;
  const Secret fingerprint_key_;
  std::uint64_t examples_ = 0;
  std::uint64_t last_id_ = 0;
  std::vector<Fingerprint> fingerprints_;  // By index.
};

}  // namespace attune
