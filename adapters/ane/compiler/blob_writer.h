// Writes a weight file: records of 64 bytes, each followed by its data, at multiples
// of 64 (MILBlob storage format, version 2).

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "attune/status.h"

namespace attune::ane {

// NOTE: as the format numbers them.
enum class BlobType : std::uint32_t { kFloat16 = 1, kFloat32 = 2, kInt8 = 4, kUInt4 = 11 };

class BlobWriter {
 public:
  struct Record {
    std::uint64_t offset = 0;   // Of the record: what BLOBFILE() refers to.
    std::span<std::byte> data;  // Zeros, to be filled before the next Add().
  };

  // Makes room for so many bytes of data and their records.
  void Reserve(std::uint64_t bytes, std::uint64_t records);

  // `padding_bits` of the last byte mean nothing.
  //
  //   kResourceExhausted  the file would reach 4 GiB, where offsets break
  Result<Record> Add(BlobType type, std::uint64_t bytes, std::uint64_t padding_bits = 0);

  // The file; empty when nothing was added.
  std::vector<std::byte> Finish();

 private:
  std::vector<std::byte> file_;
  std::uint32_t records_ = 0;
};

}  // namespace attune::ane
