// What every Backend owes its users, as suites over implementations. A backend
// joins by instantiating both:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, BackendContract, Values(kMine), BackendName);
//   INSTANTIATE_TEST_SUITE_P(Mine, BackendOps,
//                            Combine(Values(kMine), ValuesIn(AllOpCases())), OpName);

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "compute/backend.h"
#include "support/graph/op_cases.h"

namespace attune::testing {

struct BackendUnderTest {
  std::string name;
  std::function<std::unique_ptr<Backend>()> make;
  // Whether it can look at every value of a program, or only at those that leave a part
  // of it.
  bool sees_inside = true;
};

// How far a result may lie from the double interpreter's, relative to one plus
// the largest entry of that result.
struct Tolerances {
  // Sums of at most some hundred products, each rounded at 2^-24, and vector
  // exp and tanh that are off by a few units in the last place.
  double f32 = 2e-5;
  // bf16 keeps 8 bits: each operand of a product is off by up to 2^-9.
  double bf16 = 3e-2;
  // Added where a program casts to 16 bits: half a unit of the last place for
  // the value and as much for its gradient, which is cast too.
  double stored_bf16 = 0x1p-7;
  double stored_f16 = 0x1p-10;
};

class BackendContract : public ::testing::TestWithParam<BackendUnderTest> {
 protected:
  std::unique_ptr<Backend> backend_ = GetParam().make();
};

class BackendOps : public ::testing::TestWithParam<std::tuple<BackendUnderTest, OpCase>> {
 protected:
  const OpCase& op_case() const { return std::get<1>(GetParam()); }
  std::unique_ptr<Backend> backend_ = std::get<0>(GetParam()).make();
};

// A compiled program and all the storage it reads.
class CompiledProgram {
 public:
  static Result<CompiledProgram> Compile(Backend* backend, const OpProgram& program,
                                         const CompileOptions& options = {});

  Executable& executable() { return *executable_; }
  Status Run() { return executable_->Run(); }
  // Storage bound to a trainable parameter or a cache.
  Tensor& bound(const std::string& name) { return bound_.at(name); }
  // Every output, widened.
  Result<std::map<std::string, std::vector<float>>> Outputs();

 private:
  std::vector<std::string> output_names_;
  std::map<std::string, Tensor> frozen_;
  std::map<std::string, Tensor> bound_;
  std::unique_ptr<Executable> executable_;
};

// `data` as a tensor of `type`.
Tensor MakeTensor(const ValueType& type, const std::vector<double>& data);

// Compiles, runs and compares every output with the double interpreter.
void ExpectMatchesReference(Backend* backend, const OpProgram& program, double tolerance,
                            const CompileOptions& options = {});

inline void PrintTo(const BackendUnderTest& backend, std::ostream* out) { *out << backend.name; }

inline std::string BackendName(const ::testing::TestParamInfo<BackendUnderTest>& info) {
  return info.param.name;
}
inline std::string BackendOpName(
    const ::testing::TestParamInfo<std::tuple<BackendUnderTest, OpCase>>& info) {
  return std::get<0>(info.param).name + "_" + std::get<1>(info.param).name;
}

}  // namespace attune::testing
