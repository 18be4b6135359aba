// A Container is what a checkpoint or adapter file holds before it is sealed:
// text fields by key and byte sections by name, each section compressed on its
// own. docs/formats/vault.md section 5.
//
// Threads: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"

namespace attune {

struct ContainerSection {
  std::string name;
  // Bytes of an element, whose planes are compressed each by itself (1, 2, 4, 8).
  std::uint8_t width = 1;
  std::span<const std::byte> bytes;
};

struct Container {
  struct Section {
    std::string name;
    std::uint8_t width = 1;
    std::string bytes;
    bool operator==(const Section&) const = default;
  };
  std::map<std::string, std::string> fields;
  std::vector<Section> sections;

  // Null if there is none.
  const std::string* Field(std::string_view key) const;
  const Section* Find(std::string_view name) const;

  bool operator==(const Container&) const = default;
};

inline constexpr std::uint16_t kContainerVersion = 1;
inline constexpr std::uint64_t kMaxContainerBytes = std::uint64_t{1} << 33;
inline constexpr std::size_t kMaxContainerName = 512;  // Of a key or a section.
inline constexpr std::size_t kMaxContainerEntries = std::size_t{1} << 16;

// REQUIRES: names of 1 to kMaxContainerName bytes, no two sections of one name; at
// most kMaxContainerEntries fields and as many sections; values below 4 GiB.
std::string EncodeContainer(const std::map<std::string, std::string>& fields,
                            std::span<const ContainerSection> sections);

// The inverse, for bytes of any origin: there is one form of everything but the
// compressed bytes, and any other is refused. Nothing larger than `limit` bytes in
// all is made of them, however they were compressed.
//
//   kDataLoss           not a container, with the place and both numbers
//   kUnsupported        of a later version
//   kResourceExhausted  larger than `limit`
Result<Container> DecodeContainer(std::string_view bytes, std::uint64_t limit = kMaxContainerBytes);

}  // namespace attune
