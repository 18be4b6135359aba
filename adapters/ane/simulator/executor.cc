#include "ane/simulator/executor.h"

#include <algorithm>
#include <cstring>

#include "ane/simulator/builder.h"
#include "ane/simulator/ops/emit.h"
#include "base/strings.h"

namespace attune::ane {

class Workspace {
 public:
  // Only while nothing runs.
  void Grow(std::int64_t arena, std::int64_t scratch) {
    if (arena > arena_.size()) arena_ = AlignedFloats(arena);
    if (scratch > scratch_.size()) scratch_ = AlignedFloats(scratch);
  }
  float* arena() const { return arena_.data(); }
  float* scratch() const { return scratch_.data(); }

 private:
  AlignedFloats arena_, scratch_;
};

std::shared_ptr<Workspace> MakeWorkspace() { return std::make_shared<Workspace>(); }

namespace {

// A parameter or a result, and where its values are.
struct Port {
  Place place;
  std::int64_t elements = 0;
  Rounding rounding;
};

class BuiltExecutor final : public Executor {
 public:
  BuiltExecutor(Parallel* parallel, std::shared_ptr<Workspace> workspace)
      : parallel_(*parallel), workspace_(std::move(workspace)) {}

  Status Build(const mil::Function& function, Builder* builder);

  const std::vector<mil::Output>& parameters() const override { return parameters_; }
  const std::vector<mil::Output>& results() const override { return results_; }
  std::int64_t memory_bytes() const override { return memory_bytes_; }
  const Work& work() const override { return work_; }

  Status Run(std::span<const std::span<const float>> inputs,
             std::span<const std::span<float>> outputs) override;

 private:
  void PointAtBuffers();
  Status CheckSizes(std::span<const std::span<const float>> inputs,
                    std::span<const std::span<float>> outputs) const;
  void RunLane(int worker, std::span<const std::span<const float>> inputs,
               std::span<const std::span<float>> outputs) const;

