// Writes weight files (MILBlob storage, version 2) and their broken relatives.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/half.h"

namespace attune::ane::testing {

inline constexpr char kWeightPath[] = "@model_path/weights/weight.bin";

class WeightFile {
 public:
  WeightFile() : bytes_(64) {
    Put<std::uint32_t>(4, 2);  // Version.
  }

  // The record's offset, as the text names it.
  std::uint64_t Add(std::uint32_t dtype, const std::vector<std::byte>& data) {
    const std::uint64_t at = bytes_.size();
    bytes_.resize((at + 64 + data.size() + 63) / 64 * 64);
    Put<std::uint32_t>(at, 0xDEADBEEF);
    Put<std::uint32_t>(at + 4, dtype);
    Put<std::uint64_t>(at + 8, data.size());
    Put<std::uint64_t>(at + 16, at + 64);
    if (!data.empty()) std::memcpy(bytes_.data() + at + 64, data.data(), data.size());
    Put<std::uint32_t>(0, ++count_);
    return at;
  }

  std::uint64_t AddHalves(const std::vector<float>& values) {
    std::vector<std::byte> data(values.size() * 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint16_t half = F16FromF32(values[i]);
      std::memcpy(data.data() + 2 * i, &half, 2);
    }
    return Add(1, data);
  }

  std::uint64_t AddBytes(std::uint32_t dtype, const std::vector<int>& values) {
    std::vector<std::byte> data;
    for (const int value : values) data.push_back(static_cast<std::byte>(value));
    return Add(dtype, data);
  }

  template <typename T>
  void Put(std::uint64_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }

  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::span<const std::byte> span() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  std::uint32_t count_ = 0;
};

// BLOBFILE(...) of a record.
inline std::string BlobAt(std::uint64_t offset, const std::string& path = kWeightPath) {
  return "BLOBFILE(path = string(\"" + path + "\"), offset = uint64(" + std::to_string(offset) +
         "))";
}

}  // namespace attune::ane::testing
