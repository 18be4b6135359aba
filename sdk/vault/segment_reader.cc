#include "vault/segment_reader.h"

#include <algorithm>
#include <string>

#include "vault/example_record.h"
#include "vault/file_header.h"

namespace attune {
namespace {

FileHeader HeaderOf(Role role, const SegmentFile& segment) {
  return {.role = role, .file = segment.file, .slice = segment.slice};
}

// Sums up what is damaged. Of a closed segment it is known what has to be there.
void Judge(const SegmentFile& segment, std::uint64_t bytes_left, SegmentReport* report) {
  const SegmentScan& scan = report->scan;
  report->damaged = report->malformed + scan.damaged;
  report->torn = segment.closed ? 0 : bytes_left;
  if (!segment.closed) return;
  if (segment.records > scan.next_index) report->damaged += segment.records - scan.next_index;
  if (scan.end != segment.bytes) report->damaged = std::max<std::uint64_t>(report->damaged, 1);
}

}  // namespace

std::string SegmentHeader(Role role, const SegmentFile& segment) {
  return EncodeFileHeader(HeaderOf(role, segment));
}

Result<std::string> ReadSegmentBytes(Vault& vault, Role role, std::uint64_t file,
                                     std::uint64_t offset, std::uint64_t limit) {
  ATTUNE_ASSIGN_OR_RETURN(const auto in,
                          vault.ports().files->OpenForReading(vault.PathOf(role, file)));
  const std::uint64_t end = std::min(in->size(), limit);
  std::string bytes(static_cast<std::size_t>(end - std::min(end, offset)), '\0');
  if (bytes.empty()) return bytes;
  ATTUNE_RETURN_IF_ERROR(in->ReadAt(offset, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

Status ReadOn(Vault& vault, Role role, const SegmentFile& segment, SegmentReport* report,
              FunctionRef<bool(std::string_view record)> take) {
  SegmentScan& scan = report->scan;
  const std::uint64_t limit =
      segment.closed ? std::min(segment.bytes, kMaxSegmentRead) : kMaxSegmentRead;
  ATTUNE_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadSegmentBytes(vault, role, segment.file, scan.end, limit));
  ATTUNE_ASSIGN_OR_RETURN(const Secret key, vault.SliceKey(segment.slice));
  std::string_view rest = bytes;
  const std::uint64_t begin = scan.end;
  if (begin == 0) {
    // The clear header adds nothing to what the records are bound to: one that was
    // changed is reported, and they are read all the same.
    if (!CheckFileHeader(bytes, HeaderOf(role, segment)).ok()) ++report->malformed;
    scan.end = std::min<std::uint64_t>(kFileHeaderBytes, bytes.size());
    rest.remove_prefix(static_cast<std::size_t>(scan.end));
  }
  ScanFrames({.crypto = vault.ports().crypto,
              .vault = vault.id(),
              .role = role,
              .file = segment.file,
              .key = key.bytes()},
             rest, &scan, [&](std::uint32_t, std::string_view record) {
               ++(take(record) ? report->records : report->malformed);
             });
  Judge(segment, begin + bytes.size() - scan.end, report);
  return OkStatus();
}

Result<SegmentReport> ReadSegment(Vault& vault, const SegmentEntry& segment,
                                  FunctionRef<bool(const StoredExample&)> visit) {
  SegmentReport report;
  bool wanted = true;
  ATTUNE_RETURN_IF_ERROR(
      ReadOn(vault, Role::kExamples, segment, &report, [&](std::string_view record) {
        const Result<StoredExample> stored = DecodeExampleRecord(record);
        if (!stored.ok()) return false;
        wanted = wanted && visit(*stored);
        return true;
      }));
  return report;
}

}  // namespace attune
