#include "formats/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/strings.h"

namespace attune {

std::string JsonQuote(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          constexpr char kHex[] = "0123456789abcdef";
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
  return out;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  ATTUNE_CHECK(!frames_.empty() && frames_.back().object);
  frames_.back().key = key;
  return *this;
}

void JsonWriter::Emit(std::string text) {
  if (frames_.empty()) {
    ATTUNE_CHECK(result_.empty());
    result_ = std::move(text);
    return;
  }
  Frame& frame = frames_.back();
  frame.members.emplace_back(std::exchange(frame.key, {}), std::move(text));
}

void JsonWriter::Null() { Emit("null"); }
void JsonWriter::Bool(bool value) { Emit(value ? "true" : "false"); }
void JsonWriter::Int(std::int64_t value) { Emit(StrCat(value)); }
void JsonWriter::String(std::string_view value) { Emit(JsonQuote(value)); }

void JsonWriter::Double(double value) {
  ATTUNE_CHECK(std::isfinite(value));
  char buffer[32];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  Emit(std::move(text));
}

void JsonWriter::BeginArray() { frames_.push_back({.object = false, .key = {}, .members = {}}); }
void JsonWriter::BeginObject() { frames_.push_back({.object = true, .key = {}, .members = {}}); }

void JsonWriter::EndArray() {
  std::string text = Close('[', ']');
  Emit(std::move(text));
}

void JsonWriter::EndObject() {
  std::string text = Close('{', '}');
  Emit(std::move(text));
}

// Takes the innermost frame off and returns its text.
std::string JsonWriter::Close(char open, char close) {
  ATTUNE_CHECK(!frames_.empty() && frames_.back().object == (open == '{'));
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (frame.object && options_.sort_keys) {
    std::sort(frame.members.begin(), frame.members.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  const bool pretty = options_.indent > 0 && !frame.members.empty();
  const std::size_t depth = frames_.size();
  const auto newline = [&](std::size_t level) {
    return pretty ? "\n" + std::string(level * static_cast<std::size_t>(options_.indent), ' ') : "";
  };
  std::string out(1, open);
  for (std::size_t i = 0; i < frame.members.size(); ++i) {
    if (i != 0) out += ',';
    out += newline(depth + 1);
    if (frame.object) out += JsonQuote(frame.members[i].first) + (pretty ? ": " : ":");
    out += frame.members[i].second;
  }
  out += newline(depth);
  out += close;
  return out;
}

void JsonWriter::Value(const Json& value) {
  switch (value.kind()) {
    case JsonKind::kNull:
      return Null();
    case JsonKind::kBool:
      return Bool(value.bool_value());
    case JsonKind::kInt:
      return Int(value.int_value());
    case JsonKind::kDouble:
      return Double(value.number_value());
    case JsonKind::kString:
      return String(value.string_value());
    case JsonKind::kArray:
      BeginArray();
      for (const Json& item : value.items()) Value(item);
      return EndArray();
    case JsonKind::kObject:
      BeginObject();
      for (const JsonMember& member : value.members()) Key(member.key).Value(member.value);
      return EndObject();
  }
}

std::string JsonWriter::Finish() && {
  ATTUNE_CHECK(frames_.empty() && !result_.empty());
  return std::move(result_);
}

}  // namespace attune
