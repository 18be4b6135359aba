// A MappedFile over bytes of its own, `misalignment` bytes past an address that
// is a multiple of 64.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "ports/file_system.h"

namespace attune::testing {

class MemoryMapping final : public MappedFile {
 public:
  explicit MemoryMapping(std::string_view bytes, std::size_t misalignment = 0)
      : size_(bytes.size()), storage_(bytes.size() + misalignment + 64) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    begin_ = (64 - address % 64) % 64 + misalignment;
    if (size_ != 0) std::memcpy(storage_.data() + begin_, bytes.data(), size_);
  }
  std::span<const std::byte> bytes() const override {
    return std::span(storage_).subspan(begin_, size_);
  }

 private:
  std::size_t size_;
  std::size_t begin_ = 0;
  std::vector<std::byte> storage_;
};

}  // namespace attune::testing
