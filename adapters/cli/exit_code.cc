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
    case StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    case StatusCode::kOk:
    case StatusCode::kUnavailable:
    case StatusCode::kIoError:
    case StatusCode::kInternal:
      break;
  }
  return ExitCode::kInternal;
}

}  // namespace attune
