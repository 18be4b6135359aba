#include "text/pre_tokenizer.h"

#include <optional>
#include <string>
#include <utility>

#include "base/strings.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace attune {

namespace {

constexpr std::size_t kMaxStages = 8;

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

using Emit = FunctionRef<Status(const Piece&)>;

Status EmitRange(const Piece& piece, std::size_t begin, std::size_t end, Emit emit) {
  if (begin == end) return OkStatus();
  return emit({piece.text.substr(begin, end - begin), piece.at_start && begin == 0});
}

// Cuts at the matches; what lies between them is a part too.
class PatternSplit final : public PreTokenizer {
 public:
  enum class Keep { kAll, kMatches, kGaps };

  PatternSplit(Regex regex, Keep keep) : regex_(std::move(regex)), keep_(keep) {}

  Status Split(const Piece& piece, RegexScratch* scratch, Emit emit) const override {
    std::size_t done = 0;
    const auto cut = [&](std::size_t begin, std::size_t end) -> Status {
      if (keep_ != Keep::kMatches) {
        ATTUNE_RETURN_IF_ERROR(EmitRange(piece, done, begin, emit));
      }
      done = end;
      return keep_ == Keep::kGaps ? OkStatus() : EmitRange(piece, begin, end, emit);
    };
    ATTUNE_RETURN_IF_ERROR(regex_.ForEachMatch(piece.text, scratch, cut));
    if (keep_ == Keep::kMatches) return OkStatus();
    return EmitRange(piece, done, piece.text.size(), emit);
  }

 private:
  Regex regex_;
  Keep keep_;
};

class Digits final : public PreTokenizer {
 public:
  explicit Digits(bool individual) : individual_(individual) {}

  Status Split(const Piece& piece, RegexScratch*, Emit emit) const override {
    std::size_t begin = 0;
    bool in_digits = false;
    for (std::size_t at = 0; at < piece.text.size();) {
      const Utf8Character character = FirstCharacter(piece.text.substr(at));
      const bool is_digit = IsNumeric(character.code_point);
      if (is_digit != in_digits || (is_digit && individual_)) {
        ATTUNE_RETURN_IF_ERROR(EmitRange(piece, begin, at, emit));
        begin = at;
        in_digits = is_digit;
      }
      at += character.length;
    }
    return EmitRange(piece, begin, piece.text.size(), emit);
  }

 private:
  bool individual_;
};

// The byte alphabet itself is the model's business; this is the rest.
class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, std::optional<Regex> regex) : prefix_(add_prefix_space) {
    if (regex) words_.emplace(*std::move(regex), PatternSplit::Keep::kAll);
  }

  Status Split(const Piece& piece, RegexScratch* scratch, Emit emit) const override {
    std::string prefixed;
    Piece whole = piece;
    if (prefix_ && !piece.text.starts_with(' ')) {
      prefixed.reserve(piece.text.size() + 1);
      prefixed.append(" ").append(piece.text);
      whole.text = prefixed;
    }
    return words_ ? words_->Split(whole, scratch, emit) : emit(whole);
  }

 private:
  bool prefix_;
  std::optional<PatternSplit> words_;
};

class Metaspace final : public PreTokenizer {
 public:
  enum class Scheme { kFirst, kAlways, kNever };

  Metaspace(std::string_view replacement, Scheme scheme, bool split)
      : replacement_(replacement), scheme_(scheme), split_(split) {}

  Status Split(const Piece& piece, RegexScratch*, Emit emit) const override {
    const std::string text = Mark(piece);
    const Piece marked{text, piece.at_start};
    if (!split_) return emit(marked);
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find(replacement_, begin + 1), text.size());
      ATTUNE_RETURN_IF_ERROR(EmitRange(marked, begin, end, emit));
      begin = end;
    }
    return OkStatus();
  }

 private:
  std::string Mark(const Piece& piece) const {
    std::string out;
    out.reserve(piece.text.size() + replacement_.size());
    const bool wants_prefix =
        scheme_ == Scheme::kAlways || (scheme_ == Scheme::kFirst && piece.at_start);
    if (wants_prefix && !piece.text.starts_with(' ') && !piece.text.starts_with(replacement_)) {
      out.append(replacement_);
    }
    for (const char c : piece.text) c == ' ' ? out.append(replacement_) : out.append(1, c);
    return out;
  }

  std::string replacement_;
  Scheme scheme_;
  bool split_;
};

Status ParseByteLevel(const Json& json, PreTokenizers* out) {
  ATTUNE_ASSIGN_OR_RETURN(const bool prefix, json.BoolOr("add_prefix_space", true));
  ATTUNE_ASSIGN_OR_RETURN(const bool use_regex, json.BoolOr("use_regex", true));
  std::optional<Regex> regex;
  if (use_regex) {
    ATTUNE_ASSIGN_OR_RETURN(regex, Regex::Compile(kGpt2Pattern));
  }
  out->stages.push_back(std::make_unique<ByteLevel>(prefix, std::move(regex)));
  out->byte_level = true;
  return OkStatus();
}

