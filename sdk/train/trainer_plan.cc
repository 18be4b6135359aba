#include "train/trainer_plan.h"

#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "base/strings.h"
#include "graph/memory_plan.h"
#include "graph/passes/passes.h"
#include "train/bucket_graph.h"
#include "train/digest.h"
#include "train/predict.h"

namespace attune {
namespace {

// Each example's gradient has to be seen by itself.
Status CheckPrivacy(const TrainConfig& config) {
  const double noise = config.privacy.noise_multiplier;
  if (!(noise >= 0) || !std::isfinite(noise)) {
    return InvalidArgument(StrCat("noise multiplier ", noise, ", at least 0"));
  }
  if (!config.privacy.on()) return OkStatus();
  if (config.sampler.packed || config.sampler.batch != 1) {
    return InvalidArgument(StrCat("private training takes examples one by one: unpacked, batch ",
                                  config.sampler.batch, " must be 1"));
  }
  if (config.clip_norm == 0) {
    return InvalidArgument("private training needs a gradient norm limit above 0");
  }
  return OkStatus();
}

Status CheckConfig(const TrainConfig& config) {
  ATTUNE_RETURN_IF_ERROR(CheckOptimizer(config.optimizer));
  ATTUNE_RETURN_IF_ERROR(CheckSchedule(config.schedule));
  ATTUNE_RETURN_IF_ERROR(LossScale::Check(config.loss_scale));
  if (config.micro_batches < 1) {
    return InvalidArgument(StrCat(config.micro_batches, " micro-batches a step, at least 1"));
  }
  if (!(config.clip_norm >= 0)) {
    return InvalidArgument(StrCat("gradient norm limit ", config.clip_norm, ", at least 0"));
  }
  if (!(config.lora_plus_ratio > 0)) {
    return InvalidArgument(StrCat("LoRA+ ratio ", config.lora_plus_ratio, ", must be above 0"));
  }
  return CheckPrivacy(config);
}

Result<std::vector<Graph>> BuildGraphs(const TrainerParts& parts, const Sampler& sampler) {
  std::vector<Graph> graphs;
  for (const BatchShape& shape : sampler.shapes()) {
    ATTUNE_ASSIGN_OR_RETURN(Graph graph, parts.build(shape));
    ATTUNE_RETURN_IF_ERROR(MakeTrainingGraph(&graph));
    graphs.push_back(std::move(graph));
  }
  return graphs;
}

Result<std::vector<Trainable>> CommonTrainables(const std::vector<Graph>& graphs) {
  std::vector<Trainable> common = TrainablesOf(graphs[0]);
  for (const Graph& graph : graphs) {
    const std::vector<Trainable> own = TrainablesOf(graph);
    const bool equal = std::equal(
        own.begin(), own.end(), common.begin(), common.end(),
        [](const auto& a, const auto& b) { return a.name == b.name && a.shape == b.shape; });
    if (!equal) return Internal("loss graphs of two shapes train different parameters");
  }
  return common;
}

Status AddExecutables(const TrainerParts& parts, const TrainConfig& config,
                      const std::vector<Graph>& graphs, MemoryEstimate* memory) {
  memory->arena_bytes = memory->scratch_bytes = memory->packed_bytes = memory->slot_bytes = 0;
  for (const Graph& graph : graphs) {
    ATTUNE_ASSIGN_OR_RETURN(const MemoryReport report,
                            PredictProgram(*parts.backend, graph, parts.frozen, config.compile));
    memory->arena_bytes += report.arena_bytes;
    memory->scratch_bytes += report.scratch_bytes;
    memory->packed_bytes += report.packed_bytes;
    memory->slot_bytes += report.slot_bytes;
  }
  return OkStatus();
}

MemoryEstimate FixedMemory(const TrainerParts& parts, const TrainConfig& config,
                           const std::vector<Trainable>& trainables) {
  MemoryEstimate memory;
  memory.state_bytes =
      TrainingState::Bytes(trainables, config.optimizer.moments(), config.keeps_best);
  if (config.micro_batches > 1 || config.privacy.on())
    memory.gradient_bytes = TrainingState::Bytes(trainables, 0);
  memory.reserved_bytes = config.reserved_bytes;
  for (const auto& [name, view] : parts.frozen) memory.mapped_bytes += view.bytes();
  return memory;
}

// Shrinks the arenas, each by the same factor, until all fit the budget.
Status FitBudget(const TrainerParts& parts, const TrainConfig& config, std::vector<Graph>* graphs,
                 MemoryEstimate* memory) {
  ATTUNE_RETURN_IF_ERROR(AddExecutables(parts, config, *graphs, memory));
  const std::int64_t budget = config.memory_budget_bytes;
  if (budget == 0 || memory->private_bytes() <= budget) return OkStatus();
  const std::int64_t room = budget - (memory->private_bytes() - memory->arena_bytes);
  const double factor =
      std::max(0.0, static_cast<double>(room) / static_cast<double>(memory->arena_bytes));
  for (Graph& graph : *graphs) {
    const auto target = static_cast<double>(PlanMemory(graph).bytes) * factor;
    memory->recomputed += Recompute(&graph, kLossOutput, static_cast<std::int64_t>(target)).values;
  }
  ATTUNE_RETURN_IF_ERROR(AddExecutables(parts, config, *graphs, memory));
  if (memory->private_bytes() <= budget) return OkStatus();
  return ResourceExhausted(StrCat("training needs ", memory->private_bytes(),
                                  " bytes of memory, the budget is ", budget));
}

void ApplyLoraPlus(double ratio, std::vector<Trainable>* trainables) {
  for (Trainable& trainable : *trainables) {
    if (trainable.name.ends_with(".lora_B.weight")) trainable.rate_factor = ratio;
  }
}

void AddSchedule(const ScheduleConfig& schedule, Fnv1a* digest) {
  digest->Add(schedule.peak);
  digest->Add(static_cast<std::uint64_t>(schedule.warmup_steps));
  digest->Add(static_cast<std::uint64_t>(schedule.decay));
  // A constant rate does not depend on the end: such a run may be prolonged.
  if (schedule.decay == Decay::kConstant) return;
  digest->Add(static_cast<std::uint64_t>(schedule.total_steps));
  digest->Add(schedule.final_fraction);
}

// What the shapes of the trainables do not show: their scale and the dropout.
void AddAdaptation(const Graph& graph, Fnv1a* digest) {
  for (const Node& node : graph.nodes()) {
    if (const auto* dropout = std::get_if<DropoutAttrs>(&node.attributes)) {
      digest->Add(static_cast<double>(dropout->probability));
    }
    const auto* linear = std::get_if<LinearAttrs>(&node.attributes);
    if (linear == nullptr || !graph.value(node.inputs[1]).trainable) continue;
    digest->Add(static_cast<double>(linear->scale));
  }
}

// REQUIRES: a graph as it was before recomputing, which a budget decides.
std::uint64_t Fingerprint(const TrainConfig& config, const Sampler& sampler, const Graph& graph,
                          const std::vector<Trainable>& trainables) {
  Fnv1a digest;
  for (const BatchShape& shape : sampler.shapes()) {
    digest.Add(static_cast<std::uint64_t>(shape.batch));
    digest.Add(static_cast<std::uint64_t>(shape.length));
    digest.Add(std::uint64_t{shape.packed});
  }
  digest.Add(std::uint64_t{config.sampler.shuffle});
  digest.Add(config.sampler.seed);
  digest.Add(static_cast<std::uint64_t>(config.micro_batches));
  const OptimizerConfig& optimizer = config.optimizer;
  digest.Add(static_cast<std::uint64_t>(optimizer.kind));
  for (double number : {optimizer.beta1, optimizer.beta2, optimizer.epsilon, optimizer.momentum,
                        optimizer.weight_decay, config.clip_norm, config.lora_plus_ratio}) {
    digest.Add(number);
  }
  AddSchedule(config.schedule, &digest);
  if (config.privacy.on()) digest.Add(config.privacy.noise_multiplier);
  digest.Add(config.loss_scale.initial);
  digest.Add(static_cast<std::uint64_t>(config.loss_scale.growth_interval));
  digest.Add(static_cast<std::uint64_t>(config.compile.precision));
  for (const Trainable& trainable : trainables) {
    digest.Add(trainable.name);
    for (int axis = 0; axis < trainable.shape.rank(); ++axis) {
      digest.Add(static_cast<std::uint64_t>(trainable.shape[axis]));
    }
  }
  AddAdaptation(graph, &digest);
  digest.Add(Digest(sampler.examples()));
  return digest.value();
}

}  // namespace

Result<Trainer::Plan> Trainer::MakePlan(const TrainerParts& parts, const TrainConfig& config,
                                        std::vector<TrainingExample> examples,
                                        MemoryEstimate* estimate) {
  ATTUNE_RETURN_IF_ERROR(CheckConfig(config));
  ATTUNE_ASSIGN_OR_RETURN(Sampler sampler, Sampler::Create(std::move(examples), config.sampler));
  ATTUNE_ASSIGN_OR_RETURN(std::vector<Graph> graphs, BuildGraphs(parts, sampler));
  ATTUNE_ASSIGN_OR_RETURN(std::vector<Trainable> trainables, CommonTrainables(graphs));
  ApplyLoraPlus(config.lora_plus_ratio, &trainables);
  const std::uint64_t fingerprint = Fingerprint(config, sampler, graphs[0], trainables);
  MemoryEstimate memory = FixedMemory(parts, config, trainables);
  const Status fits = FitBudget(parts, config, &graphs, &memory);
  if (estimate != nullptr) *estimate = memory;
  ATTUNE_RETURN_IF_ERROR(fits);
  return Plan{std::move(sampler), std::move(graphs), std::move(trainables), memory, fingerprint};
}

Result<MemoryEstimate> Trainer::Preflight(const TrainerParts& parts, const TrainConfig& config,
                                          const std::vector<TrainingExample>& examples) {
  ATTUNE_ASSIGN_OR_RETURN(const Plan plan, MakePlan(parts, config, examples, nullptr));
  return plan.memory;
}

}  // namespace attune
