#include "ane/device/errors.h"

#include <cstdio>

#include "base/strings.h"

namespace attune::ane {
namespace {

struct Entry {
  std::int64_t code;
  std::uint32_t status;
  Remedy remedy;
  StatusCode result;
  std::string_view meaning;
  std::string_view advice;
};

constexpr std::string_view kCompilerDomain = "com.apple.appleneuralengine.compiler";

// An inner status says more than the code around it, so it is looked up first.
constexpr Entry kStatuses[] = {
    {0, 0x1d, Remedy::kDefect, StatusCode::kInternal,
     "a surface does not fit its symbol (size, stride, width or order)",
     "bind by the compiled symbol table, with widths that are multiples of 32"},
    {0, 0x50004, Remedy::kEvict, StatusCode::kResourceExhausted,
     "too many programs are loaded on this machine", "unload one and load again"},
    {0, 0x20004, Remedy::kSplit, StatusCode::kResourceExhausted,
     "the weights exceed the engine's window of 4 GiB", "split the program"},
    {0, 0x10004, Remedy::kSplit, StatusCode::kResourceExhausted,
     "the graph is too large or too complex", "split the program"},
    {0, 0x170004, Remedy::kFallback, StatusCode::kInternal, "a precompiled program is invalid",
     "compile it from its text"},
    {0, 0x5, Remedy::kEvict, StatusCode::kResourceExhausted,
     "the engine has no resources left, perhaps because of other processes",
     "unload a program and load again"},
    {0, 0x2, Remedy::kDefect, StatusCode::kInternal,
     "the symbols are not those of the procedure, or the bank is broken",
     "use the procedure's own symbol indices and absolute blob offsets"},
    {0, 0x16, Remedy::kRetry, StatusCode::kUnavailable, "the engine failed while running",
     "try again; if it stays, leave it to the CPU"},
    {0, 0xe00002e2, Remedy::kFallback, StatusCode::kUnsupported, "the program is not signed",
     "compile it on this machine"},
    {0, 0xe00002c7, Remedy::kFallback, StatusCode::kUnsupported, "the process lacks an entitlement",
     "leave it to the CPU"},
};

constexpr Entry kCodes[] = {
    {1, 0, Remedy::kFallback, StatusCode::kUnsupported, "an entitlement is needed",
     "leave it to the CPU"},
    {2, 0, Remedy::kFallback, StatusCode::kUnsupported, "real-time priority needs an entitlement",
     "use the default priority"},
    {3, 0, Remedy::kRetry, StatusCode::kUnavailable, "the call timed out", "try again"},
    {4, 0, Remedy::kDefect, StatusCode::kInternal, "the program could not be created",
     "validate its text against the constraints"},
    {5, 0, Remedy::kDefect, StatusCode::kInternal, "the inference overflowed",
     "lower the loss scale"},
    {6, 0, Remedy::kEvict, StatusCode::kResourceExhausted, "the program could not be loaded",
     "unload a program and load again"},
    {7, 0, Remedy::kFallback, StatusCode::kUnsupported, "a code signature is missing",
     "leave it to the CPU"},
    {8, 0, Remedy::kDefect, StatusCode::kInternal, "the evaluation failed",
     "compare surfaces and symbol table"},
    {9, 0, Remedy::kFallback, StatusCode::kUnsupported, "a file cannot be accessed",
     "let the process use its temporary directory"},
    {10, 0, Remedy::kDefect, StatusCode::kInternal,
     "the model is invalid: its files do not have the expected hashes",
     "keep all weights in one file in the default staging directory"},
    {11, 0, Remedy::kDefect, StatusCode::kInternal, "the key of the model is invalid",
     "use the identity that the descriptor gave"},
    {12, 0, Remedy::kDefect, StatusCode::kInternal, "system models cannot be purged",
     "purge only models of this process"},
    {13, 0, Remedy::kEvict, StatusCode::kResourceExhausted, "a surface could not be mapped",
     "unmap surfaces, or unload programs"},
    {14, 0, Remedy::kDefect, StatusCode::kInternal, "a surface could not be unmapped",
     "unmap only what was mapped"},
    {15, 0, Remedy::kFallback, StatusCode::kUnsupported, "chaining could not be prepared",
     "evaluate one program at a time"},
    {16, 0, Remedy::kDefect, StatusCode::kInternal, "a file of the model was not found",
     "stage it again"},
    {17, 0, Remedy::kDefect, StatusCode::kInternal, "the model's identity was not found",
     "compile it again"},
    {18, 0, Remedy::kDefect, StatusCode::kInternal, "the base model's identity was not found",
     "compile the base again"},
    {19, 0, Remedy::kDefect, StatusCode::kInternal, "the cache identity must be empty",
     "leave it out"},
    {20, 0, Remedy::kDefect, StatusCode::kInternal, "the model instance is invalid",
     "load it again"},
    {21, 0, Remedy::kRetry, StatusCode::kUnavailable, "a new instance could not be loaded",
     "try again"},
    {22, 0, Remedy::kFallback, StatusCode::kUnsupported, "the system is too old",
     "leave it to the CPU"},
    {23, 0, Remedy::kDefect, StatusCode::kInternal, "the program is not loaded", "load it again"},
    {26, 0, Remedy::kDefect, StatusCode::kInternal, "an argument was refused",
     "compare the request with the symbol table"},
    {42, 0, Remedy::kDefect, StatusCode::kInternal, "a surface is smaller than its symbol",
     "size surfaces by the compiled symbol table"},
    {47, 0, Remedy::kSplit, StatusCode::kResourceExhausted,
     "the watchdog fired or tile descriptors ran out", "split the program"},
    {54, 0, Remedy::kEvict, StatusCode::kResourceExhausted, "the engine has no resources left",
     "unload a program and load again"},
};

constexpr Entry kRefusedProgram = {1,
                                   0,
                                   Remedy::kDefect,
                                   StatusCode::kInvalidArgument,
                                   "the compiler refused the program",
                                   "validate its text against the constraints"};
constexpr Entry kMappedTooMany = {13,
                                  0x1d,
                                  Remedy::kEvict,
                                  StatusCode::kResourceExhausted,
                                  "no slot is left to map surfaces",
                                  "unmap surfaces, or unload programs"};
constexpr Entry kUnknown = {0,
                            0,
                            Remedy::kFallback,
                            StatusCode::kInternal,
                            "a code that is not known",
                            "leave it to the CPU"};

// Texts of the 27 generation that name passing states, whatever their code.
constexpr std::string_view kTransientTexts[] = {"transient", "preempted", "aborted", "not ready",
                                                "power-on"};

const Entry& EntryOf(const DeviceError& error) {
  if (error.domain == kCompilerDomain) return kRefusedProgram;
  // Mapping has few slots; 0x1d says there that they ran out.
  if (error.code == kMappedTooMany.code && error.status == kMappedTooMany.status) {
    return kMappedTooMany;
  }
  for (const Entry& entry : kStatuses) {
    if (error.status != 0 && entry.status == error.status) return entry;
  }
  for (const Entry& entry : kCodes) {
    if (entry.code == error.code) return entry;
  }
  return kUnknown;
}

bool IsTransient(const DeviceError& error) {
  for (const std::string_view text : kTransientTexts) {
    if (error.text.find(text) != std::string::npos) return true;
  }
  return false;
}

std::string Hex(std::uint32_t number) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "0x%x", number);
  return buffer;
}

