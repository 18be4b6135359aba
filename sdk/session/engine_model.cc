#include "session/engine_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/strings.h"
#include "graph/passes/passes.h"
#include "session/dataset.h"
#include "session/model_tokenizer.h"
#include "session/training_output.h"
#include "session/training_setup.h"
#include "train/bucket_graph.h"

namespace attune::engine {
namespace {

// Programs are made for these lengths and those of twice as many tokens, and so on.
constexpr std::int64_t kShortestRow = 16;

TrainingOptions TrainingOptionsOf(const LoadOptions& options) {
  TrainingOptions training;
  training.rank = options.rank;
  training.alpha = options.alpha;
  training.targets = options.targets;
  training.seed = options.seed;
  training.arithmetic = options.arithmetic;
  return training;
}

}  // namespace

Result<std::unique_ptr<Model::Impl>> Model::Impl::Load(const Platform& platform,
                                                       const std::string& path,
                                                       const LoadOptions& options) {
  std::unique_ptr<Impl> impl(new Impl(platform));
  ATTUNE_RETURN_IF_ERROR(impl->Prepare(path, options));
  return impl;
}

Status Model::Impl::Prepare(const std::string& path, const LoadOptions& options) {
  const TrainingOptions training = TrainingOptionsOf(options);
  ATTUNE_RETURN_IF_ERROR(CheckOptions(training));
  path_ = path;
  tokenizer_path_ = options.tokenizer;
  if (options.arithmetic == Arithmetic::kBf16) compile_.precision = Precision::kBf16;
  ATTUNE_ASSIGN_OR_RETURN(base_, LoadModel(*platform_.files, path));
  if (!options.full) {
    peft_ = PeftConfigOf(training, base_.config);
    ATTUNE_ASSIGN_OR_RETURN(lora_, LoraSpecOf(base_, peft_));
  }
  parts_ = PartsOf(platform_, base_, lora_);
  loss_scale_ = LossScale(LossScaleOf(*platform_.backend));
  ATTUNE_ASSIGN_OR_RETURN(const Graph smallest, parts_.build({.batch = 1, .length = 2}));
  MakeParameters(TrainablesOf(smallest));
  InitializeParameters(base_, options.seed, state_.get());
  return OkStatus();
}

void Model::Impl::MakeParameters(std::vector<Trainable> trainables) {
  std::int64_t total = 0;
  for (const Trainable& trainable : trainables) {
    gradient_offsets_.push_back(total);
    total += trainable.shape.elements();
  }
  gradients_ = Tensor(DType::kF32, {total});
  state_ = std::make_unique<TrainingState>(std::move(trainables), /*moments=*/0);
  for (std::size_t i = 0; i < state_->trainables().size(); ++i) {
    const Trainable& trainable = state_->trainables()[i];
    Parameter parameter{trainable.name, {}, state_->parameter(i), gradient(i)};
    for (int axis = 0; axis < trainable.shape.rank(); ++axis) {
      parameter.shape.push_back(trainable.shape[axis]);
    }
    parameters_.push_back(std::move(parameter));
  }
}

std::span<float> Model::Impl::gradient(std::size_t index) {
  return gradients_.f32().subspan(
      static_cast<std::size_t>(gradient_offsets_[index]),
      static_cast<std::size_t>(state_->trainables()[index].shape.elements()));
}

Result<Batch> Model::Impl::Encode(const std::vector<std::string>& texts) {
  if (tokenizer_ == nullptr) {
    ATTUNE_ASSIGN_OR_RETURN(
        tokenizer_, OpenModelTokenizer(*platform_.files, path_, tokenizer_path_, base_.config));
  }
  std::vector<std::vector<std::int32_t>> rows;
  for (const std::string& text : texts) {
    Message message;
    message.text = text;
    ATTUNE_ASSIGN_OR_RETURN(TrainingExample example, EncodeMessage(*tokenizer_, message));
    const auto tokens = static_cast<std::int64_t>(example.ids.size()) - 1;
    if (tokens > base_.config.max_positions) {
      return InvalidArgument(StrCat("text ", rows.size(), ": ", tokens,
                                    " tokens, the model allows ", base_.config.max_positions));
    }
    rows.push_back(std::move(example.ids));
  }
  return Batch::NextToken(rows);
}

Result<BatchShape> Model::Impl::ShapeOf(const Batch& batch) const {
  if (batch.ids.empty() || batch.ids.size() != batch.labels.size()) {
    return InvalidArgument(
        StrCat("a batch of ", batch.ids.size(), " rows and ", batch.labels.size(), " of labels"));
  }
  std::size_t longest = 0;
  std::int64_t labels = 0;
  for (std::size_t row = 0; row < batch.ids.size(); ++row) {
    const auto& ids = batch.ids[row];
    if (ids.size() != batch.labels[row].size()) {
      return InvalidArgument(
          StrCat("row ", row, ": ", ids.size(), " tokens, ", batch.labels[row].size(), " labels"));
    }
    longest = std::max(longest, ids.size());
    for (std::size_t t = 0; t < ids.size(); ++t) {
      labels += batch.labels[row][t] >= 0 ? 1 : 0;
      for (const std::int32_t token : {ids[t], batch.labels[row][t]}) {
        if (token < base_.config.vocabulary && (token >= 0 || token != ids[t])) continue;
        return InvalidArgument(StrCat("row ", row, ", token ", t, ": ", token, ", must be in [0, ",
                                      base_.config.vocabulary, ")"));
      }
    }
  }
  if (labels == 0) return InvalidArgument("a batch without a label");
  const auto needed = static_cast<std::int64_t>(longest);
  if (needed > base_.config.max_positions) {
    return InvalidArgument(
        StrCat("a row of ", needed, " tokens, the model allows ", base_.config.max_positions));
  }
  std::int64_t length = kShortestRow;
  while (length < needed) length *= 2;
  return BatchShape{static_cast<std::int64_t>(batch.ids.size()),
                    std::min(length, base_.config.max_positions), /*packed=*/false};
}

Result<std::size_t> Model::Impl::ProgramFor(const BatchShape& shape, bool with_gradients) {
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    if (programs_[i].shape == shape && programs_[i].with_gradients == with_gradients) return i;
  }
  Program program;
  program.shape = shape;
  program.with_gradients = with_gradients;
  ATTUNE_ASSIGN_OR_RETURN(Graph graph, parts_.build(shape));
  if (with_gradients) {
    ATTUNE_RETURN_IF_ERROR(MakeTrainingGraph(&graph));
  } else {
    Optimize(&graph);
  }
  ATTUNE_ASSIGN_OR_RETURN(program.executable,
                          platform_.backend->Compile(graph, parts_.frozen, compile_));
  for (std::size_t i = 0; i < state_->trainables().size(); ++i) {
    ATTUNE_RETURN_IF_ERROR(program.executable->Bind(state_->trainables()[i].name,
                                                    std::as_writable_bytes(state_->parameter(i))));
  }
  ATTUNE_ASSIGN_OR_RETURN(program.feeds, LossFeeds::Find(*program.executable, shape));
  if (with_gradients) {
    ATTUNE_ASSIGN_OR_RETURN(const auto seed, program.executable->Input(kLossSeedInput));
    program.loss_seed = AsF32(seed);
  }
  programs_.push_back(std::move(program));
  return programs_.size() - 1;
}

