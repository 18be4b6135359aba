// A reader of the Protocol Buffers wire format: fields one after the other,
// values as views into the message. Groups are refused.

#pragma once

#include <cstdint>
#include <string_view>

#include "attune/status.h"

namespace attune {

struct ProtoField {
  std::uint32_t number = 0;
  // The value of a varint or fixed field.
  std::uint64_t scalar = 0;
  // The value of a length-delimited field.
  std::string_view bytes;
};

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message), size_(message.size()) {}

  bool done() const { return rest_.empty(); }

  //   kInvalidArgument  cut short, or not a message
  Result<ProtoField> Next();

 private:
  Result<std::uint64_t> Varint();
  Result<std::string_view> Take(std::uint64_t bytes);
  std::size_t position() const { return size_ - rest_.size(); }

  std::string_view rest_;
  std::size_t size_;
};

// The float in a fixed32 field.
float ProtoFloat(const ProtoField& field);

}  // namespace attune
