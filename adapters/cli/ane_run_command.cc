// `attune ane run`: one evaluation of a program, on the simulator.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ane/constraints/constraint.h"
#include "ane/cost/cost.h"
#include "ane/simulator/executor.h"
#include "base/philox.h"
#include "base/strings.h"
#include "cli/ane_commands.h"
#include "cli/ane_files.h"
#include "cli/ane_target.h"
#include "cli/json_line.h"
#include "cli/npy.h"
#include "platform/platform.h"

namespace attune {
namespace {

constexpr std::int64_t kMaxElements = std::int64_t{1} << 28;
constexpr std::uint64_t kMaxFile = std::uint64_t{1} << 31;

struct Options {
  std::string program;
  std::vector<std::string> weights;
  std::vector<std::string> inputs;  // name=FILE.npy|zeros|ones|random
  std::string function;
  std::string output;
  AneTargetOptions target;
  bool exact = false;
  std::uint64_t seed = 1;
  int workers = 0;
  bool json = false;
};

struct Named {
  std::string name;
  std::vector<std::int64_t> dims;
  std::vector<float> data;
};

Result<Named> Sized(const ane::mil::Output& symbol) {
  Named named{symbol.name, symbol.type.dims, {}};
  std::int64_t elements = 1;
  for (const std::int64_t extent : named.dims) {
    if (extent < 1 || elements > kMaxElements / extent) {
      return ResourceExhausted(StrCat(symbol.name, ": more than ", kMaxElements, " elements"));
    }
    elements *= extent;
  }
  named.data.resize(static_cast<std::size_t>(elements));
  return named;
}

Status FillFromFile(FileSystem& files, const std::string& path, Named* input) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string bytes, files.Read(path, kMaxFile));
  auto array = ParseNpy(bytes, kMaxElements);
  if (!array.ok()) return Status(array.status()).WithContext(BaseName(path));
  if (array->data.size() != input->data.size()) {
    return InvalidArgument(StrCat(BaseName(path), ": ", array->data.size(), " elements, ",
                                  input->name, " has ", input->data.size()));
  }
  input->data = std::move(array->data);
  return OkStatus();
}

Status Fill(FileSystem& files, const std::string& how, std::uint64_t seed, Named* input) {
  if (how == "zeros") return OkStatus();
  if (how == "ones") {
    std::fill(input->data.begin(), input->data.end(), 1.0f);
    return OkStatus();
  }
  if (how != "random") return FillFromFile(files, how, input);
  Philox rng(seed);
  for (float& x : input->data) x = rng.NextFloat() * 2 - 1;
  return OkStatus();
}

// What each input is filled with, by name.
Result<std::map<std::string, std::string>> ParseInputs(const std::vector<std::string>& words) {
  std::map<std::string, std::string> how;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return InvalidArgument(
          StrCat("--input \"", word, "\" is not name=FILE.npy, zeros, ones or random"));
    }
    how[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return how;
}

Result<std::vector<Named>> MakeInputs(FileSystem& files, const Options& options,
                                      const std::vector<ane::mil::Output>& parameters) {
  ATTUNE_ASSIGN_OR_RETURN(auto how, ParseInputs(options.inputs));
  std::vector<Named> inputs;
  for (const ane::mil::Output& parameter : parameters) {
    ATTUNE_ASSIGN_OR_RETURN(Named input, Sized(parameter));
    const auto it = how.find(parameter.name);
    const std::string word = it == how.end() ? "random" : it->second;
    if (it != how.end()) how.erase(it);
    ATTUNE_RETURN_IF_ERROR(Fill(files, word, options.seed + inputs.size(), &input));
    inputs.push_back(std::move(input));
  }
  if (!how.empty()) {
    return InvalidArgument(StrCat("the function has no input \"", how.begin()->first, "\""));
  }
  return inputs;
}

void PrintOutput(const Named& output, bool json) {
  double sum = 0, squares = 0;
  float least = 0, most = 0;
  std::int64_t finite = 0;
  for (const float x : output.data) {
    if (!std::isfinite(x)) continue;
    least = finite == 0 ? x : std::min(least, x);
    most = finite == 0 ? x : std::max(most, x);
    sum += static_cast<double>(x);
    squares += static_cast<double>(x) * static_cast<double>(x);
    ++finite;
  }
  const double count = static_cast<double>(std::max<std::int64_t>(finite, 1));
  const auto infinite = static_cast<std::int64_t>(output.data.size()) - finite;
  const std::string shape = StrJoin(output.dims, "x");
  if (json) {
    JsonLine line;
    line.Add("event", "output").Add("name", output.name).Add("shape", shape);
    line.Add("min", static_cast<double>(least)).Add("max", static_cast<double>(most));
    line.Add("mean", sum / count).Add("rms", std::sqrt(squares / count));
    line.Add("non_finite", infinite);
    line.Print();
    return;
  }
  std::printf("%-12s %-16s min %.6g  max %.6g  mean %.6g  rms %.6g  non-finite %lld\n",
              output.name.c_str(), shape.c_str(), static_cast<double>(least),
              static_cast<double>(most), sum / count, std::sqrt(squares / count),
              static_cast<long long>(infinite));
}

Status WriteOutput(FileSystem& files, const std::string& directory, const Named& output) {
  if (output.name.find('/') != std::string::npos) {
    return InvalidArgument(StrCat(output.name, ": not a name for a file"));
  }
  const std::string bytes = NpyBytes(output.dims, output.data);
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(bytes))};
  return files.WriteAtomically(JoinPath(directory, output.name + ".npy"), parts);
}

