#include "vault/open_segment.h"

#include <algorithm>
#include <string>
#include <utility>

#include "vault/bytes.h"
#include "vault/file_header.h"
#include "vault/segment_reader.h"

namespace attune {

OpenSegment::OpenSegment(Vault& vault, Role role, const SegmentFile& entry, Secret key)
    : vault_(vault), role_(role), entry_(entry), key_(std::move(key)) {
  scan_.end = kFileHeaderBytes;
}

Result<std::unique_ptr<OpenSegment>> OpenSegment::Begin(Vault& vault,
                                                        Vault::Transaction& transaction, Role role,
                                                        const SegmentFile& entry, Secret key,
                                                        std::string_view first) {
  auto segment = std::make_unique<OpenSegment>(vault, role, entry, std::move(key));
  std::string bytes = SegmentHeader(role, entry);
  ATTUNE_RETURN_IF_ERROR(AppendFrame(segment->segment_key(), 0, first, &bytes));
  const ByteSpan parts[] = {AsBytes(bytes)};
  ATTUNE_RETURN_IF_ERROR(transaction.Write(role, entry.file, parts));
  segment->scan_.end = segment->size_ = bytes.size();
  segment->scan_.next_index = 1;
  return segment;
}

SegmentKey OpenSegment::segment_key() const {
  return {.crypto = vault_.ports().crypto,
          .vault = vault_.id(),
          .role = role_,
          .file = entry_.file,
          .key = key_.bytes()};
}

Status OpenSegment::CatchUp(
    FunctionRef<void(std::uint32_t index, std::string_view plaintext)> visit) {
  const Result<std::uint64_t> size = vault_.ports().files->Size(vault_.PathOf(role_, entry_.file));
  if (!size.ok() && size.status().code() != StatusCode::kNotFound) return size.status();
  const std::uint64_t before = std::exchange(size_, size.ok() ? *size : 0);
  if (size_ == before || size_ <= scan_.end) return OkStatus();
  const Result<std::string> bytes =
      ReadSegmentBytes(vault_, role_, entry_.file, scan_.end, std::min(size_, kMaxSegmentRead));
  if (!bytes.ok()) {
    // It is read the next time. Taken for read, it would be a torn tail that closing
    // leaves behind: records of other processes.
    size_ = before;
    return bytes.status();
  }
  ScanFrames(segment_key(), *bytes, &scan_, visit);
  return OkStatus();
}

bool OpenSegment::IsWhole() const {
  return !failed_ && size_ == scan_.end && scan_.damaged == 0 && scan_.next_index > 0;
}

bool OpenSegment::HasRoomFor(std::uint64_t plaintext) const {
  if (!IsWhole() || scan_.footer) return false;
  return scan_.next_index < kSegmentRecords && size_ + FrameBytes(plaintext) <= kSegmentBytes;
}

Status OpenSegment::AppendFrameOf(std::uint32_t index, std::string_view plaintext) {
  std::string frame;
  ATTUNE_RETURN_IF_ERROR(AppendFrame(segment_key(), index, plaintext, &frame));
  failed_ = true;  // Until it is known to lie on the disk.
  if (file_ == nullptr) {
    ATTUNE_ASSIGN_OR_RETURN(
        file_, vault_.ports().files->OpenForAppending(vault_.PathOf(role_, entry_.file)));
  }
  ATTUNE_RETURN_IF_ERROR(file_->Append(AsBytes(frame)));
  ATTUNE_RETURN_IF_ERROR(file_->Sync());
  failed_ = false;
  size_ += frame.size();
  scan_.end = size_;
  return OkStatus();
}

Status OpenSegment::Append(std::string_view plaintext) {
  ATTUNE_RETURN_IF_ERROR(AppendFrameOf(scan_.next_index, plaintext));
  ++scan_.next_index;
  return OkStatus();
}

void OpenSegment::AppendFooter(std::string_view plaintext) {
  const bool follows = !failed_ && size_ == scan_.end && scan_.next_index > 0 && !scan_.footer;
  // Without a footer the records are read instead.
  if (follows && AppendFrameOf(kFooterIndex, plaintext).ok()) scan_.footer = true;
}

SegmentFile OpenSegment::Closed() const {
  SegmentFile closed = entry_;
  closed.closed = true;
  closed.bytes = scan_.end;
  // The first record was committed with the file. If not even that is left, this
  // makes readers report it.
  closed.records = std::max<std::uint32_t>(scan_.next_index, 1);
  return closed;
}

}  // namespace attune
