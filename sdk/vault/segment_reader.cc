#include "vault/segment_reader.h"

#include <algorithm>
#include <string>

#include "vault/example_record.h"
#include "vault/file_header.h"

namespace attune {
namespace {

FileHeader HeaderOf(const SegmentEntry& segment) {
  return {.role = Role::kExamples, .file = segment.file, .slice = segment.slice};
}

// What belongs to the segment: of a closed one, as much as was there when it was
// closed.
Result<std::string> ReadBytes(Vault& vault, const SegmentEntry& segment) {
  ATTUNE_ASSIGN_OR_RETURN(const auto file, vault.ports().files->OpenForReading(
                                               vault.PathOf(Role::kExamples, segment.file)));
  std::uint64_t size = std::min(file->size(), kMaxSegmentRead);
  if (segment.closed) size = std::min(size, segment.bytes);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  ATTUNE_RETURN_IF_ERROR(file->ReadAt(0, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

// Counts what is missing from a closed segment, of which all is known.
void CompareWithManifest(const SegmentEntry& segment, const SegmentScan& scan,
                         SegmentReport* report) {
  if (segment.records > scan.next_index) report->damaged += segment.records - scan.next_index;
  if (scan.end != segment.bytes) report->damaged = std::max<std::uint64_t>(report->damaged, 1);
}

}  // namespace

std::string SegmentHeader(const SegmentEntry& segment) {
  return EncodeFileHeader(HeaderOf(segment));
}

Result<SegmentReport> ReadSegment(Vault& vault, const SegmentEntry& segment,
                                  FunctionRef<bool(const StoredExample&)> visit) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string bytes, ReadBytes(vault, segment));
  ATTUNE_ASSIGN_OR_RETURN(const Secret key, vault.SliceKey(segment.slice));
  SegmentReport report;
  // The clear header adds nothing to what the records are bound to: one that was
  // changed is reported, and they are read all the same.
  if (!CheckFileHeader(bytes, HeaderOf(segment)).ok()) ++report.damaged;
  SegmentScan scan;
  scan.end = std::min<std::uint64_t>(kFileHeaderBytes, bytes.size());
  bool wanted = true;
  ScanFrames({.crypto = vault.ports().crypto,
              .vault = vault.id(),
              .file = segment.file,
              .key = key.bytes()},
             std::string_view(bytes).substr(static_cast<std::size_t>(scan.end)), &scan,
             [&](std::uint32_t, std::string_view plaintext) {
               const Result<StoredExample> stored = DecodeExampleRecord(plaintext);
               if (!stored.ok()) {
                 ++report.damaged;
                 return;
               }
               ++report.examples;
               report.last_id = stored->id;
               wanted = wanted && visit(*stored);
             });
  report.damaged += scan.damaged;
  report.bytes = scan.end;
  if (segment.closed) {
    CompareWithManifest(segment, scan, &report);
  } else {
    report.torn = bytes.size() - scan.end;
  }
  return report;
}

}  // namespace attune
