#include "schedule/night_sentence.h"

#include <cmath>
#include <cstdio>

#include "attune/gate.h"
#include "base/strings.h"
#include "schedule/civil_time.h"
#include "schedule/why.h"

namespace attune {
namespace {

constexpr std::size_t kMostReasons = 3;

std::string Times(int count) {
  if (count == 1) return "once";
  if (count == 2) return "twice";
  return StrCat(count, " times");
}

std::string Duration(double seconds) {
  if (seconds < 100) return StrCat(static_cast<std::int64_t>(std::lround(seconds)), " s");
  // What a damaged clock may tell: no year is longer.
  const auto minutes = static_cast<std::int64_t>(std::fmin(seconds / 60 + 0.5, 527040));
  if (minutes < 100) return StrCat(minutes, " min");
  return StrCat(minutes / 60, " h ", minutes % 60, " min");
}

std::string Percent(double part) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", std::fmax(std::fmin(100 * part, 1e6), -1e6));
  return text;
}

std::string Nats(double loss) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", std::fmin(loss, 1e6));
  return text;
}

// "Sun 22 Nov 02:05", local time.
std::string TimeOf(std::int64_t unix_seconds, std::int32_t utc_offset_seconds) {
  const std::int32_t minute = SecondOfDay(unix_seconds, utc_offset_seconds) / 60;
  char text[16];
  std::snprintf(text, sizeof text, " %02d:%02d", minute / 60, minute % 60);
  return NightName(LocalDay(unix_seconds, utc_offset_seconds)) + text;
}

std::string GenerationName(std::uint64_t generation) {
  return generation == 0 ? "the candidate" : StrCat("generation ", generation);
}

// --- What the gate said ---

// Relative, of what served.
double Gain(const LedgerRecord& verdict) {
  if (!(verdict.serving_loss > 0)) return 0;
  return (verdict.serving_loss - verdict.candidate_loss) / verdict.serving_loss;
}

std::string Comparison(const LedgerRecord& verdict) {
  const double gain = Gain(verdict), low = verdict.gain_low;
  if (gain < 0) return Percent(-gain) + " worse than what served";
  return Percent(gain) + " better than what served, " +
         (low < 0 ? "but perhaps " + Percent(-low) + " worse" : "at least " + Percent(low));
}

std::string GateFinding(const LedgerRecord& verdict) {
  switch (static_cast<GateReason>(verdict.gate_reason)) {
    case GateReason::kTooFewExamples:
      return "too few held-out examples to judge it by";
    case GateReason::kNotBetterThanServing:
      return Comparison(verdict);
    case GateReason::kNotBetterThanBase:
      return "no better than the base model (" + Nats(verdict.candidate_loss) + " against " +
             Nats(verdict.base_loss) + " nats a token)";
    case GateReason::kForgets:
      return "its loss on the anchor set rose by " + Percent(verdict.anchor_change);
    case GateReason::kNotFinite:
      return "it computes numbers that are not finite";
    case GateReason::kDegenerate:
      return "it wrote nothing, without an end or always the same";
    case GateReason::kSlow:
      return "it is too slow";
    case GateReason::kMemorises:
      return "it gives away what it was trained on";
    case GateReason::kNone:
    case GateReason::kBetter:
      break;
  }
  return Comparison(verdict);
}

std::string VerdictClause(const LedgerRecord& verdict) {
  const std::string name = GenerationName(verdict.generation);
  switch (verdict.event) {
    case LedgerEvent::kPromoted:
      return StrCat("promoted ", name, verdict.serving_loss > 0 ? ", " : "",
                    verdict.serving_loss > 0 ? Comparison(verdict) : "");
    case LedgerEvent::kRejected:
      return StrCat("rejected ", name, ": ", GateFinding(verdict));
    case LedgerEvent::kKept:
      // It passed, and is not to be promoted by itself.
      if (verdict.gate_reason == static_cast<std::uint8_t>(GateReason::kBetter)) {
        return StrCat("kept ", name, " to be promoted by hand: ", Comparison(verdict));
      }
      [[fallthrough]];
    default:
      return StrCat("kept what served, not ", name, ": ", GateFinding(verdict));
  }
}

// --- Interruptions ---

std::string KillClause(const NightOfJob& night) {
  std::string clause = "killed " + Times(night.kills);
  switch (night.after_kill) {
    case AfterKill::kUnknown:
      return clause;
    case AfterKill::kLostNothingSaved:
      return clause + ", lost nothing that was saved";
    case AfterKill::kWentBack:
      return StrCat(clause, ", went back to step ", night.back_to_step);
    case AfterKill::kBeganAnew:
      return clause + ", began anew";
  }
  return clause;
}

void Add(std::string* list, const std::string& item) {
  if (!list->empty()) list->append("; ");
  list->append(item);
}

// "paused twice: the device was in use; killed once".
std::string Interruptions(const NightOfJob& night) {
  std::string list;
  for (const ReasonCount& pause : night.pauses) {
    std::string item = "paused " + Times(pause.count);
    if (pause.reason != Reason::kNone) item += StrCat(": ", ReasonSentence(pause.reason));
    Add(&list, item);
  }
  if (night.expiries > 0) Add(&list, "ran out of the system's time " + Times(night.expiries));
  if (night.kills > 0) Add(&list, KillClause(night));
  return list;
}

