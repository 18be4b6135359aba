#include "vault/segment.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "vault/admission.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"
#include "vault/compress.h"
#include "vault/seal.h"

namespace attune {
namespace {

// Frames that may fail to open in one scan. A file made to look full of frames
// costs this much work and no more.
constexpr int kMaxFailures = 4096;

// The longest message that a record of this role, or a footer, is sealed to.
std::uint64_t MaxMessageBytes(Role role) {
  constexpr std::uint64_t kExample = static_cast<std::uint64_t>(kMaxExampleBytes) + 2048;
  return SealedBytes(PaddedSize(role == Role::kLedger ? 2 + kMaxLedgerRecordBytes : kExample));
}

struct FrameHeader {
  std::uint32_t length = 0;
  std::uint32_t index = 0;
};

// What stands at the front of `bytes`, if it can be a frame that ends there.
std::optional<FrameHeader> HeaderAt(Role role, std::string_view bytes) {
  ByteReader in(bytes);
  FrameHeader header;
  header.length = in.Number<std::uint32_t>();
  header.index = in.Number<std::uint32_t>();
  if (!in.ok() || header.length > in.remaining()) return std::nullopt;
  if (header.length < SealedBytes(0) || header.length > MaxMessageBytes(role)) return std::nullopt;
  if (header.index >= kSegmentRecords && header.index != kFooterIndex) return std::nullopt;
  return header;
}

std::string ContextOf(const SegmentKey& segment, std::uint32_t index) {
  SealContext context;
  context.role = segment.role;
  context.vault = segment.vault;
  context.generation = segment.file;
  context.index = index;
  return EncodeContext(context);
}

Result<std::string> OpenMessage(const SegmentKey& segment, const FrameHeader& header,
                                std::string_view bytes) {
  return Unseal(*segment.crypto, segment.key, ContextOf(segment, header.index),
                AsBytes(bytes.substr(kFrameHeaderBytes, header.length)));
}

std::optional<std::string> TryOpen(const SegmentKey& segment, const FrameHeader& header,
                                   std::string_view bytes) {
  Result<std::string> plaintext = OpenMessage(segment, header, bytes);
  if (!plaintext.ok()) return std::nullopt;
  return *std::move(plaintext);
}

}  // namespace

std::uint64_t FrameBytes(std::uint64_t plaintext) {
  return kFrameHeaderBytes + SealedBytes(plaintext);
}

Status AppendFrame(const SegmentKey& segment, std::uint32_t index, std::string_view plaintext,
                   std::string* out) {
  ByteWriter writer(out);
  writer.Number(static_cast<std::uint32_t>(SealedBytes(plaintext.size())));
  writer.Number(index);
  return Seal(*segment.crypto, segment.key, ContextOf(segment, index), AsBytes(plaintext), out);
}

Result<std::string> OpenFrame(const SegmentKey& segment, std::uint32_t index,
                              std::string_view bytes) {
  const std::optional<FrameHeader> header = HeaderAt(segment.role, bytes);
  if (!header) return DataLoss(StrCat("frame: none in ", bytes.size(), " bytes"));
  if (header->index != index) {
    return DataLoss(StrCat("frame: index ", header->index, ", expected ", index));
  }
  return OpenMessage(segment, *header, bytes);
}

void ScanFrames(const SegmentKey& segment, std::string_view bytes, SegmentScan* scan,
                FunctionRef<void(std::uint32_t index, std::string_view plaintext)> visit) {
  const std::uint64_t start = scan->end;
  bool skipped = false;
  int failures = 0;
  std::uint64_t failed_bytes = 0;
  for (std::size_t at = 0; at < bytes.size() && failures < kMaxFailures;) {
    const std::optional<FrameHeader> header = HeaderAt(segment.role, bytes.substr(at));
    if (failed_bytes + (header ? header->length : 0) > kMaxSegmentRead) break;
    const std::optional<std::string> plaintext =
        header ? TryOpen(segment, *header, bytes.substr(at)) : std::nullopt;
    if (!plaintext) {
      // On by one byte, for the length of a damaged frame may be what is damaged.
      // Hardly any place looks like a header, so this is quick.
      failures += header ? 1 : 0;
      failed_bytes += header ? header->length : 0;
      skipped = true;
      ++at;
      continue;
    }
    at += kFrameHeaderBytes + header->length;
    scan->end = start + at;
    if (header->index == kFooterIndex) {
      scan->damaged += skipped || scan->footer ? 1 : 0;
      scan->footer = true;
    } else if (header->index < scan->next_index || scan->footer) {
      ++scan->damaged;  // A copy, or out of its place.
    } else {
      const std::uint32_t missing = header->index - scan->next_index;
      scan->damaged += std::max<std::uint32_t>(missing, skipped ? 1 : 0);
      scan->next_index = header->index + 1;
      visit(header->index, *plaintext);
    }
    skipped = false;
  }
}

}  // namespace attune
