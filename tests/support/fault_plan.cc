#include "support/fault_plan.h"

#include "base/strings.h"

namespace attune::testing {
namespace {

bool CanStrike(Fault fault, Operation operation, bool count_reads) {
  const bool reads = operation == Operation::kRead || operation == Operation::kKeyRead;
  const bool removes = operation == Operation::kRemove || operation == Operation::kKeyRemove;
  switch (fault) {
    case Fault::kCrash:
    case Fault::kKill:
    case Fault::kIoError:
      return count_reads || !reads;
    case Fault::kNoSpace:
      return !reads && !removes;
    case Fault::kShortWrite:
      return operation == Operation::kAppend;
    case Fault::kFailedSync:
      return operation == Operation::kSync || operation == Operation::kSyncDirectory;
    case Fault::kKeysLocked:
      return operation == Operation::kKeyRead || operation == Operation::kKeyStore ||
             operation == Operation::kKeyRemove;
  }
  return false;
}

}  // namespace

std::string_view FaultName(Fault fault) {
  switch (fault) {
    case Fault::kCrash:
      return "crash";
    case Fault::kKill:
      return "kill";
    case Fault::kIoError:
      return "I/O error";
    case Fault::kNoSpace:
      return "no space";
    case Fault::kShortWrite:
      return "short write";
    case Fault::kFailedSync:
      return "failed sync";
    case Fault::kKeysLocked:
      return "keys locked";
  }
  return "unknown";
}

void FaultPlan::Start() {
  const std::lock_guard guard(mutex_);
  operations_ = 0;
  faulted_ = false;
  counting_ = true;
}

void FaultPlan::Start(const FaultSpec& spec) {
  {
    const std::lock_guard guard(mutex_);
    spec_ = spec;
    random_ = Philox(spec.seed, spec.at);
  }
  Start();
}

void FaultPlan::Stop() {
  const std::lock_guard guard(mutex_);
  counting_ = false;
  down_ = false;
  killed_ = false;
}

bool FaultPlan::faulted() const {
  const std::lock_guard guard(mutex_);
  return faulted_;
}

bool FaultPlan::crashed() const {
  const std::lock_guard guard(mutex_);
  return down_;
}

std::uint64_t FaultPlan::operations() const {
  const std::lock_guard guard(mutex_);
  return operations_;
}

std::string FaultPlan::Describe() const {
  const std::lock_guard guard(mutex_);
  return StrCat(FaultName(spec_.fault), spec_.forever ? " from" : " at", " operation ", spec_.at,
                spec_.forever ? " on" : "", ", seed ", spec_.seed);
}

std::optional<Fault> FaultPlan::Strike(Operation operation) {
  if (!counting_ || !CanStrike(spec_.fault, operation, spec_.count_reads)) return std::nullopt;
  ++operations_;
  if (operations_ < spec_.at || (operations_ > spec_.at && !spec_.forever)) return std::nullopt;
  faulted_ = true;
  down_ = spec_.fault == Fault::kCrash || spec_.fault == Fault::kKill;
  killed_ = spec_.fault == Fault::kKill;
  return spec_.fault;
}

Status FaultPlan::Error(Fault fault, const std::string& name) {
  std::string message = StrCat(name, ": ", FaultName(fault), " (simulated)");
  switch (fault) {
    case Fault::kNoSpace:
      return ResourceExhausted(std::move(message));
    case Fault::kKeysLocked:
      return Unavailable(std::move(message));
    default:
      return IoError(std::move(message));
  }
}

}  // namespace attune::testing
