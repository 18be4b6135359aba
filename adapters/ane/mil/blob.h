// The weight file: a header of 64 bytes, then records of 64 bytes, each followed by
// its data, all at multiples of 64 (MILBlob storage format, version 2).

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ane/mil/ast.h"
#include "attune/status.h"

namespace attune::ane::mil {

inline constexpr std::uint32_t kBlobSentinel = 0xDEADBEEF;
inline constexpr std::uint64_t kBlobAlignment = 64;

struct BlobRecord {
  std::uint64_t offset = 0;       // Of the record.
  std::uint32_t dtype = 0;        // 1 is fp16, 2 fp32, 3 uint8, 4 int8, ...
  std::uint64_t data_offset = 0;  // As written in the record: absolute.
  std::uint64_t data_bytes = 0;
  std::uint64_t padding_bits = 0;
};

// The record at `offset` of `file`, as the record says it and not more: whether its
// data_offset is right is for the caller. Bounds are checked.
//
//   kDataLoss  no sentinel, or the record or its data reach beyond the file
Result<BlobRecord> ReadRecord(std::span<const std::byte> file, std::uint64_t offset);

// The words of the record alone, wherever they point: for who judges them.
//
//   kDataLoss  no sentinel, or the record reaches beyond the file
Result<BlobRecord> ReadRecordHeader(std::span<const std::byte> file, std::uint64_t offset);

// All records in order, by walking from one to the next.
//
//   kDataLoss  not version 2, a damaged record, fewer of them than the header counts
Result<std::vector<BlobRecord>> ReadRecords(std::span<const std::byte> file);

// Bits of one element of a type as it lies in a blob (4 for int4); 0 for strings.
int BitsOf(DataType dtype);

}  // namespace attune::ane::mil