void Model::Impl::FillBatch(const Batch& batch, const BatchShape& shape) {
  const auto tokens = static_cast<std::size_t>(shape.tokens());
  for (auto* field : {&feed_.ids, &feed_.positions, &feed_.targets, &feed_.lo, &feed_.hi}) {
    field->assign(tokens, 0);
  }
  feed_.weights.assign(tokens, 0.0f);
  feed_.labels = 0;
  std::size_t at = 0;
  for (std::size_t row = 0; row < batch.ids.size(); ++row) {
    const auto& ids = batch.ids[row];
    for (std::size_t t = 0; t < static_cast<std::size_t>(shape.length); ++t, ++at) {
      // Padding starts to count anew, as the trainer's does.
      feed_.positions[at] = static_cast<std::int32_t>(t < ids.size() ? t : t - ids.size());
      if (t >= ids.size()) continue;
      feed_.ids[at] = ids[t];
      const std::int32_t label = batch.labels[row][t];
      if (label < 0) continue;
      feed_.targets[at] = label;
      feed_.weights[at] = 1.0f;
      ++feed_.labels;
    }
  }
}

Result<double> Model::Impl::Run(const Batch& batch, bool with_gradients, std::int64_t* labels,
                                std::size_t* index) {
  ATTUNE_ASSIGN_OR_RETURN(const BatchShape shape, ShapeOf(batch));
  ATTUNE_ASSIGN_OR_RETURN(*index, ProgramFor(shape, with_gradients));
  Program& program = programs_[*index];
  FillBatch(batch, shape);
  *labels = feed_.labels;
  program.feeds.Write(feed_, static_cast<float>(1.0 / static_cast<double>(feed_.labels)));
  if (with_gradients) {
    program.loss_seed[0] = loss_scale_.scale();
    ++runs_;
  }
  ATTUNE_RETURN_IF_ERROR(program.executable->Run());
  ATTUNE_ASSIGN_OR_RETURN(const TensorView loss, program.executable->Output(kLossOutput));
  return static_cast<double>(loss.f32()[0]);
}

