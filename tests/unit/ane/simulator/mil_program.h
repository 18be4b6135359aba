// Runs MIL text on the executor, and numbers to run it on.

#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ane/mil/parse.h"
#include "ane/simulator/executor.h"
#include "ane/simulator/numerics.h"
#include "attune/status.h"

namespace attune::ane::testing {

using Floats = std::vector<float>;

// Statements of a function "main" with its parameters and results around them.
inline std::string Main(const std::string& parameters, const std::string& body,
                        const std::string& results) {
  return "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-version\", \"3505.4.1\"}})]\n"
         "{\n  func main<ios18>(" +
         parameters + ") {\n" + body + "\n  } -> (" + results + ");\n}\n";
}

struct RunOptions {
  Numerics numerics = ExactNumerics();
  WeightFiles weights = {};
  std::string function = "main";
  Parallel* parallel = nullptr;
};

inline Result<std::unique_ptr<Executor>> Prepare(const std::string& text, const RunOptions& options,
                                                 Parallel* parallel) {
  ATTUNE_ASSIGN_OR_RETURN(const mil::Program program, mil::Parse(text));
  return Executor::Create(program, options.function, options.weights, options.numerics, parallel);
}

// The results, or why there are none.
inline Result<std::vector<Floats>> RunMil(const std::string& text,
                                          const std::vector<Floats>& inputs,
                                          const RunOptions& options = {}) {
  SerialParallel serial;
  Parallel* parallel = options.parallel != nullptr ? options.parallel : &serial;
  ATTUNE_ASSIGN_OR_RETURN(const std::unique_ptr<Executor> executor,
                          Prepare(text, options, parallel));
  std::vector<std::span<const float>> in(inputs.begin(), inputs.end());
  std::vector<Floats> outputs;
  for (const mil::Output& result : executor->results()) {
    outputs.emplace_back(static_cast<std::size_t>(result.type.elements()));
  }
  std::vector<std::span<float>> out(outputs.begin(), outputs.end());
  ATTUNE_RETURN_IF_ERROR(executor->Run(in, out));
  return outputs;
}

// Seeded and representable in fp16, of about unit size.
inline Floats Numbers(std::int64_t n, std::uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  Floats out;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto integer = static_cast<std::int32_t>(random() % 2049) - 1024;
    out.push_back(static_cast<float>(integer) / 1024.0f * scale);
  }
  return out;
}

}  // namespace attune::ane::testing
