// Examples are what an app lets the SDK learn from: a sentence typed, an answer
// chosen, a labelled picture or sound.
//
// Threads: values.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

// NOTE: values are stored. Append, never renumber.
enum class ExampleKind : std::uint8_t {
  kText = 1,
  kPromptCompletion = 2,  // `prompt` is read, `text` is learned.
  kLabelledBlob = 3,      // `blob` is a picture or a sound, `text` its label.
};

struct Example {
  ExampleKind kind = ExampleKind::kText;
  std::string text{};
  std::string prompt{};
  std::string blob{};
  // Which part of the app it comes from, e.g. "messages": [a-z0-9._-], 64 at most.
  std::string source{};
  // Unix seconds; 0: now.
  std::int64_t when = 0;
  // Typed into a field for passwords, codes or card data: never stored.
  bool secure_field = false;
};

struct StoredExample {
  std::uint64_t id = 0;  // Ascending; never given out twice.
  Example example;
};

// What may not be stored, and how much is kept for how long.
struct ExamplePolicy {
  // --- What is stored at all ---

  // Sources to accept. Empty: all.
  std::vector<std::string> sources;
  bool drop_card_numbers = true;  // 13 to 19 digits that pass the Luhn check.
  bool drop_emails = true;
  bool drop_secrets = true;          // Words that look random: keys, tokens, passwords.
  std::int64_t max_digit_run = 8;    // Longer numbers are dropped. 0: any may stay.
  std::int64_t max_bytes = 1 << 20;  // Of one example.
  // Equal examples kept of one day. 0: any number.
  std::int64_t max_duplicates = 3;

  // --- How long ---

  std::int64_t keep_days = 90;                        // 0: for ever.
  std::int64_t keep_examples = 100000;                // The oldest go first. 0: any number.
  std::int64_t keep_bytes = std::int64_t{256} << 20;  // Sealed. 0: any number.
};

// What became of an example.
enum class RecordOutcome : std::uint8_t {
  kStored,
  kEmpty,
  kTooLarge,
  kSecureField,
  kSourceNotAllowed,
  kCardNumber,
  kLongNumber,
  kEmail,
  kLooksSecret,
  kDuplicate,
};
// "card number".
std::string_view RecordOutcomeName(RecordOutcome outcome);

struct Recorded {
  RecordOutcome outcome = RecordOutcome::kStored;
  std::uint64_t id = 0;  // If stored.
};

}  // namespace attune