  Parallel& parallel_;
  std::shared_ptr<Workspace> workspace_;
  std::vector<mil::Output> parameters_, results_;
  std::vector<Port> in_, out_;
  std::vector<Buffer> buffers_;  // Own the constants.
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<float*> pointers_;  // By buffer.
  std::int64_t memory_bytes_ = 0;
  Work work_;
};

Port PortOf(const Value& value, const Numerics& numerics) {
  return {value.place, *ElementsOf(value.type.dims), RoundingOf(numerics, value.type.dtype)};
}

Status BuiltExecutor::Build(const mil::Function& function, Builder* builder) {
  for (const mil::Output& parameter : function.parameters) {
    ATTUNE_RETURN_IF_ERROR(builder->AddParameter(parameter, function.at));
    ATTUNE_ASSIGN_OR_RETURN(const Value value, builder->Find(parameter.name));
    in_.push_back(PortOf(value, builder->numerics()));
    parameters_.push_back(parameter);
  }
  for (const mil::Statement& statement : function.body) {
    ATTUNE_RETURN_IF_ERROR(builder->AddStatement(statement));
  }
  for (const std::string& name : function.returns) {
    ATTUNE_ASSIGN_OR_RETURN(const Value value, builder->Return(name, function.at));
    out_.push_back(PortOf(value, builder->numerics()));
    results_.push_back({value.type, name});
  }
  memory_bytes_ = builder->reserved_bytes();
  workspace_->Grow(builder->PlaceBuffers(), builder->scratch());
  buffers_ = std::move(builder->buffers());
  steps_ = std::move(builder->steps());
  work_ = builder->work();
  pointers_.resize(buffers_.size());
  return OkStatus();
}

// The workspace may have moved since the last run.
void BuiltExecutor::PointAtBuffers() {
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    if (buffer.constant != nullptr) {
      // Never written: results are buffers of their own.
      pointers_[i] = const_cast<float*>(buffer.constant->numbers.data());
    } else if (buffer.packed.size() > 0) {
      pointers_[i] = buffer.packed.data();
    } else {
      pointers_[i] = workspace_->arena() + buffer.offset;
    }
  }
}

Status BuiltExecutor::CheckSizes(std::span<const std::span<const float>> inputs,
                                 std::span<const std::span<float>> outputs) const {
  if (inputs.size() != in_.size() || outputs.size() != out_.size()) {
    return InvalidArgument(StrCat(inputs.size(), " inputs and ", outputs.size(),
                                  " outputs, the function has ", in_.size(), " and ", out_.size()));
  }
  for (std::size_t i = 0; i < in_.size(); ++i) {
    if (static_cast<std::int64_t>(inputs[i].size()) == in_[i].elements) continue;
    return InvalidArgument(StrCat("\"", parameters_[i].name, "\": ", inputs[i].size(),
                                  " elements, it has ", in_[i].elements));
  }
  for (std::size_t i = 0; i < out_.size(); ++i) {
    if (static_cast<std::int64_t>(outputs[i].size()) == out_[i].elements) continue;
    return InvalidArgument(StrCat("\"", results_[i].name, "\": ", outputs[i].size(),
                                  " elements, it has ", out_[i].elements));
  }
  return OkStatus();
}

Status BuiltExecutor::Run(std::span<const std::span<const float>> inputs,
                          std::span<const std::span<float>> outputs) {
  ATTUNE_RETURN_IF_ERROR(CheckSizes(inputs, outputs));
  PointAtBuffers();
  parallel_.Run([&](int worker) { RunLane(worker, inputs, outputs); });
  return OkStatus();
}

void BuiltExecutor::RunLane(int worker, std::span<const std::span<const float>> inputs,
                            std::span<const std::span<float>> outputs) const {
  const Lane lane = {.index = worker,
                     .count = parallel_.workers(),
                     .parallel = &parallel_,
                     .buffers = pointers_,
                     .scratch = workspace_->scratch()};
  for (std::size_t i = 0; i < in_.size(); ++i) {
    const WorkRange range = lane.Range(in_[i].elements, 64);
    EnterRow(in_[i].rounding, inputs[i].data() + range.begin, lane.At(in_[i].place) + range.begin,
             range.end - range.begin);
  }
  for (const std::unique_ptr<Step>& step : steps_) {
    lane.Barrier();
    step->Run(lane);
  }
  lane.Barrier();
  for (std::size_t i = 0; i < out_.size(); ++i) {
    const WorkRange range = lane.Range(out_[i].elements, 64);
    if (range.begin == range.end) continue;
    std::memcpy(outputs[i].data() + range.begin, lane.At(out_[i].place) + range.begin,
                static_cast<std::size_t>(range.end - range.begin) * sizeof(float));
  }
}

const mil::Function* FindFunction(const mil::Program& program, std::string_view name) {
  for (const mil::Function& function : program.functions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace

Result<std::int64_t> ArrayBytes(std::span<const mil::Output> symbols, std::int64_t most) {
  std::int64_t bytes = 0;
  for (const mil::Output& symbol : symbols) {
    const std::optional<std::int64_t> elements = ElementsOf(symbol.type.dims);
    const auto left = (most - bytes) / static_cast<std::int64_t>(sizeof(float));
    if (!elements || *elements > left) {
      return ResourceExhausted(StrCat("\"", symbol.name, "\", ", mil::ToString(symbol.type),
                                      ": memory is left for ", left, " elements of it"));
    }
    bytes += *elements * static_cast<std::int64_t>(sizeof(float));
  }
  return bytes;
}

Result<std::unique_ptr<Executor>> Executor::Create(const mil::Program& program,
                                                   std::string_view function,
                                                   const WeightFiles& weights,
                                                   const Numerics& numerics, Parallel* parallel,
                                                   const ExecutorOptions& options) {
  const mil::Function* found = FindFunction(program, function);
  if (found == nullptr) {
    return InvalidArgument(StrCat("the program has no function \"", function, "\""));
  }
  auto executor = std::make_unique<BuiltExecutor>(
      parallel, options.workspace != nullptr ? options.workspace : MakeWorkspace());
  Builder builder(weights, numerics, options.memory_bytes);
  ATTUNE_RETURN_IF_ERROR(executor->Build(*found, &builder));
  return std::unique_ptr<Executor>(std::move(executor));
}

}  // namespace attune::ane
