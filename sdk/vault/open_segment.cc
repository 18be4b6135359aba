#include "vault/open_segment.h"

#include <algorithm>
#include <string>
#include <utility>

#include "vault/bytes.h"
#include "vault/example_record.h"
#include "vault/file_header.h"
#include "vault/segment_reader.h"

namespace attune {

OpenSegment::OpenSegment(Vault& vault, const SegmentEntry& entry, Secret key,
                         Secret fingerprint_key)
    : vault_(vault),
      entry_(entry),
      key_(std::move(key)),
      fingerprint_key_(std::move(fingerprint_key)) {
  scan_.end = kFileHeaderBytes;
}

Result<std::unique_ptr<OpenSegment>> OpenSegment::Open(Vault& vault, const SegmentEntry& entry) {
  ATTUNE_ASSIGN_OR_RETURN(Secret key, vault.SliceKey(entry.slice));
  ATTUNE_ASSIGN_OR_RETURN(Secret fingerprint_key,
                          FingerprintKey(*vault.ports().crypto, key.bytes()));
  std::unique_ptr<OpenSegment> segment(
      new OpenSegment(vault, entry, std::move(key), std::move(fingerprint_key)));
  ATTUNE_RETURN_IF_ERROR(segment->CatchUp());
  return segment;
}

Result<std::unique_ptr<OpenSegment>> OpenSegment::Begin(Vault& vault, const SegmentEntry& entry,
                                                        Secret key, std::uint64_t size,
                                                        const Example& first) {
  ATTUNE_ASSIGN_OR_RETURN(Secret fingerprint_key,
                          FingerprintKey(*vault.ports().crypto, key.bytes()));
  std::unique_ptr<OpenSegment> segment(
      new OpenSegment(vault, entry, std::move(key), std::move(fingerprint_key)));
  segment->scan_.end = segment->size_ = size;
  segment->scan_.next_index = 1;
  segment->examples_ = 1;
  segment->last_id_ = entry.first_id;
  ATTUNE_ASSIGN_OR_RETURN(const Fingerprint fingerprint,
                          FingerprintOf(*vault.ports().crypto, segment->fingerprint_key(), first));
  segment->fingerprints_ = {fingerprint};
  return segment;
}

SegmentKey OpenSegment::segment_key() const {
  return {.crypto = vault_.ports().crypto,
          .vault = vault_.id(),
          .file = entry_.file,
          .key = key_.bytes()};
}

Status OpenSegment::CatchUp() {
  const Result<std::uint64_t> size =
      vault_.ports().files->Size(vault_.PathOf(Role::kExamples, entry_.file));
  if (!size.ok() && size.status().code() != StatusCode::kNotFound) return size.status();
  const std::uint64_t before = std::exchange(size_, size.ok() ? *size : 0);
  if (size_ == before || size_ <= scan_.end) return OkStatus();
  Status read = ReadFrom(scan_.end, std::min(size_, kMaxSegmentRead));
  // It is read the next time. Taken for read, it would be a torn tail that Close()
  // leaves behind: records of other processes.
  if (!read.ok()) size_ = before;
  return read;
}

Status OpenSegment::ReadFrom(std::uint64_t offset, std::uint64_t size) {
  ATTUNE_ASSIGN_OR_RETURN(const auto file, vault_.ports().files->OpenForReading(
                                               vault_.PathOf(Role::kExamples, entry_.file)));
  size = std::min(size, file->size());
  if (size <= offset) return OkStatus();  // Cut from outside since it was measured.
  std::string bytes(static_cast<std::size_t>(size - offset), '\0');
  ATTUNE_RETURN_IF_ERROR(file->ReadAt(offset, std::as_writable_bytes(std::span(bytes))));
  Status status;
  ScanFrames(segment_key(), bytes, &scan_, [&](std::uint32_t index, std::string_view plaintext) {
    const Result<StoredExample> stored = DecodeExampleRecord(plaintext);
    if (!stored.ok()) return;
    ++examples_;
    last_id_ = std::max(last_id_, stored->id);
    const auto fingerprint =
        FingerprintOf(*vault_.ports().crypto, fingerprint_key(), stored->example);
    if (!fingerprint.ok()) status = fingerprint.status();
    fingerprints_.resize(index + 1);
    fingerprints_[index] = fingerprint.ok() ? *fingerprint : 0;
  });
  return status;
}

std::int64_t OpenSegment::Count(Fingerprint fingerprint) const {
  return std::count(fingerprints_.begin(), fingerprints_.end(), fingerprint);
}

bool OpenSegment::HasRoomFor(std::uint64_t plaintext) const {
  if (!IsWhole() || scan_.damaged > 0 || scan_.footer || scan_.next_index == 0) return false;
  return scan_.next_index < kSegmentRecords && size_ + FrameBytes(plaintext) <= kSegmentBytes;
}

Status OpenSegment::AppendBytes(std::string_view bytes) {
  failed_ = true;  // Until it is known to lie on the disk.
  if (file_ == nullptr) {
    ATTUNE_ASSIGN_OR_RETURN(
        file_, vault_.ports().files->OpenForAppending(vault_.PathOf(Role::kExamples, entry_.file)));
  }
  ATTUNE_RETURN_IF_ERROR(file_->Append(AsBytes(bytes)));
  ATTUNE_RETURN_IF_ERROR(file_->Sync());
  failed_ = false;
  size_ += bytes.size();
  scan_.end = size_;
  return OkStatus();
}

Status OpenSegment::Append(std::string_view plaintext, std::uint64_t id, Fingerprint fingerprint) {
  std::string frame;
  ATTUNE_RETURN_IF_ERROR(AppendFrame(segment_key(), scan_.next_index, plaintext, &frame));
  ATTUNE_RETURN_IF_ERROR(AppendBytes(frame));
  fingerprints_.resize(scan_.next_index);
  fingerprints_.push_back(fingerprint);
  ++scan_.next_index;
  ++examples_;
  last_id_ = id;
  return OkStatus();
}

SegmentEntry OpenSegment::Close() {
  if (IsWhole() && !scan_.footer && scan_.next_index > 0) {
    fingerprints_.resize(scan_.next_index);
    std::string footer;
    Status status = AppendFrame(segment_key(), kFooterIndex, EncodeFooter(fingerprints_), &footer);
    if (status.ok()) status = AppendBytes(footer);
    // Without a footer the records are read instead.
    if (status.ok()) scan_.footer = true;
  }
  SegmentEntry closed = entry_;
  closed.closed = true;
  closed.bytes = scan_.end;
  // The first record was committed with the file. If not even that is left, this
  // makes readers report it.
  closed.records = std::max<std::uint32_t>(scan_.next_index, 1);
  closed.last_id = std::max(last_id_, entry_.first_id);
  return closed;
}

std::uint64_t OpenSegment::FreeId() const {
  const std::uint64_t next = std::max(last_id_, entry_.first_id) + 1;
  // Bytes that do not open may be records whose ids are not known. A segment gives
  // them out one by one, so that more than these there cannot be.
  const bool known = IsWhole() && scan_.damaged == 0;
  return known ? next : std::max(next, entry_.first_id + kSegmentRecords);
}

}  // namespace attune
