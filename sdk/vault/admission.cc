#include "vault/admission.h"

#include <algorithm>
#include <cstddef>

#include "vault/sensitive_text.h"

namespace attune {
namespace {

constexpr std::size_t kMaxSourceName = 64;

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == text.npos; }

bool IsEmpty(const Example& example) {
  if (IsBlank(example.text)) return true;
  return example.kind == ExampleKind::kLabelledBlob && example.blob.empty();
}

bool IsSourceName(std::string_view name) {
  return name.size() <= kMaxSourceName && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
         });
}

bool IsSourceAllowed(const ExamplePolicy& policy, const std::string& source) {
  if (!IsSourceName(source)) return false;
  return policy.sources.empty() ||
         std::find(policy.sources.begin(), policy.sources.end(), source) != policy.sources.end();
}

bool IsTooLarge(const ExamplePolicy& policy, const Example& example) {
  const std::size_t size = example.text.size() + example.prompt.size() + example.blob.size();
  return static_cast<std::int64_t>(size) > std::min(policy.max_bytes, kMaxExampleBytes);
}

RecordOutcome AdmitText(const ExamplePolicy& policy, std::string_view text) {
  const std::u32string folded = FoldText(text);
  if (policy.drop_card_numbers && HasCardNumber(folded)) return RecordOutcome::kCardNumber;
  if (policy.max_digit_run > 0 && LongestNumber(folded) > policy.max_digit_run) {
    return RecordOutcome::kLongNumber;
  }
  if (policy.drop_emails && HasEmail(folded)) return RecordOutcome::kEmail;
  if (policy.drop_secrets && HasSecret(folded)) return RecordOutcome::kLooksSecret;
  return RecordOutcome::kStored;
}

}  // namespace

RecordOutcome Admit(const ExamplePolicy& policy, const Example& example) {
  if (example.secure_field) return RecordOutcome::kSecureField;
  if (IsEmpty(example)) return RecordOutcome::kEmpty;
  if (!IsSourceAllowed(policy, example.source)) return RecordOutcome::kSourceNotAllowed;
  if (IsTooLarge(policy, example)) return RecordOutcome::kTooLarge;
  const RecordOutcome prompt = AdmitText(policy, example.prompt);
  return prompt != RecordOutcome::kStored ? prompt : AdmitText(policy, example.text);
}

}  // namespace attune