std::string FailureClause(const NightOfJob& night) {
  return StrCat("failed ", Times(night.failures), night.failures > 1 ? ", last with \"" : ": \"",
                StatusCodeName(night.failure->code), "\"");
}

std::string RefusalClause(const LedgerRecord& refusal) {
  return StrCat("it would not have fit into memory: ", refusal.bytes_needed, " bytes needed, ",
                refusal.bytes_available, " available");
}

std::string RollbackClause(const LedgerRecord& rollback) {
  return StrCat("rolled back to ",
                rollback.generation == 0 ? std::string("the base model")
                                         : GenerationName(rollback.generation),
                " because live figures got worse");
}

// --- The night ---

std::string TrainingClause(const NightOfJob& night) {
  std::string clause = StrCat("trained ", night.steps_done);
  if (night.steps == 0) {
    clause += " steps";
  } else if (night.runs > 1) {
    clause += StrCat(" steps of ", night.runs, " runs");
  } else if (night.steps_done == night.step) {
    clause += StrCat(" of ", night.steps, " steps");
  } else {
    clause += StrCat(" steps, up to ", night.step, " of ", night.steps, ",");
  }
  clause += " in " + Duration(night.wall_seconds);
  if (night.sittings > 1) clause += StrCat(" over ", night.sittings, " sittings");
  const std::string interruptions = Interruptions(night);
  if (!interruptions.empty()) clause += " (" + interruptions + ")";
  return clause;
}

std::string WithoutStepClause(const NightOfJob& night) {
  if (night.verdict != nullptr || night.finished) {
    return "trained no further step, all were done";
  }
  const std::string interruptions = Interruptions(night);
  std::string clause = "began " + (night.sittings > 1 ? Times(night.sittings) : "once") +
                       (night.sittings == 0 ? " on an earlier night" : "") + ", but saved no step";
  return interruptions.empty() ? clause : clause + " (" + interruptions + ")";
}

// "the battery was too low; also the device was in use".
std::string SkipClause(const NightOfJob& night) {
  std::string clause;
  std::size_t told = 0;
  for (auto skip = night.skips.rbegin(); skip != night.skips.rend(); ++skip) {
    if (told == kMostReasons) {
      clause += StrCat(", and ", night.skips.size() - told, " more reasons");
      break;
    }
    clause += told == 0 ? "" : told == 1 ? "; also " : ", ";
    clause += ReasonSentence(skip->reason);
    if (skip->reason == Reason::kNoMemory && night.skip->reason == Reason::kNoMemory &&
        night.skip->bytes_needed > 0) {
      clause += StrCat(" (", night.skip->bytes_needed, " bytes needed, ",
                       night.skip->bytes_available, " available)");
    }
    ++told;
  }
  return clause;
}

// That the system was asked to wake us is all there is.
std::string NotWokenClause(const LedgerRecord& scheduled) {
  if (scheduled.next_attempt == 0) return "did not train: the system did not wake Attune";
  const std::int32_t offset = scheduled.utc_offset_seconds;
  const bool in_time = NightOf(scheduled.next_attempt, offset) <= NightOf(scheduled.when, offset);
  return StrCat("did not train: the system was asked to wake Attune ", in_time ? "at " : "only at ",
                TimeOf(scheduled.next_attempt, offset), in_time ? " and did not" : "");
}

std::string IdleClause(const NightOfJob& night) {
  if (night.refusal != nullptr) return "did not train: " + RefusalClause(*night.refusal);
  if (!night.skips.empty()) return "did not train: " + SkipClause(night);
  if (night.scheduled != nullptr) return NotWokenClause(*night.scheduled);
  return "did not train, and nothing was noted";
}

}  // namespace

std::string NightSentence(const NightOfJob& night) {
  if (!night.on_record) {
    return night.awake ? "Attune was awake, but knew nothing of this job."
                       : "nothing woke Attune: the device was off, or the timer is not installed.";
  }
  const bool sat = night.sittings > 0 || night.kills > 0 || !night.pauses.empty() ||
                   night.expiries > 0 || night.verdict != nullptr || night.finished;
  const bool other = night.failures > 0 || night.rollback != nullptr;
  std::string text;
  if (night.steps_done > 0) {
    text = TrainingClause(night);
  } else if (sat && night.refusal == nullptr) {
    text = WithoutStepClause(night);
  } else if (!other || night.refusal != nullptr || !night.skips.empty()) {
    text = IdleClause(night);
  }
  if (night.steps_done > 0 && night.refusal != nullptr) Add(&text, RefusalClause(*night.refusal));
  if (night.failures > 0) Add(&text, FailureClause(night));
  if (night.verdict != nullptr) {
    Add(&text, VerdictClause(*night.verdict));
  } else if (night.finished) {
    Add(&text, "the gate has not decided yet");
  }
  if (night.rollback != nullptr) Add(&text, RollbackClause(*night.rollback));
  if (night.open && !night.finished) Add(&text, "the last sitting has not ended on record");
  const bool only_scheduled = !sat && !other && night.refusal == nullptr && night.skips.empty();
  if (night.next != nullptr && night.verdict == nullptr && !only_scheduled) {
    Add(&text,
        "next attempt from " + TimeOf(night.next->next_attempt, night.next->utc_offset_seconds));
  }
  return text + ".";
}

}  // namespace attune