Status Model::Impl::AddGradients(std::size_t index) {
  Program& program = programs_[index];
  added_run_ = runs_;
  // A power of two: taking it off again changes no bit.
  const float inverse = 1.0f / program.loss_seed[0];
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView view,
                            program.executable->Output(GradientOutput(parameters_[i].name)));
    const std::span<const float> add = view.f32();
    const std::span<float> sum = gradient(i);
    for (std::size_t e = 0; e < sum.size(); ++e) {
      sum[e] = gradients_empty_ ? add[e] * inverse : sum[e] + add[e] * inverse;
    }
  }
  gradients_empty_ = false;
  return OkStatus();
}

void Model::Impl::ZeroGrad() {
  std::memset(gradients_.data(), 0, static_cast<std::size_t>(gradients_.bytes()));
  gradients_empty_ = true;
}

Status Model::Impl::LoadPeft(const std::string& directory) {
  if (lora_.modules.empty()) return FailedPrecondition("the model trains every weight");
  ATTUNE_ASSIGN_OR_RETURN(const PeftAdapter adapter, ReadPeftAdapter(*platform_.files, directory));
  if (adapter.modules.size() != lora_.modules.size()) {
    return InvalidArgument(
        StrCat(adapter.modules.size(), " modules, the model adapts ", lora_.modules.size()));
  }
  std::vector<std::pair<std::span<float>, TensorView>> copies;
  for (const LoraModule& module : lora_.modules) {
    const auto it = adapter.modules.find(module.module);
    const bool fits = it != adapter.modules.end() && it->second.a.shape[0] == module.rank &&
                      static_cast<float>(it->second.scale) == module.scale;
    if (!fits) {
      return InvalidArgument(
          StrCat(module.module, ": no pair of rank ", module.rank, " and scale ", module.scale));
    }
    copies.push_back({state_->Find(module.module + ".lora_A.weight"), it->second.a});
    copies.push_back({state_->Find(module.module + ".lora_B.weight"), it->second.b});
    for (const auto& [to, from] : {copies.end()[-2], copies.end()[-1]}) {
      if (static_cast<std::int64_t>(to.size()) == from.shape.elements()) continue;
      return InvalidArgument(StrCat(module.module, ": ", from.shape.ToString(), ", the model has ",
                                    to.size(), " elements"));
    }
  }
  for (const auto& [to, from] : copies) {
    const Tensor widened = ToF32(from);
    std::copy_n(widened.f32().data(), to.size(), to.data());
  }
  return OkStatus();
}

Status Model::Impl::SavePeft(const std::string& directory) {
  if (lora_.modules.empty()) return FailedPrecondition("the model trains every weight");
  ATTUNE_ASSIGN_OR_RETURN(const PeftFiles files, FormatAdapter(peft_, lora_, *state_, {}));
  ATTUNE_RETURN_IF_ERROR(platform_.files->CreateDirectories(directory));
  return WritePeftAdapter(*platform_.files, directory, files);
}

}  // namespace attune::engine
