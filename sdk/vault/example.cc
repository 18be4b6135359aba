#include "attune/example.h"

namespace attune {

std::string_view RecordOutcomeName(RecordOutcome outcome) {
  switch (outcome) {
    case RecordOutcome::kStored:
      return "stored";
    case RecordOutcome::kEmpty:
      return "empty";
    case RecordOutcome::kTooLarge:
      return "too large";
    case RecordOutcome::kSecureField:
      return "secure field";
    case RecordOutcome::kSourceNotAllowed:
      return "source not allowed";
    case RecordOutcome::kCardNumber:
      return "card number";
    case RecordOutcome::kLongNumber:
      return "long number";
    case RecordOutcome::kEmail:
      return "e-mail address";
    case RecordOutcome::kLooksSecret:
      return "looks secret";
    case RecordOutcome::kDuplicate:
      return "duplicate";
  }
  return "unknown outcome";
}

}  // namespace attune
