// Known answers in text files: records of "name = value" lines, separated by blank
// lines; "#" begins a comment. Bytes are hexadecimal, in pieces separated by
// blanks, a piece "00*16384" being so many equal bytes.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace attune::testing {

inline std::string BytesOfHex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::strtol(hex.substr(i, 2).c_str(), nullptr, 16)));
  }
  return bytes;
}

class VectorRecord {
 public:
  bool Has(const std::string& name) const { return values_.contains(name); }
  std::string Text(const std::string& name) const {
    const auto found = values_.find(name);
    EXPECT_NE(found, values_.end()) << name;
    return found == values_.end() ? "" : found->second;
  }
  std::uint64_t Number(const std::string& name) const {
    return std::strtoull(Text(name).c_str(), nullptr, 10);
  }
  std::string Bytes(const std::string& name) const {
    std::string bytes;
    std::string rest = Text(name);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      const std::string piece = rest.substr(0, end);
      rest.erase(0, end + 1);
      if (const std::size_t star = piece.find('*'); star != std::string::npos) {
        bytes.append(std::strtoul(piece.c_str() + star + 1, nullptr, 10),
                     BytesOfHex(piece.substr(0, star)).at(0));
      } else {
        bytes.append(BytesOfHex(piece));
      }
    }
    return bytes;
  }
  void Set(const std::string& name, const std::string& value) { values_[name] = value; }
  bool empty() const { return values_.empty(); }

 private:
  std::map<std::string, std::string> values_;
};

// The records of tests/golden/<name> below `source`. A file without any is a
// failure.
inline std::vector<VectorRecord> ReadVectors(const std::string& source, const std::string& name) {
  std::ifstream file(source + "/tests/golden/" + name);
  std::vector<VectorRecord> records;
  VectorRecord record;
  const auto finish = [&] {
    if (!record.empty()) records.push_back(std::exchange(record, {}));
  };
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) finish();
    if (line.empty() || line[0] == '#') continue;
    const std::size_t equals = line.find(" =");
    EXPECT_NE(equals, std::string::npos) << name << ": " << line;
    if (equals == std::string::npos) continue;
    const std::size_t value = std::min(equals + 3, line.size());
    record.Set(line.substr(0, equals), line.substr(value));
  }
  finish();
  EXPECT_FALSE(records.empty()) << name << ": no vector";
  return records;
}

}  // namespace attune::testing
