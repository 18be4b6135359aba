// The segment that records are appended to, as far as this process has read it.
// Other processes append too: CatchUp() under the vault's lock, then Append().
//
// Durability: a record that was appended survives a kill and a power failure.
// Threads: as Vault.

#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>

#include "attune/status.h"
#include "base/function_ref.h"
#include "vault/segment.h"
#include "vault/vault.h"

namespace attune {

// Of a manifest's list the one that is open, or null; of a constant list a constant
// one.
template <typename Segments>
auto* FindOpen(Segments& segments) {
  const auto found = std::find_if(segments.begin(), segments.end(),
                                  [](const SegmentFile& segment) { return !segment.closed; });
  return found == segments.end() ? nullptr : &*found;
}

class OpenSegment {
 public:
  // One of which nothing was read yet.
  OpenSegment(Vault& vault, Role role, const SegmentFile& entry, Secret key);
  // Writes a new one with its first record. It takes place when the manifest that
  // names it is committed.
  static Result<std::unique_ptr<OpenSegment>> Begin(Vault& vault, Vault::Transaction& transaction,
                                                    Role role, const SegmentFile& entry, Secret key,
                                                    std::string_view first);

  // Gives what was appended since to `visit`. Needs no lock: what is not yet whole is
  // left for the next time. A file that is not there is like one without a record.
  Status CatchUp(FunctionRef<void(std::uint32_t index, std::string_view plaintext)> visit);

  std::uint64_t file() const { return entry_.file; }
  ByteSpan key() const { return key_.bytes(); }
  std::uint64_t size() const { return size_; }  // Of the file.
  std::uint32_t next_index() const { return scan_.next_index; }
  // Every byte of it opens, from the first record on.
  bool IsWhole() const;
  // Whether a record of so many bytes may follow. Not where any byte before it does
  // not open, nor after a footer.
  bool HasRoomFor(std::uint64_t plaintext) const;

  // Appends the record with next_index() and syncs. After an error nothing may be
  // appended any more.
  Status Append(std::string_view plaintext);
  // What else a closed segment ends in, if it can be appended.
  void AppendFooter(std::string_view plaintext);

  // How far it is good.
  SegmentFile Closed() const;

 private:
  Status AppendFrameOf(std::uint32_t index, std::string_view plaintext);
  SegmentKey segment_key() const;

  Vault& vault_;
  const Role role_;
  const SegmentFile entry_;
  const Secret key_;
  std::unique_ptr<WritableFile> file_;  // Kept open between records.
  SegmentScan scan_;
  std::uint64_t size_ = 0;
  bool failed_ = false;
};

}  // namespace attune
