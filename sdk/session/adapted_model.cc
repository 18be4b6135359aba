#include "session/adapted_model.h"

#include <bit>
#include <utility>

#include "base/strings.h"
#include "formats/json.h"
#include "graph/passes/passes.h"
#include "models/decoder.h"

namespace attune {
namespace {

constexpr std::string_view kWeight = ".weight";

// Linear layers that an adapter may name, with their extents.
struct LinearExtents {
  std::int64_t in = 0;
  std::int64_t out = 0;
};
std::map<std::string, LinearExtents> Adaptable(const DecoderConfig& config) {
  std::map<std::string, LinearExtents> linears;
  const int in_axis = config.family == DecoderFamily::kGpt2 ? 0 : 1;
  for (const ParameterSpec& spec : DecoderParameters(config)) {
    if (spec.role != ParameterRole::kProjection && spec.role != ParameterRole::kResidual) continue;
    const std::string module = spec.name.substr(0, spec.name.size() - kWeight.size());
    linears[module] = {spec.shape[in_axis], spec.shape[1 - in_axis]};
  }
  return linears;
}

Status CheckFits(const DecoderConfig& config, const PeftAdapter& adapter) {
  const auto linears = Adaptable(config);
  std::vector<std::string> problems;
  for (const auto& [module, pair] : adapter.modules) {
    const auto it = linears.find(module);
    if (it == linears.end()) {
      problems.push_back(Quoted(module) + " is no linear layer of it");
    } else if (pair.a.shape[1] != it->second.in || pair.b.shape[0] != it->second.out) {
      problems.push_back(StrCat(Quoted(module), " takes ", pair.a.shape[1], " and gives ",
                                pair.b.shape[0], ", the model's ", it->second.in, " and ",
                                it->second.out));
    }
  }
  if (problems.empty()) return OkStatus();
  return InvalidArgument("the adapter does not fit the model: " + StrJoin(problems, "; "));
}

LoraSpec SpecOf(const PeftAdapter& adapter) {
  LoraSpec spec;
  for (const auto& [module, pair] : adapter.modules) {
    spec.modules.push_back({module, pair.a.shape[0], static_cast<float>(pair.scale)});
  }
  return spec;
}

std::string KeyOf(const LoraSpec& spec) {
  std::string key;
  for (const LoraModule& module : spec.modules) {
    key += StrCat(module.module, ":", module.rank, ":", std::bit_cast<std::uint32_t>(module.scale),
                  ";");
  }
  return key;
}

std::span<std::byte> Bytes(Tensor& tensor) {
  return {tensor.data(), static_cast<std::size_t>(tensor.bytes())};
}

// Looks input slots up; the first failure is kept.
class Slots {
 public:
  explicit Slots(Executable& executable) : executable_(executable) {}
  std::span<std::int32_t> Ints(const char* name) { return AsI32(Raw(name)); }
  std::span<float> Floats(const char* name) { return AsF32(Raw(name)); }
  const Status& status() const { return status_; }

 private:
  std::span<std::byte> Raw(const char* name) {
    auto slot = executable_.Input(name);
    if (slot.ok()) return *slot;
    if (status_.ok()) status_ = slot.status();
    return {};
  }
  Executable& executable_;
  Status status_;
};

}  // namespace

AdaptedModel::AdaptedModel(const LanguageModelWeights& weights, Backend& backend,
                           const CompileOptions& options, std::int64_t capacity)
    : weights_(weights), backend_(backend), options_(options), capacity_(capacity) {}

Status AdaptedModel::SetAdapter(const PeftAdapter& adapter) {
  ATTUNE_RETURN_IF_ERROR(CheckFits(config(), adapter));
  tensors_.clear();
  for (const auto& [module, pair] : adapter.modules) {
    tensors_[module + ".lora_A.weight"] = ToF32(pair.a);
    tensors_[module + ".lora_B.weight"] = ToF32(pair.b);
  }
  spec_ = SpecOf(adapter);
  shape_key_ = KeyOf(spec_);
  ++generation_;
  return OkStatus();
}

void AdaptedModel::ClearAdapter() {
  tensors_.clear();
  spec_ = {};
  shape_key_.clear();
  ++generation_;
}

std::int64_t AdaptedModel::adapter_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) bytes += tensor.bytes();
  return bytes;
}

