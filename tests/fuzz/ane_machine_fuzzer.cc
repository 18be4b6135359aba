// Text, a zero byte and a weight file: compiled, loaded and evaluated on a simulated
// machine, and, past the catalogue of constraints, by the executor alone. Nothing
// crashes, memory is bounded, and what a chip gives is fp16 and never NaN.

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ane/mil/parse.h"
#include "ane/simulator/executor.h"
#include "ane/simulator/machine.h"
#include "base/check.h"
#include "base/half.h"

namespace attune::ane {
namespace {

constexpr char kWeights[] = "@model_path/weights/weight.bin";
constexpr std::int64_t kMemoryBytes = 4 << 20;
// Of one evaluation, so that one input takes no seconds.
constexpr double kMostFlops = 1e8;

std::vector<std::vector<std::byte>> SurfacesOf(const std::vector<SymbolLayout>& layouts) {
  std::vector<std::vector<std::byte>> surfaces;
  for (const SymbolLayout& layout : layouts) {
    surfaces.emplace_back(static_cast<std::size_t>(layout.bytes()), std::byte{0x3c});
  }
  return surfaces;
}

// The strides of buffers may ask for more than their elements.
bool IsSmall(const Symbols& symbols) {
  std::int64_t bytes = 0;
  for (const auto* layouts : {&symbols.inputs, &symbols.outputs}) {
    for (const SymbolLayout& layout : *layouts) {
      if (layout.bytes() > 16 * kMemoryBytes) return false;
      bytes += layout.bytes();
    }
  }
  return bytes <= 16 * kMemoryBytes;
}

void RunMachine(const std::string& text, const std::vector<std::byte>& weights) {
  SerialParallel parallel;
  MachineOptions options;
  options.memory_bytes = kMemoryBytes;
  Machine machine(options, &parallel);
  if (const auto error = machine.Compile("p", text, {{kWeights, weights}})) {
    ATTUNE_CHECK(!ToStatus(*error).ok());
    return;
  }
  ProgramHandle handle = 0;
  if (machine.Load("p", &handle)) return;
  for (std::int64_t i = 0; i < machine.procedures(handle); ++i) {
    const Symbols symbols = machine.symbols(handle, i);
    if (!IsSmall(symbols)) continue;
    auto in = SurfacesOf(symbols.inputs), out = SurfacesOf(symbols.outputs);
    const std::vector<std::span<std::byte>> ins(in.begin(), in.end()), outs(out.begin(), out.end());
    const auto error = machine.Evaluate(handle, i, ins, outs);
    ATTUNE_CHECK(error || machine.counters().evaluations > 0);
  }
  ATTUNE_CHECK(!machine.Unload(handle));
  ATTUNE_CHECK(machine.counters().programs == 0);
}

void CheckResults(const Executor& executor, const std::vector<std::vector<float>>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!mil::IsReal(executor.results()[i].type.dtype)) continue;
    for (const float x : results[i]) {
      ATTUNE_CHECK(!std::isnan(x) && F32FromF16(F16FromF32(x)) == x);
    }
  }
}

void RunExecutor(const std::string& text, const std::vector<std::byte>& weights,
                 const Numerics& numerics) {
  const auto program = mil::Parse(text);
  if (!program.ok()) return;
  SerialParallel parallel;
  const WeightFiles files = {{kWeights, weights}};
  for (const mil::Function& function : program->functions) {
    const auto executor = Executor::Create(*program, function.name, files, numerics, &parallel,
                                           {.memory_bytes = kMemoryBytes});
    if (!executor.ok()) {
      ATTUNE_CHECK(executor.status().message().find('\n') == std::string::npos);
      continue;
    }
    const Work& work = (*executor)->work();
    if (work.matrix_flops + 16 * work.elementwise_flops > kMostFlops) continue;
    std::vector<std::vector<float>> inputs, outputs;
    for (const mil::Output& parameter : (*executor)->parameters()) {
      inputs.emplace_back(static_cast<std::size_t>(parameter.type.elements()));
      float value = -2;
      for (float& x : inputs.back()) x = value = value > 3e4f ? -3e4f : value * 1.5f + 0.7f;
    }
    for (const mil::Output& result : (*executor)->results()) {
      outputs.emplace_back(static_cast<std::size_t>(result.type.elements()));
    }
    const std::vector<std::span<const float>> in(inputs.begin(), inputs.end());
    const std::vector<std::span<float>> out(outputs.begin(), outputs.end());
    ATTUNE_CHECK((*executor)->Run(in, out).ok());
    if (numerics.half) CheckResults(**executor, outputs);
  }
}

void Check(std::string_view input) {
  if (input.size() > (1 << 16)) return;
  const std::size_t end = input.find('\0');
  const std::string text(input.substr(0, end));
  std::vector<std::byte> weights;
  if (end != std::string_view::npos) {
    for (const char c : input.substr(end + 1)) weights.push_back(static_cast<std::byte>(c));
  }
  RunMachine(text, weights);
  RunExecutor(text, weights, NumericsOf(Chip::kM4));
  RunExecutor(text, weights, NumericsOf(Chip::kM1));
  RunExecutor(text, weights, ExactNumerics());
}

}  // namespace
}  // namespace attune::ane

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::ane::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
