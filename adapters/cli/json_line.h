// One JSON object a line on stdout: what --json promises.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/json_writer.h"

namespace attune {

// Writes a JSON object member by member and prints it with Print().
class JsonLine {
 public:
  JsonLine() { writer_.BeginObject(); }

  JsonLine& Add(std::string_view key, std::string_view value) {
    writer_.Key(key).String(value);
    return *this;
  }
  JsonLine& Add(std::string_view key, const char* value) {
    return Add(key, std::string_view(value));
  }
  JsonLine& Add(std::string_view key, std::int64_t value) {
    writer_.Key(key).Int(value);
    return *this;
  }
  JsonLine& Add(std::string_view key, std::uint64_t value) {
    return Add(key, static_cast<std::int64_t>(value));
  }
  JsonLine& Add(std::string_view key, bool value) {
    writer_.Key(key).Bool(value);
    return *this;
  }
  // A number that is not finite is null: JSON has no word for it.
  JsonLine& Add(std::string_view key, double value) {
    writer_.Key(key);
    Number(value);
    return *this;
  }
  JsonLine& Add(std::string_view key, const std::vector<double>& values) {
    writer_.Key(key).BeginArray();
    for (const double value : values) Number(value);
    writer_.EndArray();
    return *this;
  }

  // For arrays of objects; whatever is begun must be ended.
  JsonWriter& writer() { return writer_; }

  void Print() {
    writer_.EndObject();
    std::printf("%s\n", std::move(writer_).Finish().c_str());
    std::fflush(stdout);
  }

 private:
  void Number(double value) {
    if (std::isfinite(value)) {
      writer_.Double(value);
    } else {
      writer_.Null();
    }
  }

  JsonWriter writer_;
};

}  // namespace attune
