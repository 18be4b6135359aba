#include "attune/engine.h"

#include <cmath>
#include <utility>

#include "base/strings.h"
#include "session/engine_model.h"
#include "train/optimizer.h"

namespace attune::engine {

Batch Batch::NextToken(const std::vector<std::vector<std::int32_t>>& rows) {
  Batch batch;
  for (const auto& row : rows) {
    const auto end = row.empty() ? row.end() : row.end() - 1;
    const auto second = row.empty() ? row.end() : row.begin() + 1;
    batch.ids.emplace_back(row.begin(), end);
    batch.labels.emplace_back(second, row.end());
  }
  return batch;
}

// --- Model ---

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

Result<std::unique_ptr<Model>> Model::Load(const Platform& platform, const std::string& path,
                                           const LoadOptions& options) {
  ATTUNE_ASSIGN_OR_RETURN(auto impl, Impl::Load(platform, path, options));
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

std::span<const Parameter> Model::parameters() const { return impl_->parameters(); }
Result<Batch> Model::Encode(const std::vector<std::string>& texts) { return impl_->Encode(texts); }
void Model::ZeroGrad() { impl_->ZeroGrad(); }
double Model::loss_scale() const { return static_cast<double>(impl_->loss_scale().scale()); }
Status Model::LoadPeft(const std::string& directory) { return impl_->LoadPeft(directory); }
Status Model::SavePeft(const std::string& directory) const { return impl_->SavePeft(directory); }
std::int64_t Model::compiled_programs() const { return impl_->compiled(); }

Result<Loss> Model::Forward(const Batch& batch) {
  Loss loss;
  ATTUNE_ASSIGN_OR_RETURN(
      loss.value_, impl_->Run(batch, /*with_gradients=*/true, &loss.labels_, &loss.program_));
  loss.model_ = this;
  loss.run_ = impl_->runs();
  return loss;
}

Result<double> Model::Evaluate(const Batch& batch) {
  std::int64_t labels = 0;
  std::size_t program = 0;
  return impl_->Run(batch, /*with_gradients=*/false, &labels, &program);
}

Status Loss::Backward() {
  if (model_ == nullptr) return FailedPrecondition("this loss is of no run: call Forward()");
  Model::Impl& model = *model_->impl_;
  if (run_ != model.runs()) {
    return FailedPrecondition("the model has run forward since: its gradients are another loss's");
  }
  // The model remembers it: a loss may have been copied.
  if (model.gradients_added()) {
    return FailedPrecondition("the gradients of this loss were added before");
  }
  return model.AddGradients(program_);
}

// --- Optimizers ---

class Optimizer::Impl {
 public:
  Impl(Model::Impl& model, const OptimizerConfig& config, double rate, double clip_norm)
      : model_(model), config_(config), rate_(rate), clip_norm_(clip_norm) {
    std::vector<std::int64_t> sizes;
    for (const Parameter& parameter : model.parameters()) {
      sizes.push_back(static_cast<std::int64_t>(parameter.data.size()));
    }
    for (int m = 0; m < config.moments(); ++m) {
      std::int64_t total = 0;
      for (std::int64_t size : sizes) total += size;
      moments_[m] = Tensor(DType::kF32, {total});
    }
    MakeSpans(sizes);
    optimizer_ = std::make_unique<attune::Optimizer>(config, *model.platform().parallel, sizes);
  }

  Result<StepResult> Step() {
    ATTUNE_RETURN_IF_ERROR(Check());
    StepResult result;
    result.gradient_norm = optimizer_->GradientNorm(spans_);
    result.skipped = !std::isfinite(result.gradient_norm);
    if (result.skipped) {
      model_.loss_scale().OnNonFinite();
      return result;
    }
    const bool clips = clip_norm_ > 0 && result.gradient_norm > clip_norm_;
    optimizer_->Update(spans_, ++updates_, rate_, clips ? clip_norm_ / result.gradient_norm : 1.0);
    model_.loss_scale().OnFinite();
    return result;
  }

  void ZeroGrad() { model_.ZeroGrad(); }
  void set_rate(double rate) { rate_ = rate; }

 private:
  void MakeSpans(const std::vector<std::int64_t>& sizes) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      ParameterSpan span;
      span.parameter = model_.state().parameter(i).data();
      span.gradient = model_.gradient(i).data();
      if (config_.moments() > 0) span.first_moment = moments_[0].f32().data() + offset;
      if (config_.moments() > 1) span.second_moment = moments_[1].f32().data() + offset;
      span.size = sizes[i];
      spans_.push_back(span);
      offset += static_cast<std::size_t>(sizes[i]);
    }
  }

  Status Check() const {
    ATTUNE_RETURN_IF_ERROR(CheckOptimizer(config_));
    if (!(rate_ >= 0) || !std::isfinite(rate_)) {
      return InvalidArgument(StrCat("learning rate ", rate_, ", at least 0"));
    }
    if (clip_norm_ >= 0) return OkStatus();
    return InvalidArgument(StrCat("gradient norm limit ", clip_norm_, ", at least 0"));
  }

  Model::Impl& model_;
  OptimizerConfig config_;
  double rate_, clip_norm_;
  std::unique_ptr<attune::Optimizer> optimizer_;
  Tensor moments_[2];
  std::vector<ParameterSpan> spans_;
  std::int64_t updates_ = 0;
};

Optimizer::Optimizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Optimizer::~Optimizer() = default;
Result<StepResult> Optimizer::Step() { return impl_->Step(); }
void Optimizer::ZeroGrad() { impl_->ZeroGrad(); }
void Optimizer::set_learning_rate(double rate) { impl_->set_rate(rate); }

Sgd::Sgd(Model* model, const SgdOptions& options)
    : Optimizer(std::make_unique<Impl>(ImplOf(*model),
                                       OptimizerConfig{.kind = OptimizerKind::kSgd,
                                                       .momentum = options.momentum,
                                                       .weight_decay = options.weight_decay},
                                       options.learning_rate, options.clip_norm)) {}

AdamW::AdamW(Model* model, const AdamWOptions& options)
    : Optimizer(std::make_unique<Impl>(ImplOf(*model),
                                       OptimizerConfig{.kind = OptimizerKind::kAdamW,
                                                       .beta1 = options.beta1,
                                                       .beta2 = options.beta2,
                                                       .epsilon = options.epsilon,
                                                       .weight_decay = options.weight_decay},
                                       options.learning_rate, options.clip_norm)) {}

}  // namespace attune::engine
