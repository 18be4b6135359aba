#include "cli/exit_code.h"

namespace attune {

ExitCode ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kDataLoss:
    case StatusCode::kUnsupported:
      return ExitCode::kBadInput;
    case StatusCode::kResourceExhausted:
      return ExitCode::kRefused;
    case StatusCode::kUnavailable:
      return ExitCode::kNotNow;
    case StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    case StatusCode::kOk:
    case StatusCode::kIoError:
    case StatusCode::kInternal:
      break;
  }
  return ExitCode::kInternal;
}

}  // namespace attune
