// The bytes of a segment of examples or of the ledger:
//
//   segment = clear header | frame...      frame = u32 length | u32 index | message
//
// The message of `length` bytes is sealed by itself, bound to the segment's file
// and to the index; records count from 0. A segment that was closed in order ends
// in a footer. docs/formats/vault.md section 6.1.
//
// Threads: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "base/function_ref.h"
#include "ports/crypto.h"
#include "vault/context.h"

namespace attune {

// A segment is closed before it would exceed either; one record may, alone.
inline constexpr std::uint64_t kSegmentBytes = std::uint64_t{256} << 10;
inline constexpr std::uint32_t kSegmentRecords = 1024;

// Read of a segment at most: the largest record, padded and sealed, and as much
// again as any other segment has.
inline constexpr std::uint64_t kMaxSegmentRead = std::uint64_t{80} << 20;

// Of the ledger; before it is padded.
inline constexpr std::size_t kMaxLedgerRecordBytes = 4096;

inline constexpr std::size_t kFrameHeaderBytes = 8;
inline constexpr std::uint32_t kFooterIndex = 0xFFFFFFFF;

// What opens the messages of one segment. Nothing is owned.
struct SegmentKey {
  Crypto* crypto = nullptr;
  VaultId vault{};
  Role role = Role::kExamples;
  std::uint64_t file = 0;
  ByteSpan key;
};

std::uint64_t FrameBytes(std::uint64_t plaintext);

// Appends the frame of `plaintext` to `out`.
Status AppendFrame(const SegmentKey& segment, std::uint32_t index, std::string_view plaintext,
                   std::string* out);

// The plaintext of the frame that `bytes` begin with.
//
//   kDataLoss  no such frame, or another index
Result<std::string> OpenFrame(const SegmentKey& segment, std::uint32_t index,
                              std::string_view bytes);

// How far a segment was read.
struct SegmentScan {
  std::uint64_t end = 0;  // In the file, after the last authentic frame.
  std::uint32_t next_index = 0;
  // Indexes without an authentic record, records out of their place, and bytes
  // between records.
  std::uint64_t damaged = 0;
  bool footer = false;
};

// Goes on reading at scan->end: `bytes` are those of the file from there on. Gives
// every authentic record to `visit`; where one does not open, looks for the next
// one that does, until what failed comes to kMaxSegmentRead. Bytes at the end that are no frame are
// left for the next time.
void ScanFrames(const SegmentKey& segment, std::string_view bytes, SegmentScan* scan,
                FunctionRef<void(std::uint32_t index, std::string_view plaintext)> visit);

}  // namespace attune
