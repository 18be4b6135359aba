// Examples out of the vault, as lines of JSON.

#include <string>
#include <string_view>
#include <utility>

#include "formats/json_writer.h"
#include "session/adaptation_impl.h"
#include "text/utf8.h"

namespace attune {
namespace {

// RFC 4648, section 4.
std::string Base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out.push_back(i <= group.size() ? kDigits[bits >> (18 - 6 * i) & 63] : '=');
    }
  }
  return out;
}

// Text is stored as the app gave it; JSON must be UTF-8.
void AddText(JsonWriter& json, std::string_view key, std::string_view text) {
  json.Key(key).String(ReplaceInvalidUtf8(text));
}

std::string LineOf(const StoredExample& stored) {
  const Example& example = stored.example;
  JsonWriter json;
  json.BeginObject();
  switch (example.kind) {
    case ExampleKind::kText:
      AddText(json, "text", example.text);
      break;
    case ExampleKind::kPromptCompletion:
      AddText(json, "prompt", example.prompt);
      AddText(json, "completion", example.text);
      break;
    case ExampleKind::kLabelledBlob:
      AddText(json, "label", example.text);
      json.Key("blob").String(Base64(example.blob));
      break;
  }
  json.Key("id").Int(static_cast<std::int64_t>(stored.id));
  AddText(json, "source", example.source);
  json.Key("time").Int(example.when);
  json.EndObject();
  return std::move(json).Finish() + "\n";
}

}  // namespace

Status WriteExamples(FileSystem& files, ExampleStore& examples, const std::string& path) {
  std::string lines;
  ATTUNE_RETURN_IF_ERROR(examples
                             .ForEach([&](const StoredExample& stored) {
                               lines += LineOf(stored);
                               return true;
                             })
                             .status());
  const std::span<const std::byte> part = std::as_bytes(std::span(lines));
  return files.WriteAtomically(path, std::span(&part, 1));
}

}  // namespace attune
