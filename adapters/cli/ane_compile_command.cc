// `attune ane compile`: a model's programs, written down, and what they take.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "ane/compiler/compile.h"
#include "ane/compiler/emit.h"
#include "ane/constraints/constraint.h"
#include "ane/mil/parse.h"
#include "base/strings.h"
#include "cli/ane_commands.h"
#include "cli/ane_files.h"
#include "cli/ane_model.h"
#include "cli/ane_report.h"
#include "cli/ane_target.h"
#include "platform/platform.h"

namespace attune {
namespace {

constexpr const char* kWeightPath = "@model_path/weights/weight.bin";

struct Options {
  AneModelOptions model;
  AneTargetOptions target;
  std::string head = "cost";
  std::string storage = "fp16";
  std::string output;
  bool json = false;
};

Result<ane::CompilerOptions> CompilerOptionsOf(const Options& options) {
  ane::CompilerOptions compiler;
  ATTUNE_ASSIGN_OR_RETURN(compiler.target, options.target.target());
  if (options.head == "host") compiler.head = ane::HeadPlacement::kHost;
  if (options.head == "device") compiler.head = ane::HeadPlacement::kDevice;
  if (options.storage == "int8") compiler.weights = ane::WeightStorage::kInt8;
  if (options.storage == "palette") compiler.weights = ane::WeightStorage::kPalette4;
  return compiler;
}

Status Write(FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
  const std::span<const std::byte> parts[] = {bytes};
  return files.WriteAtomically(path, parts);
}

Status Write(FileSystem& files, const std::string& path, const std::string& text) {
  return Write(files, path, std::as_bytes(std::span(text)));
}

Status WriteProgram(FileSystem& files, const std::string& directory,
                    const ane::ProgramImage& image) {
  const std::string weights = JoinPath(directory, "weights");
  ATTUNE_RETURN_IF_ERROR(files.CreateDirectories(weights));
  ATTUNE_RETURN_IF_ERROR(Write(files, JoinPath(directory, "model.mil"), image.mil));
  if (image.weights.empty()) return OkStatus();
  return Write(files, JoinPath(weights, "weight.bin"), image.weights);
}

// What the validator, which shares nothing with the compiler, has against the text.
Result<std::int64_t> Violations(const ane::ProgramImage& image, const ane::Target& target) {
  ATTUNE_ASSIGN_OR_RETURN(const ane::mil::Program program, ane::mil::Parse(image.mil));
  ane::WeightFiles weights;
  if (!image.weights.empty()) weights[kWeightPath] = image.weights;
  std::int64_t broken = 0;
  for (const ane::Violation& violation : ane::Validate({program, &weights, target})) {
    if (!IsBroken(violation)) continue;
    ++broken;
    std::fprintf(stderr, "%d:%d: %s [%s]\n", violation.at.line, violation.at.column,
                 violation.message.c_str(), std::string(violation.rule).c_str());
  }
  return broken;
}

std::int64_t InputsOf(const ane::Region& region) {
  std::int64_t inputs = 0;
  for (const ane::IrTensor& tensor : region.tensors) {
    if (tensor.origin == ane::Origin::kSurface) ++inputs;
  }
  return inputs;
}

Result<AneWritten> WriteDown(FileSystem& files, const Options& options, const ane::Plan& plan,
                             std::size_t index, const ane::CompilerOptions& compiler) {
  const ane::Region& region = plan.programs[index].region;
  ATTUNE_ASSIGN_OR_RETURN(const ane::ProgramImage image,
                          ane::Emit(region, plan.surfaces, compiler.element));
  AneWritten written;
  char number[24];
  std::snprintf(number, sizeof number, "%04zu", index);
  written.directory = number;
  written.digest = ane::DigestOf(image);
  written.mil_bytes = static_cast<std::int64_t>(image.mil.size());
  written.weight_file_bytes = static_cast<std::int64_t>(image.weights.size());
  written.weight_tensors = static_cast<std::int64_t>(region.weights.size());
  written.inputs = InputsOf(region);
  written.outputs = static_cast<std::int64_t>(region.outputs.size());
  ATTUNE_ASSIGN_OR_RETURN(written.violations, Violations(image, compiler.target));
  if (!options.output.empty()) {
    const std::string directory = JoinPath(options.output, written.directory);
    ATTUNE_RETURN_IF_ERROR(WriteProgram(files, directory, image));
  }
  return written;
}

// AdamW reads a parameter, its gradient and two moments, and writes all but the gradient.
double OptimizerSeconds(const Graph& graph, ane::Chip chip) {
  double bytes = 0;
  for (const Value& value : graph.values()) {
    if (value.trainable) bytes += 7 * static_cast<double>(value.type.bytes());
  }
  return ane::PredictHost(ane::CostOf(chip), 0, bytes);
}

Result<AneReport> Compile(FileSystem& files, const Options& options) {
  ATTUNE_ASSIGN_OR_RETURN(const ane::CompilerOptions compiler, CompilerOptionsOf(options));
  ATTUNE_ASSIGN_OR_RETURN(const LanguageModelWeights base, OpenAneModel(files, options.model));
  ATTUNE_ASSIGN_OR_RETURN(const Graph graph, BuildAneGraph(base, options.model));
  AneReport report;
  report.model = options.model.model.empty() ? options.model.shape : BaseName(options.model.model);
  report.run = DescribeRun(options.model);
  report.target = compiler.target;
  report.parameters = base.parameters;
  const bool trainable = options.model.training() && options.model.full;
  ATTUNE_ASSIGN_OR_RETURN(
      report.plan, ane::Compile(graph, trainable ? FrozenParameters{} : base.views, compiler));
  report.cost = ane::PredictPlan(report.plan, compiler.target.chip);
  report.optimizer_seconds = OptimizerSeconds(graph, compiler.target.chip);
  for (std::size_t i = 0; i < report.plan.programs.size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(AneWritten written,
                            WriteDown(files, options, report.plan, i, compiler));
    report.written.push_back(std::move(written));
  }
  return report;
}

Result<ExitCode> Run(const Options& options) {
  if (options.model.model.empty() == options.model.shape.empty()) {
    return InvalidArgument("give --model or --shape");
  }
  const DefaultPlatform platform(1);
  FileSystem& files = *platform.get().files;
  ATTUNE_ASSIGN_OR_RETURN(const AneReport report, Compile(files, options));
  const std::string json = ReportJson(report), text = ReportText(report);
  if (!options.output.empty()) {
    ATTUNE_RETURN_IF_ERROR(files.CreateDirectories(options.output));
    ATTUNE_RETURN_IF_ERROR(Write(files, JoinPath(options.output, "report.json"), json));
    ATTUNE_RETURN_IF_ERROR(Write(files, JoinPath(options.output, "report.txt"), text));
  }
  std::printf("%s%s", options.json ? json.c_str() : text.c_str(), options.json ? "\n" : "");
  return report.violations() == 0 ? ExitCode::kOk : kFound;
}

}  // namespace

void AddAneCompileCommand(CLI::App* ane, Action* action) {
  CLI::App* command =
      ane->add_subcommand("compile", "Write a model's programs and say what they take");
  auto options = std::make_shared<Options>();
  AddAneModelOptions(command, &options->model);
  AddAneTargetOptions(command, &options->target);
  command->add_option("--head", options->head, "Where the loss is computed: cost, host, device")
      ->check(CLI::IsMember({"cost", "host", "device"}))
      ->capture_default_str();
  command->add_option("--storage", options->storage, "Of frozen weights: fp16, int8, palette")
      ->check(CLI::IsMember({"fp16", "int8", "palette"}))
      ->capture_default_str();
  command->add_option("--output", options->output,
                      "Directory for the programs and the report; none: the report is printed");
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, action] { *action = [options] { return Run(*options); }; });
}

}  // namespace attune
