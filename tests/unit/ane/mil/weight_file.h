// A weight file built record by record, and damaged where a test wants it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace attune::ane::mil {

class WeightFile {
 public:
  WeightFile() : bytes_(64) { Set<std::uint32_t>(4, 2); }

  // A record with `data_bytes` of data (all 0x11); its offset.
  std::uint64_t Append(std::uint32_t dtype, std::uint64_t data_bytes) {
    const std::uint64_t offset = bytes_.size();
    bytes_.resize(offset + 64 + (data_bytes + 63) / 64 * 64);
    Set<std::uint32_t>(offset, 0xDEADBEEF);
    Set<std::uint32_t>(offset + 4, dtype);
    Set<std::uint64_t>(offset + 8, data_bytes);
    Set<std::uint64_t>(offset + 16, offset + 64);
    std::memset(bytes_.data() + offset + 64, 0x11, data_bytes);
    Set<std::uint32_t>(0, ++count_);
    return offset;
  }

  // Little endian, as the machines that run these tests are.
  template <typename T>
  void Set(std::uint64_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  std::uint32_t count_ = 0;
};

}  // namespace attune::ane::mil
