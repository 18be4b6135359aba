// What the dialect tests share: a program with its weights, run under every profile.

#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/strings.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"
#include "unit/ane/simulator/reference.h"
#include "unit/ane/simulator/weight_file.h"

namespace attune::ane::testing {

struct Program {
  std::string text;
  WeightFile weights = {};
  std::string function = "main";
};

// Runs with each profile; fp16 ones may be off by `half_tolerance` of the largest.
inline void Expect(const Program& program, const std::vector<Floats>& inputs,
                   const std::vector<Matrix>& expected, double half_tolerance = 4e-3) {
  struct Profile {
    const char* name;
    Numerics numerics;
    double tolerance;
  };
  const Profile profiles[] = {{"exact", ExactNumerics(), 2e-5},
                              {"m4", NumericsOf(Chip::kM4), half_tolerance},
                              {"m5", NumericsOf(Chip::kM5), half_tolerance}};
  for (const Profile& profile : profiles) {
    SCOPED_TRACE(profile.name);
    const RunOptions options = {.numerics = profile.numerics,
                                .weights = {{kWeightPath, program.weights.span()}},
                                .function = program.function};
    const auto out = RunMil(program.text, inputs, options);
    ASSERT_OK(out);
    ASSERT_EQ(out->size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_LT(ErrorOf((*out)[i], expected[i]), profile.tolerance) << "result " << i;
    }
  }
}

inline constexpr char kHeader[] =
    "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-component-MIL\", \"3510.2.1\"}, "
    "{\"coremlc-version\", \"3505.4.1\"}, {\"coremltools-component-milinternal\", \"\"}, "
    "{\"coremltools-version\", \"9.0\"}})]\n{\n";

inline constexpr char kConvConsts[] =
    "    string pt = const()[name = string(\"pt\"), val = string(\"valid\")];\n"
    "    tensor<int32, [2]> st = const()[name = string(\"st\"), val = tensor<int32, [2]>([1, "
    "1])];\n"
    "    tensor<int32, [4]> pd = const()[name = string(\"pd\"), val = tensor<int32, [4]>([0, 0, 0, "
    "0])];\n"
    "    tensor<int32, [2]> dl = const()[name = string(\"dl\"), val = tensor<int32, [2]>([1, "
    "1])];\n"
    "    int32 gr = const()[name = string(\"gr\"), val = int32(1)];\n";

inline std::string Conv(const std::string& type, const std::string& name, const std::string& weight,
                        const std::string& x) {
  return "    " + type + " " + name +
         " = conv(dilations = dl, groups = gr, pad = pd, pad_type = pt, strides = st, weight = " +
         weight + ", x = " + x + ")[name = string(\"" + name + "\")];\n";
}

inline std::string Weight(const std::string& dims, const std::string& name, std::uint64_t offset) {
  const std::string type = "tensor<fp16, [" + dims + "]>";
  return "    " + type + " " + name + " = const()[name = string(\"" + name + "\"), val = " + type +
         "(" + BlobAt(offset) + ")];\n";
}

// fp16 numbers, so that the exact profile sees what the file holds.
inline Floats Kept(std::int64_t n, std::uint32_t seed, float scale) {
  Floats out = Numbers(n, seed, scale);
  for (float& x : out) x = F32FromF16(F16FromF32(x));
  return out;
}

inline double Silu(double x) { return x / (1 + std::exp(-x)); }

}  // namespace attune::ane::testing