// A literal as a pattern.
std::string Escaped(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    if (std::string_view("\\^$.[]|()?*+{}-#&").find(c) != std::string_view::npos)
      out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

Status ParseSplit(const Json& json, PreTokenizers* out) {
  ATTUNE_ASSIGN_OR_RETURN(const Json* pattern, json.GetObject("pattern"));
  std::string source;
  if (pattern->Find("Regex") != nullptr) {
    ATTUNE_ASSIGN_OR_RETURN(source, pattern->GetString("Regex"));
  } else {
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view literal, pattern->GetString("String"));
    source = Escaped(literal);
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view behavior, json.GetString("behavior"));
  ATTUNE_ASSIGN_OR_RETURN(const bool invert, json.BoolOr("invert", false));
  PatternSplit::Keep keep = PatternSplit::Keep::kAll;
  if (behavior == "Removed") {
    keep = invert ? PatternSplit::Keep::kMatches : PatternSplit::Keep::kGaps;
  } else if (behavior != "Isolated") {
    return Unsupported(StrCat(json.PathOf("behavior"), ": ", Quoted(behavior),
                              ", supported are Isolated and Removed"));
  }
  Result<Regex> regex = Regex::Compile(source);
  if (!regex.ok()) return std::move(regex).status().WithContext(pattern->Path());
  out->stages.push_back(std::make_unique<PatternSplit>(*std::move(regex), keep));
  return OkStatus();
}

Status ParseMetaspace(const Json& json, PreTokenizers* out) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view replacement, json.GetString("replacement"));
  const bool one_character =
      !replacement.empty() && FirstCharacter(replacement).length == replacement.size();
  if (!one_character) {
    return InvalidArgument(StrCat(json.PathOf("replacement"), ": must be one character"));
  }
  // Files from before prepend_scheme only have the flag.
  ATTUNE_ASSIGN_OR_RETURN(const bool flag, json.BoolOr("add_prefix_space", true));
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view name,
                          json.StringOr("prepend_scheme", flag ? "always" : "never"));
  ATTUNE_ASSIGN_OR_RETURN(const bool split, json.BoolOr("split", true));
  Metaspace::Scheme scheme = Metaspace::Scheme::kAlways;
  if (name == "first") {
    scheme = Metaspace::Scheme::kFirst;
  } else if (name == "never") {
    scheme = Metaspace::Scheme::kNever;
  } else if (name != "always") {
    return InvalidArgument(StrCat(json.PathOf("prepend_scheme"), ": ", Quoted(name),
                                  ", allowed are always, first and never"));
  }
  if (!flag && scheme != Metaspace::Scheme::kNever) {
    return InvalidArgument(
        StrCat(json.Path(), ": add_prefix_space is false but prepend_scheme is ", Quoted(name)));
  }
  out->stages.push_back(std::make_unique<Metaspace>(replacement, scheme, split));
  return OkStatus();
}

Status ParseInto(const Json& json, PreTokenizers* out) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view type, json.GetString("type"));
  if (type == "Sequence") {
    ATTUNE_ASSIGN_OR_RETURN(const Json* list, json.GetArray("pretokenizers"));
    for (std::size_t i = 0; i < list->size(); ++i) {
      ATTUNE_ASSIGN_OR_RETURN(const Json* item, list->ObjectAt(i));
      ATTUNE_RETURN_IF_ERROR(ParseInto(*item, out));
    }
    return OkStatus();
  }
  if (out->byte_level) {
    return Unsupported(StrCat(json.Path(), ": ", Quoted(type), " after ByteLevel"));
  }
  if (out->stages.size() == kMaxStages) {
    return Unsupported(StrCat("pre_tokenizer: more than ", kMaxStages, " stages"));
  }
  if (type == "ByteLevel") return ParseByteLevel(json, out);
  if (type == "Split") return ParseSplit(json, out);
  if (type == "Metaspace") return ParseMetaspace(json, out);
  if (type == "Digits") {
    ATTUNE_ASSIGN_OR_RETURN(const bool individual, json.BoolOr("individual_digits", false));
    out->stages.push_back(std::make_unique<Digits>(individual));
    return OkStatus();
  }
  return Unsupported(StrCat(json.Path(), ": ", Quoted(type),
                            ", supported are Sequence, ByteLevel, Digits, Metaspace and Split"));
}

// Depth-first, so that no stage's parts are ever collected in a list.
Status SplitFrom(const PreTokenizers& all, std::size_t stage, const Piece& piece,
                 RegexScratch* scratch, FunctionRef<Status(std::string_view)> emit) {
  if (piece.text.empty()) return OkStatus();
  if (stage == all.stages.size()) return emit(piece.text);
  return all.stages[stage]->Split(piece, scratch, [&](const Piece& part) {
    return SplitFrom(all, stage + 1, part, scratch, emit);
  });
}

}  // namespace

Status PreTokenizers::Split(const Piece& piece, RegexScratch* scratch,
                            FunctionRef<Status(std::string_view)> emit) const {
  return SplitFrom(*this, 0, piece, scratch, emit);
}

Result<PreTokenizers> ParsePreTokenizer(const Json* json) {
  PreTokenizers out;
  if (json == nullptr || json->is_null()) return out;
  ATTUNE_RETURN_IF_ERROR(ParseInto(*json, &out));
  return out;
}

Result<PreTokenizers> Gpt2PreTokenizer() {
  ATTUNE_ASSIGN_OR_RETURN(Regex regex, Regex::Compile(kGpt2Pattern));
  PreTokenizers out;
  out.stages.push_back(std::make_unique<ByteLevel>(false, std::move(regex)));
  out.byte_level = true;
  return out;
}

}  // namespace attune
