#include "ane/simulator/refusals.h"

#include <cstdio>

#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr char kDomain[] = "com.apple.appleneuralengine";
constexpr char kCompilerDomain[] = "com.apple.appleneuralengine.compiler";

// The first system with the codes of the 27 generation.
constexpr int kNewCodes = 27;

constexpr std::uint32_t kMismatch = 0x1d;
constexpr std::uint32_t kTooManyPrograms = 0x50004;
constexpr std::uint32_t kNoResources = 0x5;
constexpr std::uint32_t kWindow = 0x20004;
constexpr std::uint32_t kProcedure = 0x2;

std::string Hex(std::uint32_t number) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "0x%X", number);
  return buffer;
}

DeviceError LoadFailure(std::uint32_t status, std::string_view reason) {
  return {Stage::kLoad, kDomain, 6, status,
          StrCat("Program load failure (", Hex(status), "): ", reason)};
}

DeviceError InferenceError(std::uint32_t status, std::string_view reason) {
  char hex[16];
  std::snprintf(hex, sizeof hex, "0x%x", status);
  return {Stage::kEvaluate, kDomain, 8, status,
          StrCat("ANEProgramProcessRequestDirect() Failed with status=", hex,
                 " : statusType=0x9: Program Inference error: ", reason)};
}

}  // namespace

DeviceError CompilerRefuses(std::string_view reason) {
  return {Stage::kCompile, kCompilerDomain, 1, 0,
          StrCat("_ANECompiler : ANECCompile() FAILED: err=(InvalidMILProgram): ", reason)};
}

DeviceError CompilerDies(std::string_view reason) {
  return {
      Stage::kCompile, kDomain, 4, 0,
      StrCat("Program creation failure: connection to the compiler service interrupted: ", reason)};
}

DeviceError WrapperIsExhausted(std::int64_t compiles) {
  return {Stage::kCompile, kCompilerDomain, 1, 0,
          StrCat("_ANECompiler : ANECCompile() FAILED: err=(): after ", compiles,
                 " compiles of this process")};
}

DeviceError HashesDiffer(int files) {
  return {Stage::kCompile, kDomain, 10, 0,
          StrCat("verifyBundleAtPath:expectedHashes: invalid model: ", files, " weight files")};
}

DeviceError NotCompiled() {
  return {Stage::kLoad, kDomain, 17, 0, "Model identity not found: it is not compiled"};
}

DeviceError NotLoaded(Stage stage) { return {stage, kDomain, 23, 0, "Program not found"}; }

DeviceError TooManyPrograms(int os, std::int64_t loaded, std::int64_t most) {
  const std::string reason = StrCat(loaded, " of ", most, " programs are loaded");
  if (os < kNewCodes) return LoadFailure(kTooManyPrograms, reason);
  return {Stage::kLoad, kDomain, 54, kNoResources,
          StrCat("No ANE resources (transient; retry) (0x5): ", reason)};
}

DeviceError WindowIsFull(std::int64_t needed, std::int64_t most) {
  return LoadFailure(kWindow, StrCat(needed, " bytes of weights, the window has ", most));
}

DeviceError NoSuchProcedure(std::int64_t procedure, std::int64_t count) {
  return InferenceError(kProcedure, StrCat("procedure ", procedure, " of ", count));
}

DeviceError SurfacesDoNotFit(std::string_view reason) { return InferenceError(kMismatch, reason); }

DeviceError SurfaceIsSmall(int os, std::string_view symbol, std::int64_t bytes,
                           std::int64_t needed) {
  const std::string reason =
      StrCat("surface of ", bytes, " bytes for symbol \"", symbol, "\" of ", needed);
  if (os < kNewCodes) return InferenceError(kMismatch, reason);
  return {Stage::kEvaluate, kDomain, 42, 0,
          StrCat("IOSurface smaller than the model expects (re-check inputBufferSize/"
                 "outputBufferSize from the load reply): ",
                 reason)};
}

}  // namespace attune::ane
