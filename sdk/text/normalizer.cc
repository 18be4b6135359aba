#include "text/normalizer.h"

#include <utility>

#include "base/strings.h"
#include "text/unicode.h"

namespace attune {

namespace {

// The longest string that a Prepend or Replace may put in.
constexpr std::size_t kMaxInsertedBytes = 16;
constexpr std::size_t kMaxNormalizers = 8;

class Nfc final : public Normalizer {
 public:
  std::string Normalize(std::string text) const override { return ToNfc(text); }
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string_view prefix) : prefix_(prefix) {}
  std::string Normalize(std::string text) const override {
    return text.empty() ? text : prefix_ + text;
  }

 private:
  std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  Replace(std::string_view pattern, std::string_view content)
      : pattern_(pattern), content_(content) {}
  std::string Normalize(std::string text) const override {
    std::string out;
    out.reserve(text.size());
    for (std::size_t from = 0;;) {
      const std::size_t found = text.find(pattern_, from);
      out.append(text, from, found - from);
      if (found == std::string::npos) return out;
      out.append(content_);
      from = found + pattern_.size();
    }
  }

 private:
  std::string pattern_;
  std::string content_;
};

Status CheckInserted(const Json& json, std::string_view key, std::string_view value) {
  if (value.size() <= kMaxInsertedBytes) return OkStatus();
  return InvalidArgument(
      StrCat(json.PathOf(key), ": ", value.size(), " bytes, at most ", kMaxInsertedBytes));
}

Status ParseReplace(const Json& json, Normalizers* out) {
  ATTUNE_ASSIGN_OR_RETURN(const Json* pattern, json.GetObject("pattern"));
  if (pattern->Find("String") == nullptr) {
    return Unsupported(StrCat(pattern->Path(), ": only a String pattern is supported"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view from, pattern->GetString("String"));
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view to, json.GetString("content"));
  if (from.empty()) return InvalidArgument(StrCat(pattern->PathOf("String"), ": empty"));
  ATTUNE_RETURN_IF_ERROR(CheckInserted(json, "content", to));
  out->push_back(std::make_unique<Replace>(from, to));
  return OkStatus();
}

Status ParseInto(const Json& json, Normalizers* out) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view type, json.GetString("type"));
  if (type == "Sequence") {
    ATTUNE_ASSIGN_OR_RETURN(const Json* list, json.GetArray("normalizers"));
    for (std::size_t i = 0; i < list->size(); ++i) {
      ATTUNE_ASSIGN_OR_RETURN(const Json* item, list->ObjectAt(i));
      ATTUNE_RETURN_IF_ERROR(ParseInto(*item, out));
    }
    return OkStatus();
  }
  if (out->size() == kMaxNormalizers) {
    return Unsupported(StrCat("normalizer: more than ", kMaxNormalizers, " stages"));
  }
  if (type == "NFC") {
    out->push_back(std::make_unique<Nfc>());
    return OkStatus();
  }
  if (type == "Prepend") {
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view prefix, json.GetString("prepend"));
    ATTUNE_RETURN_IF_ERROR(CheckInserted(json, "prepend", prefix));
    out->push_back(std::make_unique<Prepend>(prefix));
    return OkStatus();
  }
  if (type == "Replace") return ParseReplace(json, out);
  return Unsupported(StrCat(json.Path(), ": ", Quoted(type),
                            ", supported are Sequence, NFC, Prepend and Replace"));
}

}  // namespace

Result<Normalizers> ParseNormalizer(const Json* json) {
  Normalizers out;
  if (json == nullptr || json->is_null()) return out;
  ATTUNE_RETURN_IF_ERROR(ParseInto(*json, &out));
  return out;
}

Result<std::string> Normalize(const Normalizers& normalizers, std::string_view text) {
  // Stages that each replace a character by many would multiply.
  const std::size_t limit = text.size() * kMaxGrowth + kMaxNormalizers * kMaxInsertedBytes;
  std::string out(text);
  for (const auto& normalizer : normalizers) {
    out = normalizer->Normalize(std::move(out));
    if (out.size() > limit) {
      return ResourceExhausted(
          StrCat("normalizer: ", text.size(), " bytes became ", out.size(), ", at most ", limit));
    }
  }
  return out;
}

}  // namespace attune
