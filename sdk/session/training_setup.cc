#include "session/training_setup.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked_math.h"
#include "base/strings.h"
#include "formats/hf_config.h"
#include "models/decoder.h"
#include "session/lora_targets.h"

namespace attune {
namespace {

constexpr std::int64_t kDefaultRow = 128;
constexpr std::int64_t kMaxRank = 4096;

Status CheckRange(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return OkStatus();
  return InvalidArgument(StrCat(name, " ", value, ", allowed ", low, " to ", high));
}

double RateOf(const TrainingOptions& options, bool full) {
  if (options.learning_rate != 0) return options.learning_rate;
  return full ? 5e-4 : 1e-3;
}

ScheduleConfig ScheduleOf(const TrainingOptions& options, bool full) {
  ScheduleConfig schedule;
  schedule.peak = RateOf(options, full);
  schedule.total_steps = options.steps;
  schedule.warmup_steps = options.warmup_steps >= 0 ? options.warmup_steps : options.steps / 20;
  schedule.final_fraction = options.final_rate_fraction;
  switch (options.decay) {
    case RateDecay::kConstant:
      schedule.decay = Decay::kConstant;
      break;
    case RateDecay::kLinear:
      schedule.decay = Decay::kLinear;
      break;
    case RateDecay::kCosine:
      schedule.decay = Decay::kCosine;
      break;
  }
  return schedule;
}

// Powers of two below the row length, then the row length.
std::vector<std::int64_t> BucketsUpTo(std::int64_t row) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t length = 16; length < row; length *= 2) lengths.push_back(length);
  lengths.push_back(row);
  return lengths;
}

}  // namespace

Result<LanguageModelWeights> OpenBase(FileSystem& files, const PersonalizeOptions& options) {
  if (!options.from_scratch) return LoadModel(files, options.model);
  LanguageModelWeights base;
  ATTUNE_ASSIGN_OR_RETURN(base.config, ReadHfConfig(files, options.model));
  for (auto& [name, tensor] : InitialWeights(base.config, options.training.seed)) {
    base.parameters += tensor.shape().elements();
    base.copied_bytes += tensor.bytes();
    base.copies.push_back(std::move(tensor));
    base.views[name] = base.copies.back().view();
  }
  return base;
}

Status CheckOptions(const PersonalizeOptions& options) {
  if (options.output.empty()) return InvalidArgument("no output directory");
  if (options.from_scratch && !options.full) {
    return InvalidArgument("from_scratch trains all weights: it needs full");
  }
  ATTUNE_RETURN_IF_ERROR(CheckRange("held-out fraction", options.held_out_fraction, 0, 0.9));
  ATTUNE_RETURN_IF_ERROR(
      CheckRange("held-out messages", static_cast<double>(options.held_out_messages), 1, 1e9));
  return CheckOptions(options.training);
}

Status CheckOptions(const TrainingOptions& options) {
  if (!options.targets.empty() && !options.target_pattern.empty()) {
    return InvalidArgument("target modules by name and by pattern: choose one");
  }
  ATTUNE_RETURN_IF_ERROR(
      CheckRange("rank", static_cast<double>(options.rank), 1, static_cast<double>(kMaxRank)));
  ATTUNE_RETURN_IF_ERROR(CheckRange("alpha", options.alpha, 1e-6, 1e6));
  ATTUNE_RETURN_IF_ERROR(CheckRange("dropout", options.dropout, 0, 0.9));
  ATTUNE_RETURN_IF_ERROR(CheckRange("patience", static_cast<double>(options.patience), 0, 1 << 16));
  ATTUNE_RETURN_IF_ERROR(CheckRange("noise multiplier", options.noise_multiplier, 0, 1000));
  ATTUNE_RETURN_IF_ERROR(CheckRange("privacy delta", options.privacy_delta, 1e-30, 0.5));
  ATTUNE_RETURN_IF_ERROR(CheckRange("batch", static_cast<double>(options.batch), 1, 1 << 16));
  return CheckRange("micro-batches", static_cast<double>(options.micro_batches), 1, 1 << 16);
}

PeftConfig PeftConfigOf(const TrainingOptions& options, const DecoderConfig& model) {
  PeftConfig peft;
  peft.rank = options.rank;
  peft.alpha = options.alpha;
  peft.dropout = options.dropout;
  peft.use_rslora = options.rslora;
  peft.fan_in_fan_out = model.family == DecoderFamily::kGpt2;
  if (!options.target_pattern.empty()) {
    peft.target_modules = TargetRegex{options.target_pattern};
  } else if (!options.targets.empty()) {
    peft.target_modules = TargetNames(options.targets);
  } else {
    peft.target_modules = TargetAllLinear{};
  }
  return peft;
}

Result<std::int64_t> RowLength(const TrainingOptions& options, const DecoderConfig& model) {
  if (options.sequence == 0) return std::min(kDefaultRow, model.max_positions);
  if (options.sequence < 2 || options.sequence > model.max_positions) {
    return InvalidArgument(StrCat("sequences of ", options.sequence,
                                  " tokens, the model allows 2 to ", model.max_positions));
  }
  return options.sequence;
}

