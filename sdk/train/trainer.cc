#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "train/bucket_graph.h"
#include "train/feeds.h"
#include "train/trainer_bucket.h"
#include "train/trainer_plan.h"

namespace attune {

Trainer::Trainer(const TrainerParts& parts, const TrainConfig& config, Plan plan)
    : backend_(parts.backend),
      parallel_(parts.parallel),
      clock_(parts.clock),
      config_(config),
      sampler_(std::move(plan.sampler)),
      memory_(plan.memory),
      loss_scale_(config.loss_scale) {
  std::vector<std::int64_t> sizes;
  for (const Trainable& trainable : plan.trainables) sizes.push_back(trainable.shape.elements());
  optimizer_ = std::make_unique<Optimizer>(config.optimizer, *parallel_, sizes);
  const int moments = config.optimizer.moments();
  state_ = std::make_unique<TrainingState>(std::move(plan.trainables), moments, config.keeps_best);
  state_->progress.loss_scale = loss_scale_.scale();
  state_->progress.fingerprint = plan.fingerprint;
  state_->progress.noise_seed = config_.privacy.seed;
  if (config_.micro_batches > 1 || config_.privacy.on()) {
    std::int64_t total = 0;
    for (std::int64_t size : sizes) total += size;
    gradient_sums_ = Tensor(DType::kF32, {total});
  }
  for (std::size_t i = 0; i < state_->trainables().size(); ++i) {
    ParameterSpan span;
    span.parameter = state_->parameter(i).data();
    if (moments > 0) span.first_moment = state_->moment(0, i).data();
    if (moments > 1) span.second_moment = state_->moment(1, i).data();
    span.size = sizes[i];
    span.rate_factor = state_->trainables()[i].rate_factor;
    span.decay_factor = state_->trainables()[i].decay_factor;
    spans_.push_back(span);
  }
  for (std::int64_t m = 0; m < config_.micro_batches; ++m) batches_.push_back(sampler_.NewBatch());
}

Trainer::~Trainer() = default;

Result<std::unique_ptr<Trainer>> Trainer::Create(TrainerParts parts, const TrainConfig& config,
                                                 std::vector<TrainingExample> examples,
                                                 MemoryEstimate* estimate) {
  ATTUNE_ASSIGN_OR_RETURN(Plan plan, MakePlan(parts, config, std::move(examples), estimate));
  const std::vector<Graph> graphs = std::move(plan.graphs);
  auto trainer = std::unique_ptr<Trainer>(new Trainer(parts, config, std::move(plan)));
  ATTUNE_RETURN_IF_ERROR(trainer->Compile(parts.frozen, graphs));
  return trainer;
}

Status Trainer::Compile(const FrozenParameters& frozen, const std::vector<Graph>& graphs) {
  for (std::size_t i = 0; i < graphs.size(); ++i) {
    auto bucket = std::make_unique<Bucket>();
    ATTUNE_ASSIGN_OR_RETURN(bucket->executable,
                            backend_->Compile(graphs[i], frozen, config_.compile));
    ATTUNE_RETURN_IF_ERROR(BindBucket(bucket.get(), sampler_.shapes()[i]));
    buckets_.push_back(std::move(bucket));
  }
  return OkStatus();
}

Status Trainer::BindBucket(Bucket* bucket, const BatchShape& shape) {
  Executable& executable = *bucket->executable;
  for (std::size_t i = 0; i < state_->trainables().size(); ++i) {
    const std::string& name = state_->trainables()[i].name;
    ATTUNE_RETURN_IF_ERROR(executable.Bind(name, std::as_writable_bytes(state_->parameter(i))));
    bucket->gradients.push_back(GradientOutput(name));
  }
  ATTUNE_ASSIGN_OR_RETURN(bucket->feeds, LossFeeds::Find(executable, shape));
  ATTUNE_ASSIGN_OR_RETURN(const std::span<std::byte> seed, executable.Input(kLossSeedInput));
  bucket->loss_seed = AsF32(seed);
  return OkStatus();
}

Result<StepReport> Trainer::Step() {
  const double start = clock_->MonotonicSeconds();
  StepReport report;
  report.step = state_->progress.step + 1;
  report.learning_rate = LearningRate(config_.schedule, state_->progress.step);
  report.loss_scale = loss_scale_.scale();
  ATTUNE_RETURN_IF_ERROR(config_.privacy.on() ? GatherPrivately(&report) : Gather(&report));
  report.gradient_norm = optimizer_->GradientNorm(spans_) / report.loss_scale;
  report.skipped = !std::isfinite(report.loss) || !std::isfinite(report.gradient_norm);
  if (report.skipped) {
    ATTUNE_RETURN_IF_ERROR(Skip(report.labels, &report));
  } else {
    Apply(report);
  }
  TrainingProgress& progress = state_->progress;
  progress.step = report.step;
  progress.cursor = sampler_.cursor();
  progress.loss_scale = loss_scale_.scale();
  progress.finite_steps = loss_scale_.finite_steps();
  report.seconds = clock_->MonotonicSeconds() - start;
  return report;
}

Status Trainer::Gather(StepReport* report) {
  for (MicroBatch& batch : batches_) {
    sampler_.Next(&batch);
    report->labels += batch.labels;
    report->tokens += sampler_.shapes()[static_cast<std::size_t>(batch.shape)].tokens();
  }
  for (std::size_t m = 0; m < batches_.size(); ++m) {
    ATTUNE_RETURN_IF_ERROR(RunMicroBatch(m, report->labels, &report->loss));
  }
  return OkStatus();
}

void Trainer::Feed(const MicroBatch& batch, std::int64_t index, std::int64_t labels) {
  Bucket& bucket = *buckets_[static_cast<std::size_t>(batch.shape)];
  bucket.feeds.Write(batch, static_cast<float>(1.0 / static_cast<double>(labels)));
  bucket.feeds.WriteDropoutSeed(
      config_.sampler.seed,
      static_cast<std::uint64_t>(state_->progress.step * config_.micro_batches + index));
  bucket.loss_seed[0] = loss_scale_.scale();
}

Status Trainer::RunMicroBatch(std::size_t index, std::int64_t labels, double* loss) {
  const MicroBatch& batch = batches_[index];
  Bucket& bucket = *buckets_[static_cast<std::size_t>(batch.shape)];
  Feed(batch, static_cast<std::int64_t>(index), labels);
  ATTUNE_RETURN_IF_ERROR(bucket.executable->Run());
  ATTUNE_ASSIGN_OR_RETURN(const TensorView part, bucket.executable->Output(kLossOutput));
  *loss += static_cast<double>(part.f32()[0]);
  return CollectGradients(bucket, index);
}

Status Trainer::CollectGradients(Bucket& bucket, std::size_t index) {
  std::size_t offset = 0;
  for (std::size_t i = 0; i < spans_.size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView gradient,
                            bucket.executable->Output(bucket.gradients[i]));
    if (batches_.size() == 1) {
      spans_[i].gradient = gradient.f32().data();
      continue;
    }
    const auto sum = gradient_sums_.f32().subspan(offset, gradient.f32().size());
    AccumulateGradient(*parallel_, gradient.f32(), index == 0, sum);
    spans_[i].gradient = sum.data();
    offset += sum.size();
  }
  return OkStatus();
}