void PrintPrediction(const ane::Work& work, const ane::Target& target, bool json) {
  const ane::Prediction one = ane::PredictEvaluation(ane::CostOf(target.chip), work);
  const double factor = ane::UncertaintyOf(target.chip);
  if (json) {
    JsonLine line;
    line.Add("event", "predicted").Add("chip", ane::ChipName(target.chip));
    line.Add("ops", work.ops).Add("matrix_flops", work.matrix_flops);
    line.Add("milliseconds", one.seconds * 1e3).Add("joules", one.joules);
    line.Add("uncertainty", factor);
    line.Print();
    return;
  }
  std::printf(
      "predicted    %.3f ms and %.3f mJ on %s, half of such within a factor of %.2f; "
      "%lld ops, %.3f GFLOP\n",
      one.seconds * 1e3, one.joules * 1e3, std::string(ane::ChipName(target.chip)).c_str(), factor,
      static_cast<long long>(work.ops), work.matrix_flops / 1e9);
}

// Of the function that was asked for, or the only one, or main.
Result<std::string> FunctionOf(const ane::mil::Program& program, const std::string& asked) {
  if (!asked.empty()) return asked;
  if (program.functions.empty()) return InvalidArgument("the program has no function");
  for (const auto& function : program.functions) {
    if (function.name == "main") return function.name;
  }
  return program.functions.front().name;
}

// Warnings on stderr: the simulator computes what a device would refuse, too.
void WarnOfViolations(const AneProgramFiles& read, const ane::Target& target) {
  for (const ane::Violation& v : ane::Validate({read.program, &read.weights, target})) {
    std::fprintf(stderr, "warning: %d:%d: %s [%s]\n", v.at.line, v.at.column, v.message.c_str(),
                 std::string(v.rule).c_str());
  }
}

// The program and what goes in and out of it share one budget.
Status CheckArrays(const ane::Executor& executor) {
  const std::int64_t left = ane::kProgramMemoryBytes - executor.memory_bytes();
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t in, ane::ArrayBytes(executor.parameters(), left));
  return ane::ArrayBytes(executor.results(), left - in).status();
}

Result<std::vector<Named>> Evaluate(ane::Executor* executor, const std::vector<Named>& inputs) {
  std::vector<Named> outputs;
  for (const ane::mil::Output& result : executor->results()) {
    ATTUNE_ASSIGN_OR_RETURN(Named output, Sized(result));
    outputs.push_back(std::move(output));
  }
  std::vector<std::span<const float>> in;
  for (const Named& input : inputs) in.emplace_back(input.data);
  std::vector<std::span<float>> out;
  for (Named& output : outputs) out.emplace_back(output.data);
  ATTUNE_RETURN_IF_ERROR(executor->Run(in, out));
  return outputs;
}

Result<ExitCode> Run(const Options& options) {
  const DefaultPlatform platform(options.workers);
  FileSystem& files = *platform.get().files;
  ATTUNE_ASSIGN_OR_RETURN(const ane::Target target, options.target.target());
  ATTUNE_ASSIGN_OR_RETURN(const AneProgramFiles read,
                          ReadAneProgram(files, options.program, options.weights));
  WarnOfViolations(read, target);
  ATTUNE_ASSIGN_OR_RETURN(const std::string function, FunctionOf(read.program, options.function));
  const ane::Numerics numerics =
      options.exact ? ane::ExactNumerics() : ane::NumericsOf(target.chip);
  ATTUNE_ASSIGN_OR_RETURN(
      const auto executor,
      ane::Executor::Create(read.program, function, read.weights, numerics, platform.get().parallel,
                            {.memory_bytes = ane::kProgramMemoryBytes}));
  ATTUNE_RETURN_IF_ERROR(CheckArrays(*executor));
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<Named> inputs,
                          MakeInputs(files, options, executor->parameters()));
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<Named> outputs, Evaluate(executor.get(), inputs));
  if (!options.output.empty()) ATTUNE_RETURN_IF_ERROR(files.CreateDirectories(options.output));
  for (const Named& output : outputs) {
    PrintOutput(output, options.json);
    if (options.output.empty()) continue;
    ATTUNE_RETURN_IF_ERROR(WriteOutput(files, options.output, output));
  }
  PrintPrediction(executor->work(), target, options.json);
  return ExitCode::kOk;
}

}  // namespace

void AddAneRunCommand(CLI::App* ane, Action* action) {
  CLI::App* command = ane->add_subcommand("run", "Evaluate a program once on the simulator");
  auto options = std::make_shared<Options>();
  command->add_option("program", options->program, "MIL text")->required();
  command->add_option("weights,--weights", options->weights,
                      "Weight file, @model_path/...=FILE, or directory; default: beside it");
  command->add_option("--input", options->inputs,
                      "name=FILE.npy, name=zeros, name=ones or name=random (default)");
  command->add_option("--function", options->function, "Default: main, or the first");
  command->add_option("--output", options->output, "Directory for the results as .npy");
  AddAneTargetOptions(command, &options->target);
  command->add_flag("--exact", options->exact, "In f32 instead of the chip's numerics");
  command->add_option("--seed", options->seed, "Of random inputs")->capture_default_str();
  command->add_option("--workers", options->workers, "Threads; 0: one a processor")
      ->check(CLI::Range(0, 256));
  command->add_flag("--json", options->json, "One JSON object a line");
  command->callback([options, action] { *action = [options] { return Run(*options); }; });
}

}  // namespace attune
