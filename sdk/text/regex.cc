#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "text/utf8.h"

namespace attune {

namespace {

constexpr std::size_t kMaxPatternBytes = 16 * 1024;

// Steps that one search may take, and the memory (KiB) it may use for them.
constexpr std::uint32_t kBaseSteps = 100'000;
constexpr std::uint32_t kStepsPerByte = 16;
constexpr std::uint32_t kHeapKiB = 64 * 1024;

constexpr std::string_view kSameEscapes = "pPdDrntfx";

PCRE2_SPTR Units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

// PCRE2's \s counts U+180E as a space and Oniguruma's does not; the property
// is the same in both.
Status TranslateEscape(char letter, std::string* out) {
  const auto byte = static_cast<unsigned char>(letter);
  const bool is_letter_or_digit = (letter >= '0' && letter <= '9') ||
                                  (letter >= 'a' && letter <= 'z') ||
                                  (letter >= 'A' && letter <= 'Z');
  if (letter == 's') {
    out->append("\\p{White_Space}");
  } else if (letter == 'S') {
    out->append("\\P{White_Space}");
  } else if (byte < 0x80 &&
             (!is_letter_or_digit || kSameEscapes.find(letter) != kSameEscapes.npos)) {
    out->push_back('\\');
    out->push_back(letter);
  } else {
    return Unsupported(
        StrCat("escape \\", byte < 0x80 ? std::string(1, letter) : "?", " in a pattern"));
  }
  return OkStatus();
}

// Oniguruma's syntax to PCRE2's.
Result<std::string> Translate(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      if (i + 1 == pattern.size()) return InvalidArgument("pattern ends in a backslash");
      ATTUNE_RETURN_IF_ERROR(TranslateEscape(pattern[++i], &out));
      continue;
    }
    if (in_class && c == '[') return Unsupported("class within a class in a pattern");
    if (in_class && pattern.substr(i, 2) == "&&") return Unsupported("&& in a class of a pattern");
    if (!in_class && pattern.substr(i, 2) == "(*") return Unsupported("(* in a pattern");
    if (!in_class && c == '[') {
      in_class = true;
      out.push_back(c);
      // "[]...]" and "[^]...]": a bracket in first place is a literal in PCRE2
      // and an error in Oniguruma.
      const std::size_t first = i + 1 + (pattern.substr(i + 1, 1) == "^" ? 1 : 0);
      if (pattern.substr(first, 1) == "]") return InvalidArgument("empty class in a pattern");
      continue;
    }
    if (in_class && c == ']') in_class = false;
    out.push_back(c);
  }
  return out;
}

std::string MessageOf(int error) {
  PCRE2_UCHAR buffer[128];
  const int length = pcre2_get_error_message(error, buffer, sizeof buffer);
  return length < 0 ? StrCat("error ", error) : std::string(reinterpret_cast<const char*>(buffer));
}

}  // namespace

struct RegexScratch::State {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  ~State() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {
  ATTUNE_CHECK(state_->data != nullptr && state_->context != nullptr);
  pcre2_set_heap_limit(state_->context, kHeapKiB);
}
RegexScratch::~RegexScratch() = default;

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::Compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return InvalidArgument(
        StrCat("pattern of ", pattern.size(), " bytes, at most ", kMaxPatternBytes));
  }
  if (!IsValidUtf8(pattern)) return InvalidArgument("pattern is not UTF-8");
  ATTUNE_ASSIGN_OR_RETURN(const std::string translated, Translate(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_unique<Code>();
  // \C would split characters, and the matches must not.
  code->code =
      pcre2_compile(Units(translated), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code->code == nullptr) {
    return InvalidArgument(
        StrCat("pattern, byte ", offset, " of ", translated.size(), ": ", MessageOf(error)));
  }
  // Fails where the system forbids new machine code (iOS apps); the
  // interpreter takes over.
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);
  return Regex(std::move(code));
}

Status Regex::ForEachMatch(std::string_view text, RegexScratch* scratch,
                           FunctionRef<Status(std::size_t, std::size_t)> visit) const {
  pcre2_match_data* data = scratch->state_->data;
  const auto steps = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(kBaseSteps + kStepsPerByte * std::uint64_t{text.size()}, UINT32_MAX));
  pcre2_set_match_limit(scratch->state_->context, steps);
  for (std::size_t from = 0; from < text.size();) {
    const auto search = [&](std::uint32_t options) {
      return pcre2_match(code_->code, Units(text), text.size(), from,
                         PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | options, data,
                         scratch->state_->context);
    };
    int found = search(0);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = search(PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      return ResourceExhausted(StrCat("pattern on ", text.size(), " bytes, limit of ", steps,
                                      " steps: ", MessageOf(found)));
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
    // \K in a lookaround can turn a match inside out.
    if (range[0] < from || range[1] <= range[0]) {
      return InvalidArgument("pattern matches backwards");
    }
    from = range[1];
    ATTUNE_RETURN_IF_ERROR(visit(range[0], range[1]));
  }
  return OkStatus();
}

}  // namespace attune
