#include "ane/simulator/compiled.h"

#include <algorithm>

#include "ane/mil/parse.h"
#include "ane/simulator/builder.h"
#include "ane/simulator/refusals.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// What the system itself checks, whatever the compiler would say.
constexpr std::string_view kOneFile = "weights.one_file";

std::string Reason(const Violation& violation) {
  return StrCat(violation.rule, ": line ", violation.at.line, ", column ", violation.at.column,
                ": ", violation.message);
}

// The rules other than the first that end the compilation: " (also: a.b, c.d)".
std::string Others(const std::vector<Violation>& violations, const Violation& first) {
  std::vector<std::string_view> rules;
  for (const Violation& violation : violations) {
    const bool known = std::find(rules.begin(), rules.end(), violation.rule) != rules.end();
    if (violation.severity != Severity::kCompile || violation.rule == first.rule || known) continue;
    rules.push_back(violation.rule);
  }
  return rules.empty() ? "" : StrCat(" (also: ", StrJoin(rules, ", "), ")");
}

// The error of the first violation that ends the compilation; keeps those that end
// something later.
std::optional<DeviceError> Judge(const std::vector<Violation>& violations,
                                 CompiledProgram* program) {
  for (const Violation& violation : violations) {
    switch (violation.severity) {
      case Severity::kCompile:
        return CompilerRefuses(Reason(violation) + Others(violations, violation));
      case Severity::kCrash:
        return CompilerDies(Reason(violation));
      case Severity::kLoad:
        program->refused_on_load = Reason(violation);
        break;
      case Severity::kEvaluate:
        program->refused_on_evaluation = Reason(violation);
        break;
      default:  // What corrupts does so by itself when it runs.
        break;
    }
  }
  return std::nullopt;
}

// Silent corruptions that concern inputs and results as a whole.
void FindCorruptions(const mil::Function& function, const Numerics& numerics,
                     Procedure* procedure) {
  if (!numerics.half) return;
  for (const auto* layouts :
       {&procedure->order.symbols.inputs, &procedure->order.symbols.outputs}) {
    for (const SymbolLayout& layout : *layouts) {
      if (layout.width < numerics.zero_below_width) procedure->reads_zero = true;
    }
  }
  for (const mil::Statement& statement : function.body) {
    if (numerics.sole_identity_is_nan && function.returns.size() == 1 &&
        statement.op == "identity" && statement.outputs[0].name == function.returns[0]) {
      procedure->reads_nan = true;
    }
  }
}

// Takes what it needs off `memory_left`.
Result<Procedure> BuildProcedure(const mil::Program& program, const mil::Function& function,
                                 const WeightFiles& weights, const Numerics& numerics,
                                 const Target& target, const std::shared_ptr<Workspace>& workspace,
                                 Parallel* parallel, std::int64_t* memory_left) {
  Procedure procedure;
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t in, ArrayBytes(function.parameters, *memory_left));
  *memory_left -= in;
  const ExecutorOptions executor_options = {.memory_bytes = *memory_left, .workspace = workspace};
  ATTUNE_ASSIGN_OR_RETURN(
      procedure.executor,
      Executor::Create(program, function.name, weights, numerics, parallel, executor_options));
  const Executor& executor = *procedure.executor;
  *memory_left -= executor.memory_bytes();
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t out, ArrayBytes(executor.results(), *memory_left));
  *memory_left -= out;
  ATTUNE_ASSIGN_OR_RETURN(procedure.order,
                          OrderOf(executor.parameters(), executor.results(), target));
  for (const mil::Output& parameter : executor.parameters()) {
    procedure.inputs.emplace_back(static_cast<std::size_t>(*ElementsOf(parameter.type.dims)));
  }
  for (const mil::Output& result : executor.results()) {
    procedure.outputs.emplace_back(static_cast<std::size_t>(*ElementsOf(result.type.dims)));
  }
  FindCorruptions(function, numerics, &procedure);
  return procedure;
}

}  // namespace

std::shared_ptr<CompiledProgram> CompileProgram(std::string_view mil, const WeightBytes& weights,
                                                const MachineOptions& options,
                                                const std::shared_ptr<Workspace>& workspace,
                                                Parallel* parallel, DeviceError* error) {
  Result<mil::Program> program = mil::Parse(mil);
  if (!program.ok()) {
    *error = CompilerRefuses(program.status().message());
    return nullptr;
  }
  auto compiled = std::make_shared<CompiledProgram>();
  WeightFiles files;
  for (const auto& [path, bytes] : weights) {
    files.emplace(path, std::span<const std::byte>(bytes));
    compiled->weight_bytes += static_cast<std::int64_t>(bytes.size());
  }
  const std::vector<Violation> violations = Validate({*program, &files, options.target});
  if (files.size() > 1 &&
      std::any_of(violations.begin(), violations.end(),
                  [](const Violation& violation) { return violation.rule == kOneFile; })) {
    *error = HashesDiffer(static_cast<int>(weights.size()));
    return nullptr;
  }
  if (const auto refused = Judge(violations, compiled.get())) {
    *error = *refused;
    return nullptr;
  }
  const Numerics numerics = options.exact ? ExactNumerics() : NumericsOf(options.target.chip);
  std::int64_t memory_left = options.memory_bytes;
  for (const mil::Function& function : program->functions) {
    Result<Procedure> procedure = BuildProcedure(*program, function, files, numerics,
                                                 options.target, workspace, parallel, &memory_left);
    if (!procedure.ok()) {
      *error = CompilerRefuses(procedure.status().message());
      return nullptr;
    }
    compiled->work += procedure->executor->work();
    compiled->procedures.push_back(*std::move(procedure));
  }
  compiled->memory_bytes = options.memory_bytes - memory_left;
  return compiled;
}

}  // namespace attune::ane
