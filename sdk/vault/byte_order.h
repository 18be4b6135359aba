// Little-endian numbers and counted strings, as every format of the vault writes
// them.
//
// Threads: values.

#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace attune {

class ByteWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  explicit ByteWriter(std::string* out) : out_(out) {}

  template <std::unsigned_integral T>
  void Number(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out_->push_back(static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i))));
    }
  }
  void Bytes(std::string_view bytes) { out_->append(bytes); }
  // REQUIRES: the length fits a Length.
  template <std::unsigned_integral Length>
  void Counted(std::string_view bytes) {
    Number(static_cast<Length>(bytes.size()));
    Bytes(bytes);
  }

 private:
  std::string* out_;
};

// Reads what a ByteWriter wrote. Reading past the end yields zeros and makes the
// reader fail for good, so that one check after several reads is enough.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  bool AtEnd() const { return ok_ && remaining() == 0; }

  template <std::unsigned_integral T>
  T Number() {
    const std::string_view bytes = Bytes(sizeof(T));
    T value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value =
          static_cast<T>(value | static_cast<T>(static_cast<std::uint8_t>(bytes[i])) << (8 * i));
    }
    return value;
  }
  // Empty if there are fewer.
  std::string_view Bytes(std::uint64_t count) {
    if (!ok_ || count > remaining()) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes = bytes_.substr(position_, static_cast<std::size_t>(count));
    position_ += bytes.size();
    return bytes;
  }
  template <std::unsigned_integral Length>
  std::string_view Counted() {
    return Bytes(Number<Length>());
  }

 private:
  std::string_view bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace attune
