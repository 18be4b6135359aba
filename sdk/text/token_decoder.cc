#include "text/token_decoder.h"

#include "base/strings.h"
#include "text/bpe_model.h"
#include "text/byte_alphabet.h"

namespace attune {

namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";
constexpr std::size_t kMaxReplacements = 8;
constexpr std::size_t kMaxReplacementBytes = 16;

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  while (true) {
    const std::size_t found = text.find(from);
    out.append(text.substr(0, found));
    if (found == std::string_view::npos) return out;
    out.append(to);
    text.remove_prefix(found + from.size());
  }
}

Status AddReplacement(const Json& json, std::string_view from, std::string_view to,
                      TokenDecoder* out) {
  if (from.empty() || from.size() > kMaxReplacementBytes || to.size() > kMaxReplacementBytes) {
    return InvalidArgument(StrCat(json.Path(), ": replaces ", from.size(), " bytes by ", to.size(),
                                  ", allowed 1 to ", kMaxReplacementBytes));
  }
  if (out->replacements.size() == kMaxReplacements) {
    return Unsupported(StrCat("decoder: more than ", kMaxReplacements, " replacements"));
  }
  out->replacements.emplace_back(from, to);
  return OkStatus();
}

Status ParseReplace(const Json& json, TokenDecoder* out) {
  ATTUNE_ASSIGN_OR_RETURN(const Json* pattern, json.GetObject("pattern"));
  if (pattern->Find("String") == nullptr) {
    return Unsupported(StrCat(pattern->Path(), ": only a String pattern is supported"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view from, pattern->GetString("String"));
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view to, json.GetString("content"));
  return AddReplacement(json, from, to, out);
}

Status ParseStrip(const Json& json, TokenDecoder* out) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view content, json.GetString("content"));
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t start, json.IntOr("start", 0));
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t stop, json.IntOr("stop", 0));
  if (content != " " || start < 0 || start > 1 || stop != 0) {
    return Unsupported(StrCat(json.Path(), ": strips ", start, " and ", stop,
                              " characters, supported is one leading space"));
  }
  out->strips_leading_space = start == 1;
  return OkStatus();
}

Status ParseMetaspace(const Json& json, TokenDecoder* out) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view replacement, json.GetString("replacement"));
  ATTUNE_ASSIGN_OR_RETURN(const bool flag, json.BoolOr("add_prefix_space", true));
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view scheme,
                          json.StringOr("prepend_scheme", flag ? "always" : "never"));
  out->strips_leading_space = scheme != "never";
  return AddReplacement(json, replacement, " ", out);
}

Status ParseInto(const Json& json, TokenDecoder* out) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view type, json.GetString("type"));
  if (type == "Sequence") {
    ATTUNE_ASSIGN_OR_RETURN(const Json* list, json.GetArray("decoders"));
    for (std::size_t i = 0; i < list->size(); ++i) {
      ATTUNE_ASSIGN_OR_RETURN(const Json* item, list->ObjectAt(i));
      ATTUNE_RETURN_IF_ERROR(ParseInto(*item, out));
    }
    return OkStatus();
  }
  if (type == "Replace") return ParseReplace(json, out);
  if (type == "Strip") return ParseStrip(json, out);
  if (type == "Metaspace") return ParseMetaspace(json, out);
  if (type == "ByteLevel") {
    out->byte_level = true;
  } else if (type == "ByteFallback") {
    out->byte_fallback = true;
  } else if (type != "Fuse") {
    return Unsupported(StrCat(json.Path(), ": ", Quoted(type),
                              ", supported are Sequence, ByteLevel, Metaspace, Replace, "
                              "ByteFallback, Fuse and Strip"));
  }
  return OkStatus();
}

}  // namespace

std::string TokenDecoder::Bytes(std::string_view spelling) const {
  if (byte_level) return UnspellBytes(spelling).value_or(std::string(spelling));
  if (byte_fallback) {
    if (const auto byte = ParseFallbackByte(spelling)) return std::string(1, *byte);
  }
  std::string out(spelling);
  for (const auto& [from, to] : replacements) out = ReplaceAll(out, from, to);
  return out;
}

Result<TokenDecoder> ParseTokenDecoder(const Json* json, bool byte_level) {
  TokenDecoder out;
  if (json == nullptr || json->is_null()) {
    if (!byte_level) return Unsupported("decoder: null without a ByteLevel pre_tokenizer");
    out.byte_level = true;
    return out;
  }
  ATTUNE_RETURN_IF_ERROR(ParseInto(*json, &out));
  if (out.byte_level != byte_level) {
    return Unsupported(
        StrCat("ByteLevel as decoder: ", out.byte_level, ", as pre_tokenizer: ", byte_level));
  }
  return out;
}

TokenDecoder SentencePieceDecoder() {
  TokenDecoder out;
  out.byte_fallback = true;
  out.replacements.emplace_back(kMetaspace, " ");
  return out;
}

}  // namespace attune
