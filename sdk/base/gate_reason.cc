#include "attune/gate.h"

namespace attune {

std::string_view GateReasonName(GateReason reason) {
  switch (reason) {
    case GateReason::kNone:
      return "none";
    case GateReason::kBetter:
      return "better";
    case GateReason::kTooFewExamples:
      return "too few examples";
    case GateReason::kNotBetterThanServing:
      return "not better than serving";
    case GateReason::kNotBetterThanBase:
      return "not better than base";
    case GateReason::kForgets:
      return "forgets";
    case GateReason::kNotFinite:
      return "not finite";
    case GateReason::kDegenerate:
      return "degenerate";
    case GateReason::kSlow:
      return "slow";
    case GateReason::kMemorises:
      return "memorises";
  }
  return "unknown";
}

std::string_view GateReasonSentence(GateReason reason) {
  switch (reason) {
    case GateReason::kNone:
      return "it was not judged";
    case GateReason::kBetter:
      return "it was better than what served";
    case GateReason::kTooFewExamples:
      return "there were too few held-out examples to judge it";
    case GateReason::kNotBetterThanServing:
      return "it was not better than what serves beyond doubt";
    case GateReason::kNotBetterThanBase:
      return "it was not better than the bare base beyond doubt";
    case GateReason::kForgets:
      return "it lost, or may have lost, too much on the anchor set";
    case GateReason::kNotFinite:
      return "it computed numbers that are not finite";
    case GateReason::kDegenerate:
      return "it wrote empty or repeating text";
    case GateReason::kSlow:
      return "it was too slow";
    case GateReason::kMemorises:
      return "it gave away texts that it should not know by heart";
  }
  return "its reason is not known to this version";
}

}  // namespace attune