// One line of it, of bounded length.
std::string Quoted(std::string_view text) {
  constexpr std::size_t kLongest = 400;
  std::string out(text.substr(0, kLongest));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  if (text.size() > kLongest) out += "...";
  return out;
}

std::uint32_t HexAfter(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return 0;
  std::uint64_t value = 0;
  int digits = 0;
  for (const char c : text.substr(at + key.size())) {
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      digit = (c | 0x20) - 'a' + 10;
    } else {
      break;
    }
    if (++digits > 8) return 0;
    value = value * 16 + static_cast<std::uint64_t>(digit);
  }
  return static_cast<std::uint32_t>(value);
}

}  // namespace

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kDescribe:
      return "describe";
    case Stage::kCompile:
      return "compile";
    case Stage::kLoad:
      return "load";
    case Stage::kMap:
      return "map";
    case Stage::kEvaluate:
      return "evaluate";
    case Stage::kUnload:
      return "unload";
  }
  return "unknown";
}

Remedy RemedyOf(const DeviceError& error) {
  const Entry& entry = EntryOf(error);
  // Resources that the framework calls transient may come back by themselves,
  // but unloading is what helps.
  if (entry.remedy == Remedy::kDefect && IsTransient(error)) return Remedy::kRetry;
  if (entry.remedy == Remedy::kFallback && &entry == &kUnknown && IsTransient(error)) {
    return Remedy::kRetry;
  }
  return entry.remedy;
}

std::uint32_t StatusIn(std::string_view description) {
  for (const std::string_view key : {"status=0x", "failure (0x", "failure(0x", "(0x"}) {
    if (const std::uint32_t status = HexAfter(description, key); status != 0) return status;
  }
  return 0;
}

Status ToStatus(const DeviceError& error) {
  const Entry& entry = EntryOf(error);
  const bool retry = RemedyOf(error) == Remedy::kRetry;
  std::string message = StrCat(StageName(error.stage), ": code ", error.code);
  if (error.status != 0) message += StrCat(", status ", Hex(error.status));
  message += StrCat(": ", entry.meaning, "; ", retry ? "try again" : entry.advice);
  if (!error.text.empty()) message += StrCat(" (", Quoted(error.text), ")");
  return {retry ? StatusCode::kUnavailable : entry.result, std::move(message)};
}

}  // namespace attune::ane
