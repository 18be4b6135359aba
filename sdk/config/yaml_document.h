// A YAML file as a small tree that knows where each of its parts stands.
//
// Only what a configuration needs: one document of mappings, sequences and scalars.
// Anchors, aliases, tags, directives and keys that are not plain words are errors, so
// that a file means what it looks like and never more than its size.
// Threads: pure functions and values.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"

namespace attune {

// From 1; columns count characters.
struct YamlPosition {
  int line = 1;
  int column = 1;
  bool operator==(const YamlPosition&) const = default;
};

struct YamlKey {
  std::string text;
  YamlPosition at;
};

enum class YamlKind : std::uint8_t { kScalar, kSequence, kMapping };

struct YamlNode {
  YamlKind kind = YamlKind::kScalar;
  YamlPosition at;
  std::string text;             // Of a scalar.
  bool quoted = false;          // Or a block scalar: text, whatever it looks like.
  std::vector<YamlKey> keys;    // Of a mapping, all different; one for each of:
  std::vector<YamlNode> items;  // Of a mapping or a sequence.

  // Null where a mapping has no such key.
  const YamlNode* Find(std::string_view key) const;
  // A key without a value, or with one of YAML's words for nothing.
  bool IsNull() const;
};

struct YamlLimits {
  std::size_t bytes = std::size_t{1} << 20;
  std::size_t depth = 16;
  std::size_t nodes = 20000;
};

//   kInvalidArgument  "name:line:column: what is wrong"; over a limit too
Result<YamlNode> ParseYaml(std::string_view bytes, const std::string& name,
                           const YamlLimits& limits = {});

// "name:12:7: message".
Status YamlError(const std::string& name, YamlPosition at, std::string_view message);

// Between single quotes, for a message of one line: 40 bytes at most, anything but
// printable ASCII as \x1f.
std::string QuotedYaml(std::string_view text);

}  // namespace attune
