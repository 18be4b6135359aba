// JsonWriter writes JSON text value by value.
//
//   JsonWriter json({.indent = 2, .sort_keys = true});
//   json.BeginObject();
//   json.Key("r").Int(8);
//   json.Key("target_modules").BeginArray();
//   json.String("q_proj");
//   json.EndArray();
//   json.EndObject();
//   std::string text = std::move(json).Finish();
//
// Doubles are the shortest text that reads back the same, with ".0" if integral;
// strings are escaped as little as RFC 8259 allows. The output is a pure
// function of the calls.
// Threads: one thread at a time.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/json.h"

namespace attune {

struct JsonWriterOptions {
  // Spaces a level; 0 writes everything on one line without spaces.
  int indent = 0;
  // Writes the members of each object in byte order of their keys.
  bool sort_keys = false;
};

class JsonWriter {
 public:
  explicit JsonWriter(const JsonWriterOptions& options = {}) : options_(options) {}

  // Inside an object, before each value. REQUIRES: unlike all keys before it.
  JsonWriter& Key(std::string_view key);

  void Null();
  void Bool(bool value);
  void Int(std::int64_t value);
  void Double(double value);            // REQUIRES: finite.
  void String(std::string_view value);  // REQUIRES: UTF-8.
  void Value(const Json& value);        // A whole tree.

  void BeginArray();
  void EndArray();
  void BeginObject();
  void EndObject();

  // REQUIRES: exactly one value was written, and every Begin has its End.
  std::string Finish() &&;

 private:
  // An open array or object: its members as finished text.
  struct Frame {
    bool object;
    std::string key;
    std::vector<std::pair<std::string, std::string>> members;
  };
  void Emit(std::string text);
  std::string Close(char open, char close);

  JsonWriterOptions options_;
  std::vector<Frame> frames_;
  std::string result_;
};

// `text` between double quotes, escaped.
std::string JsonQuote(std::string_view text);

}  // namespace attune