TrainConfig TrainConfigOf(const TrainingOptions& options, bool full, std::int64_t row_length,
                          std::int64_t labels) {
  TrainConfig config;
  config.sampler.packed = options.packed;
  config.sampler.seed = options.seed;
  config.sampler.lengths =
      options.packed ? std::vector<std::int64_t>{row_length} : BucketsUpTo(row_length);
  // A batch larger than the data would be padding.
  const std::int64_t rows = std::max<std::int64_t>(CeilDiv(labels, row_length), 1);
  config.sampler.batch = options.packed ? std::min(options.batch, rows) : options.batch;
  config.micro_batches = options.micro_batches;
  config.privacy.noise_multiplier = options.noise_multiplier;
  if (config.privacy.on()) {  // Examples one by one.
    config.sampler.packed = false;
    config.sampler.lengths = BucketsUpTo(row_length);
    config.sampler.batch = 1;
    config.micro_batches = options.batch * options.micro_batches;
  }
  config.optimizer.kind = options.sgd ? OptimizerKind::kSgd : OptimizerKind::kAdamW;
  config.optimizer.beta2 = options.beta2;
  config.optimizer.weight_decay = options.weight_decay;
  config.schedule = ScheduleOf(options, full);
  config.clip_norm = options.clip_norm;
  config.lora_plus_ratio = options.lora_plus_ratio;
  const bool bf16 = options.arithmetic == Arithmetic::kBf16;
  config.compile.precision = bf16 ? Precision::kBf16 : Precision::kF32;
  config.compile.pack_weights = options.pack_weights;
  config.memory_budget_bytes = options.memory_budget_bytes;
  return config;
}

LossScaleConfig LossScaleOf(const Backend& backend) {
  LossScaleConfig scale;
  if (!backend.half_precision()) return scale;
  scale.initial = 0x1p10;
  scale.growth_interval = 200;
  scale.maximum = 0x1p16;
  return scale;
}

EvaluationSetup EvaluationSetupOf(const TrainingOptions& options, std::int64_t row_length,
                                  std::int64_t labels) {
  TrainingOptions testing = options;
  testing.noise_multiplier = 0;  // A matter of learning.
  const TrainConfig config =
      TrainConfigOf(testing, /*full=*/false, row_length, std::max<std::int64_t>(labels, 1));
  EvaluationSetup setup{config.sampler, config.compile};
  setup.compile.pack_weights = false;
  return setup;
}

Result<LoraSpec> LoraSpecOf(const LanguageModelWeights& base, const PeftConfig& peft) {
  LossGraphOptions smallest;
  smallest.length = 2;
  ATTUNE_ASSIGN_OR_RETURN(const Graph graph, BuildLossGraph(base.config, base.views, smallest));
  LoraSpec spec;
  ATTUNE_ASSIGN_OR_RETURN(spec.modules, SelectModules(peft, LinearModules(graph)));
  spec.dropout = static_cast<float>(peft.dropout);
  return spec;
}

TrainerParts PartsOf(const Platform& platform, const LanguageModelWeights& base,
                     const LoraSpec& lora) {
  TrainerParts parts{platform.backend, platform.parallel, platform.clock, {}, {}};
  const bool full = lora.modules.empty();
  parts.build = [&base, lora, full](const BatchShape& shape) -> Result<Graph> {
    LossGraphOptions options;
    options.batch = shape.batch;
    options.length = shape.length;
    options.packed = shape.packed;
    options.trainable = full;
    ATTUNE_ASSIGN_OR_RETURN(Graph graph, BuildLossGraph(base.config, base.views, options));
    if (!full) ATTUNE_RETURN_IF_ERROR(InjectLora(&graph, lora).status());
    return graph;
  };
  if (!full) parts.frozen = base.views;
  return parts;
}

std::int64_t StateBytes(const LanguageModelWeights& base, const LoraSpec& lora,
                        const TrainConfig& config) {
  std::vector<Trainable> trainables;
  for (const LoraModule& module : lora.modules) {
    const auto it = base.views.find(module.module + ".weight");
    if (it == base.views.end()) continue;
    // A is [rank, in] and B [out, rank], whichever way round the weight is.
    for (const int axis : {0, 1}) {
      trainables.push_back({"", {module.rank, it->second.shape[axis]}});
    }
  }
  if (lora.modules.empty()) {
    for (const auto& [name, view] : base.views) trainables.push_back({name, view.shape});
  }
  return TrainingState::Bytes(trainables, config.optimizer.moments(), config.keeps_best);
}

void InitializeParameters(const LanguageModelWeights& base, std::uint64_t seed,
                          TrainingState* state) {
  InitializeLora(state, seed);
  for (std::size_t i = 0; i < state->trainables().size(); ++i) {
    const auto it = base.views.find(state->trainables()[i].name);
    if (it == base.views.end()) continue;
    const std::span<float> parameter = state->parameter(i);
    for (std::size_t e = 0; e < parameter.size(); ++e) {
      parameter[e] = ElementAsF32(it->second, static_cast<std::int64_t>(e));
    }
  }
}

}  // namespace attune
