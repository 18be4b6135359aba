// The segment that records are appended to, as far as this process has read it.
// Other processes append too: CatchUp() under the vault's lock, then Append().
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
#include "vault/segment.h"
#include "vault/vault.h"

namespace attune {

class OpenSegment {
 public:
  // Reads what there is. A file that is not there is like one without a record.
  static Result<std::unique_ptr<OpenSegment>> Open(Vault& vault, const SegmentEntry& entry);
  // One that was just begun, with its first record.
  static Result<std::unique_ptr<OpenSegment>> Begin(Vault& vault, const SegmentEntry& entry,
                                                    Secret key, std::uint64_t size,
                                                    const Example& first);

  // Reads what was appended since. Needs no lock: what is not yet whole is left for
  // the next time.
  Status CatchUp();

  const SegmentEntry& entry() const { return entry_; }
  ByteSpan key() const { return key_.bytes(); }
  ByteSpan fingerprint_key() const { return fingerprint_key_.bytes(); }
  std::uint64_t size() const { return size_; }  // Of the file.
  std::uint64_t examples() const { return examples_; }
  std::uint64_t last_id() const { return last_id_; }
  std::int64_t Count(Fingerprint fingerprint) const;

  // Whether a record of so many bytes may follow. Not where any byte before it does
  // not open, so that ids go up one by one, nor after a footer.
  bool HasRoomFor(std::uint64_t plaintext) const;

  // Appends the record with next_index() and syncs. After an error nothing may be
  // appended any more.
  Status Append(std::string_view plaintext, std::uint64_t id, Fingerprint fingerprint);

  // Appends the footer, if it can, and says how far the segment is good.
  SegmentEntry Close();

  // No id below was given out by this segment.
  std::uint64_t FreeId() const;

 private:
  OpenSegment(Vault& vault, const SegmentEntry& entry, Secret key, Secret fingerprint_key);
  Status ReadFrom(std::uint64_t offset, std::uint64_t size);
  Status AppendBytes(std::string_view bytes);
  bool IsWhole() const { return !failed_ && size_ == scan_.end; }
  SegmentKey segment_key() const;

  Vault& vault_;
  SegmentEntry entry_;
  Secret key_, fingerprint_key_;
  std::unique_ptr<WritableFile> file_;  // Kept open between records.
  SegmentScan scan_;
  std::uint64_t size_ = 0;
  std::uint64_t examples_ = 0;
  std::uint64_t last_id_ = 0;
  std::vector<Fingerprint> fingerprints_;  // By index.
  bool failed_ = false;
};

}  // namespace attune