void AdaptedModel::DropExecutables() {
  runs_.clear();
  caches_.clear();
  ++generation_;
}

Result<std::unique_ptr<Executable>> AdaptedModel::Compile(Graph graph) {
  if (!spec_.modules.empty()) ATTUNE_RETURN_IF_ERROR(InjectLora(&graph, spec_).status());
  Optimize(&graph);
  ++compiled_;
  return backend_.Compile(graph, weights_.views, options_);
}

Status AdaptedModel::BindCaches(Executable& executable) {
  const std::int64_t width = config().kv_heads * config().head_dim;
  for (std::int64_t layer = 0; layer < config().layers; ++layer) {
    for (const char which : {'k', 'v'}) {
      const std::string name = CacheName(layer, which);
      auto it = caches_.find(name);
      if (it == caches_.end()) {
        it = caches_.emplace(name, Tensor(DType::kF32, {capacity_, width})).first;
      }
      ATTUNE_RETURN_IF_ERROR(executable.Bind(name, Bytes(it->second)));
    }
  }
  return OkStatus();
}

Status AdaptedModel::BindAdapter(Executable& executable, std::uint64_t* bound) {
  if (*bound == generation_) return OkStatus();
  for (auto& [name, tensor] : tensors_) {
    ATTUNE_RETURN_IF_ERROR(executable.Bind(name, Bytes(tensor)));
  }
  *bound = generation_;
  return OkStatus();
}

Result<LogitsRun> AdaptedModel::CompileLogits(std::int64_t tokens) {
  ATTUNE_ASSIGN_OR_RETURN(Graph graph, BuildLogitsGraph(config(), weights_.views,
                                                        {.tokens = tokens, .capacity = capacity_}));
  LogitsRun run;
  ATTUNE_ASSIGN_OR_RETURN(run.executable, Compile(std::move(graph)));
  ATTUNE_RETURN_IF_ERROR(BindCaches(*run.executable));
  Slots slots(*run.executable);
  run.ids = slots.Ints("ids");
  run.positions = slots.Ints("positions");
  run.lo = slots.Ints("lo");
  run.hi = slots.Ints("hi");
  run.cache_position = slots.Ints("cache_position");
  run.last = slots.Ints("last");
  ATTUNE_RETURN_IF_ERROR(slots.status());
  return run;
}

Result<LossRun> AdaptedModel::CompileLoss(std::int64_t length) {
  ATTUNE_ASSIGN_OR_RETURN(Graph graph,
                          BuildLossGraph(config(), weights_.views, {.length = length}));
  LossRun run;
  ATTUNE_ASSIGN_OR_RETURN(run.executable, Compile(std::move(graph)));
  Slots slots(*run.executable);
  run.ids = slots.Ints("ids");
  run.positions = slots.Ints("positions");
  run.labels = slots.Ints("labels");
  run.weights = slots.Floats("weights");
  ATTUNE_RETURN_IF_ERROR(slots.status());
  return run;
}

Result<LogitsRun*> AdaptedModel::Logits(std::int64_t tokens) {
  auto& runs = runs_[shape_key_].logits;
  auto it = runs.find(tokens);
  if (it == runs.end()) {
    ATTUNE_ASSIGN_OR_RETURN(LogitsRun run, CompileLogits(tokens));
    it = runs.emplace(tokens, std::move(run)).first;
  }
  ATTUNE_RETURN_IF_ERROR(BindAdapter(*it->second.executable, &it->second.bound));
  return &it->second;
}

Result<LossRun*> AdaptedModel::Loss(std::int64_t length) {
  auto& runs = runs_[shape_key_].loss;
  auto it = runs.find(length);
  if (it == runs.end()) {
    ATTUNE_ASSIGN_OR_RETURN(LossRun run, CompileLoss(length));
    it = runs.emplace(length, std::move(run)).first;
  }
  ATTUNE_RETURN_IF_ERROR(BindAdapter(*it->second.executable, &it->second.bound));
  return &it->second;
}

}  // namespace attune
