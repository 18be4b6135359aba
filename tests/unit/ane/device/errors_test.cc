// The error table: every code that is documented has a remedy and a message.

#include "ane/device/errors.h"

#include <gtest/gtest.h>

#include <string>

namespace attune::ane {
namespace {

constexpr char kDomain[] = "com.apple.appleneuralengine";
constexpr char kCompiler[] = "com.apple.appleneuralengine.compiler";

DeviceError Error(Stage stage, std::int64_t code, std::uint32_t status = 0, std::string text = "") {
  return {stage, kDomain, code, status, std::move(text)};
}

TEST(Errors, StatusIsFoundInTheFrameworksTexts) {
  EXPECT_EQ(StatusIn("ANEProgramProcessRequestDirect() Failed with status=0x1d : "
                     "statusType=0x9: Program Inference error"),
            0x1du);
  EXPECT_EQ(StatusIn("Program load failure (0x50004)"), 0x50004u);
  EXPECT_EQ(StatusIn("IOSurfaces map failure (0x1D)"), 0x1du);
  EXPECT_EQ(StatusIn("kernel said (0xe00002e2)"), 0xe00002e2u);
  EXPECT_EQ(StatusIn("no number here"), 0u);
  EXPECT_EQ(StatusIn("status=0x"), 0u);
  EXPECT_EQ(StatusIn("status=0x123456789"), 0u) << "longer than a status is";
}

TEST(Errors, TooManyProgramsAskForEvictionOnBothGenerations) {
  for (const DeviceError& error : {Error(Stage::kLoad, 6, 0x50004), Error(Stage::kLoad, 54, 0x5)}) {
    EXPECT_EQ(RemedyOf(error), Remedy::kEvict);
    EXPECT_EQ(ToStatus(error).code(), StatusCode::kResourceExhausted);
  }
}

TEST(Errors, ProgramsTooLargeAreSplit) {
  EXPECT_EQ(RemedyOf(Error(Stage::kLoad, 6, 0x20004)), Remedy::kSplit);
  EXPECT_EQ(RemedyOf(Error(Stage::kLoad, 6, 0x10004)), Remedy::kSplit);
  EXPECT_EQ(RemedyOf(Error(Stage::kEvaluate, 47)), Remedy::kSplit);
}

TEST(Errors, SurfaceMismatchIsADefectOnBothGenerations) {
  for (const DeviceError& error : {Error(Stage::kEvaluate, 8, 0x1d), Error(Stage::kEvaluate, 42)}) {
    EXPECT_EQ(RemedyOf(error), Remedy::kDefect);
    EXPECT_EQ(ToStatus(error).code(), StatusCode::kInternal);
  }
  // Yet while mapping the same status says that slots ran out.
  EXPECT_EQ(RemedyOf(Error(Stage::kMap, 13, 0x1d)), Remedy::kEvict);
}

TEST(Errors, CompilerRefusalNamesTheProgram) {
  const DeviceError error = {Stage::kCompile, kCompiler, 1, 0,
                             "_ANECompiler : ANECCompile() FAILED: err=(InvalidMILProgram)"};
  EXPECT_EQ(RemedyOf(error), Remedy::kDefect);
  EXPECT_EQ(ToStatus(error).code(), StatusCode::kInvalidArgument);
  // The same code of the general domain is about entitlements.
  EXPECT_EQ(RemedyOf(Error(Stage::kLoad, 1)), Remedy::kFallback);
}

TEST(Errors, PassingStatesAreRetried) {
  EXPECT_EQ(RemedyOf(Error(Stage::kEvaluate, 3)), Remedy::kRetry);
  EXPECT_EQ(RemedyOf(Error(Stage::kEvaluate, 8, 0, "request was preempted")), Remedy::kRetry);
  EXPECT_EQ(RemedyOf(Error(Stage::kEvaluate, 61, 0, "device not ready")), Remedy::kRetry);
  EXPECT_EQ(ToStatus(Error(Stage::kEvaluate, 61, 0, "device not ready")).code(),
            StatusCode::kUnavailable);
}

TEST(Errors, UnknownCodesGoToTheCpu) {
  EXPECT_EQ(RemedyOf(Error(Stage::kEvaluate, 999)), Remedy::kFallback);
}

TEST(Errors, MessageHasStageBothCodesMeaningAndAdviceOnOneLine) {
  const std::string message =
      ToStatus(Error(Stage::kLoad, 6, 0x50004, "Program load\nfailure (0x50004)")).message();
  EXPECT_EQ(message,
            "load: code 6, status 0x50004: too many programs are loaded on this machine; unload "
            "one and load again (Program load failure (0x50004))");
}

TEST(Errors, EveryDocumentedCodeHasAMeaning) {
  for (const std::int64_t code : {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14,
                                  15, 16, 17, 18, 19, 20, 21, 22, 23, 26, 42, 47, 54}) {
    const std::string message = ToStatus(Error(Stage::kEvaluate, code)).message();
    EXPECT_EQ(message.find("not known"), std::string::npos) << message;
  }
}

TEST(Errors, LongTextsAreCut) {
  const std::string message =
      ToStatus(Error(Stage::kEvaluate, 8, 0, std::string(100000, 'x'))).message();
  EXPECT_LT(message.size(), 700u);
}

}  // namespace
}  // namespace attune::ane
