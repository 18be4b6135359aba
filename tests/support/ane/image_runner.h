// Runs emitted programs on the simulator's executor, which knows nothing of regions.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "ane/compiler/emit.h"
#include "ane/mil/parse.h"
#include "ane/simulator/executor.h"
#include "support/ane/region_interpreter.h"

namespace attune::ane::testing {

inline WeightFiles FilesOf(const ProgramImage& image) {
  WeightFiles files;
  if (!image.weights.empty()) files["@model_path/weights/weight.bin"] = image.weights;
  return files;
}

// Reads the program's inputs from `data`, by symbol, and adds its outputs.
inline Status RunImage(const ProgramImage& image, const Numerics& numerics, Parallel* parallel,
                       SurfaceData* data) {
  ATTUNE_ASSIGN_OR_RETURN(const mil::Program program, mil::Parse(image.mil));
  const WeightFiles files = FilesOf(image);
  ATTUNE_ASSIGN_OR_RETURN(const auto executor,
                          Executor::Create(program, "main", files, numerics, parallel));
  const auto surface = [](const mil::Output& symbol) {
    return static_cast<SurfaceId>(std::stoi(symbol.name.substr(1)));
  };
  std::vector<std::vector<float>> inputs, outputs;
  for (const mil::Output& parameter : executor->parameters()) {
    const Numbers& numbers = data->at(surface(parameter));
    inputs.emplace_back(numbers.begin(), numbers.end());
  }
  for (const mil::Output& result : executor->results()) {
    outputs.emplace_back(static_cast<std::size_t>(result.type.elements()));
  }
  const std::vector<std::span<const float>> in(inputs.begin(), inputs.end());
  const std::vector<std::span<float>> out(outputs.begin(), outputs.end());
  ATTUNE_RETURN_IF_ERROR(executor->Run(in, out));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    (*data)[surface(executor->results()[i])] = Numbers(outputs[i].begin(), outputs[i].end());
  }
  return OkStatus();
}

}  // namespace attune::ane::testing
