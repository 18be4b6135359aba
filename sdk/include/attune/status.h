// Status says whether an operation succeeded and, if not, what the caller can
// do about it. Result<T> is a Status or a T. The SDK throws no exceptions.
//
// Threads: values, like std::string.

#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace attune {

// NOTE: values are part of the binary interface. Append, never renumber.
enum class StatusCode : std::int32_t {
  kOk = 0,
  kCancelled = 1,           // The caller asked to stop.
  kInvalidArgument = 2,     // Fix the call or the file named in the message.
  kNotFound = 3,            // The named object does not exist.
  kFailedPrecondition = 4,  // Do something else first; the message says what.
  kUnavailable = 5,         // Wait and retry.
  kResourceExhausted = 6,   // Free memory or space; the message has both numbers.
  kDataLoss = 7,            // The bytes are damaged: discard or restore them.
  kUnsupported = 8,         // Valid, but this build cannot do it.
  kIoError = 9,             // The operating system refused.
  kInternal = 10,           // A defect of the SDK: report it.
};

// "kOk" -> "ok", "kDataLoss" -> "data loss".
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK.
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }

  // Names the object and both numbers; never user text, keys or full paths.
  const std::string& message() const { return message_; }

  // "data loss: a.safetensors: header of 12 bytes, needs 16".
  std::string ToString() const;

  // Prepends "<context>: " to the message of an error; OK stays OK.
  Status WithContext(std::string_view context) &&;

  // Drops the status on purpose.
  void Ignore() const {}

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status OkStatus() { return Status(); }
inline Status Cancelled(std::string m) { return {StatusCode::kCancelled, std::move(m)}; }
inline Status InvalidArgument(std::string m) {
  return {StatusCode::kInvalidArgument, std::move(m)};
}
inline Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
inline Status FailedPrecondition(std::string m) {
  return {StatusCode::kFailedPrecondition, std::move(m)};
}
inline Status Unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
inline Status ResourceExhausted(std::string m) {
  return {StatusCode::kResourceExhausted, std::move(m)};
}
inline Status DataLoss(std::string m) { return {StatusCode::kDataLoss, std::move(m)}; }
inline Status Unsupported(std::string m) { return {StatusCode::kUnsupported, std::move(m)}; }
inline Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
inline Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

// A T or the Status that explains its absence. Reading the value of an error
// ends the process: check ok() first, or use ATTUNE_ASSIGN_OR_RETURN.
//
//   Result<Shape> shape = ParseShape(text);
//   if (!shape.ok()) return shape.status();
//   Use(*shape);
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit by design.
  // REQUIRES: !status.ok().
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit by design.
    if (status_.ok()) Die("Result built from an OK status");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  T& operator*() & { return Checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->Checked(); }
  T&& operator*() && { return std::move(Checked()); }
  T* operator->() { return &Checked(); }
  const T* operator->() const { return &const_cast<Result*>(this)->Checked(); }

 private:
  [[noreturn]] static void Die(const char* what) {
    std::fprintf(stderr, "attune: %s\n", what);
    std::abort();
  }
  T& Checked() {
    if (!value_.has_value()) Die(status_.message().c_str());
    return *value_;
  }

  std::optional<T> value_;
  Status status_;
};

}  // namespace attune

#define ATTUNE_CONCAT_INNER(a, b) a##b
#define ATTUNE_CONCAT(a, b) ATTUNE_CONCAT_INNER(a, b)

#define ATTUNE_RETURN_IF_ERROR(expression)                                                        \
  do {                                                                                            \
    if (::attune::Status attune_status = (expression); !attune_status.ok()) return attune_status; \
  } while (false)

#define ATTUNE_ASSIGN_OR_RETURN(declaration, expression) \
  ATTUNE_ASSIGN_OR_RETURN_INNER(ATTUNE_CONCAT(attune_result_, __LINE__), declaration, expression)
#define ATTUNE_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                          \
  if (!result.ok()) return std::move(result).status();                 \
  declaration = *std::move(result)