void Trainer::Apply(const StepReport& report) {
  TrainingProgress& progress = state_->progress;
  double scale = 1.0 / report.loss_scale;
  // In private every example's gradient was clipped.
  const bool clips = config_.clip_norm > 0 && !config_.privacy.on();
  if (clips && report.gradient_norm > config_.clip_norm) {
    scale *= config_.clip_norm / report.gradient_norm;
  }
  optimizer_->Update(spans_, ++progress.updates, report.learning_rate, scale);
  progress.tokens += report.labels;
  progress.skipped_in_a_row = 0;
  loss_scale_.OnFinite();
}

Status Trainer::Skip(std::int64_t labels, StepReport* report) {
  ATTUNE_RETURN_IF_ERROR(FindCulprit(labels, &report->reason));
  report->reason = StrCat("step ", report->step, ": ", report->reason);
  loss_scale_.OnNonFinite();
  if (++state_->progress.skipped_in_a_row < config_.max_skips) return OkStatus();
  return FailedPrecondition(StrCat(state_->progress.skipped_in_a_row,
                                   " steps in a row were skipped, training has diverged; ",
                                   report->reason));
}

// Runs the micro-batches again to find the first that overflows, and in it the
// first operation and the first gradient.
Status Trainer::FindCulprit(std::int64_t labels, std::string* reason) {
  for (std::size_t m = 0; m < batches_.size(); ++m) {
    Bucket& bucket = *buckets_[static_cast<std::size_t>(batches_[m].shape)];
    Feed(batches_[m], static_cast<std::int64_t>(m), labels);
    // Gradients are looked at after a whole run: a search stops half-way.
    ATTUNE_RETURN_IF_ERROR(bucket.executable->Run());
    const std::string gradient = FirstNonFiniteGradient(bucket);
    ATTUNE_ASSIGN_OR_RETURN(const auto node, bucket.executable->FindNonFinite());
    if (!node) continue;
    *reason = gradient.empty()
                  ? StrCat("not finite: ", *node)
                  : StrCat("gradient of ", gradient, " is not finite, first at ", *node);
    return OkStatus();
  }
  *reason = "the sum of the micro-batches' gradients is not finite";
  return OkStatus();
}

std::string Trainer::FirstNonFiniteGradient(Bucket& bucket) const {
  for (std::size_t i = 0; i < bucket.gradients.size(); ++i) {
    const auto gradient = bucket.executable->Output(bucket.gradients[i]);
    if (!gradient.ok()) continue;
    const auto values = gradient->f32();
    const bool finite =
        std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
    if (!finite) return state_->trainables()[i].name;
  }
  return "";
}

std::int64_t Trainer::remaining_steps() const {
  return std::max<std::int64_t>(config_.schedule.total_steps - state_->progress.step, 0);
}

Status Trainer::Resume(const TrainingProgress& progress) {
  if (progress.fingerprint != state_->progress.fingerprint) {
    return FailedPrecondition(
        "the saved training state belongs to another configuration, model or data");
  }
  if (progress.step < 0 || progress.updates < 0 || progress.updates > progress.step) {
    return InvalidArgument(StrCat("saved training state: ", progress.updates, " updates in ",
                                  progress.step, " steps"));
  }
  LossScale scale = loss_scale_;
  ATTUNE_RETURN_IF_ERROR(scale.Restore(progress.loss_scale, progress.finite_steps));
  ATTUNE_RETURN_IF_ERROR(sampler_.Seek(progress.cursor));
  loss_scale_ = scale;
  state_->progress = progress;
  return OkStatus();
}

}  // namespace attune
