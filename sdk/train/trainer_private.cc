// A step in private: see PrivateSgd.

#include <algorithm>
#include <cmath>

#include "base/philox.h"
#include "base/strings.h"
#include "train/bucket_graph.h"
#include "train/trainer.h"
#include "train/trainer_bucket.h"

namespace attune {
namespace {

// Which random stream a step draws from: one for the examples, one for the noise.
std::uint64_t StreamOf(std::int64_t step, int purpose) {
  return static_cast<std::uint64_t>(step) * 2 + static_cast<std::uint64_t>(purpose);
}

}  // namespace

Status Trainer::GatherPrivately(StepReport* report) {
  std::size_t offset = 0;
  const std::span<float> sums = gradient_sums_.f32();
  std::fill(sums.begin(), sums.end(), 0.0f);
  for (ParameterSpan& span : spans_) {
    span.gradient = sums.data() + offset;
    offset += static_cast<std::size_t>(span.size);
  }
  const auto examples = static_cast<std::int64_t>(sampler_.examples().size());
  const double rate =
      std::min(static_cast<double>(config_.micro_batches) / static_cast<double>(examples), 1.0);
  Philox draw(state_->progress.noise_seed, StreamOf(state_->progress.step, 0));
  for (std::int64_t i = 0; i < examples; ++i) {
    if (static_cast<double>(draw.NextU32()) >= rate * 0x1p32) continue;
    ATTUNE_RETURN_IF_ERROR(AddClipped(i, report));
  }
  if (report->labels > 0) report->loss /= static_cast<double>(report->labels);
  AddNoise(report->loss_scale);
  return OkStatus();
}

// An example whose gradient is not finite adds nothing: to skip the step for it
// would tell of it.
Status Trainer::AddClipped(std::int64_t index, StepReport* report) {
  MicroBatch& batch = batches_[0];
  sampler_.Fill(index, &batch);
  Bucket& bucket = *buckets_[static_cast<std::size_t>(batch.shape)];
  Feed(batch, index, batch.labels);
  ATTUNE_RETURN_IF_ERROR(bucket.executable->Run());
  double squares = 0;
  for (const std::string& name : bucket.gradients) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView gradient, bucket.executable->Output(name));
    for (const float x : gradient.f32()) squares += static_cast<double>(x) * x;
  }
  const double norm = std::sqrt(squares) / report->loss_scale;
  ATTUNE_ASSIGN_OR_RETURN(const TensorView loss, bucket.executable->Output(kLossOutput));
  if (!std::isfinite(norm) || !std::isfinite(loss.f32()[0])) {
    report->reason = StrCat("step ", report->step, ": examples without a finite gradient left out");
    return OkStatus();
  }
  report->loss += static_cast<double>(loss.f32()[0]) * static_cast<double>(batch.labels);
  report->labels += batch.labels;
  report->tokens += sampler_.shapes()[static_cast<std::size_t>(batch.shape)].tokens();
  const double factor = std::min(1.0, config_.clip_norm / norm);
  float* sum = gradient_sums_.f32().data();
  for (const std::string& name : bucket.gradients) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView gradient, bucket.executable->Output(name));
    for (const float x : gradient.f32()) *sum++ += static_cast<float>(factor * x);
  }
  return OkStatus();
}

void Trainer::AddNoise(double scale) {
  Philox noise(state_->progress.noise_seed, StreamOf(state_->progress.step, 1));
  const double deviation = config_.privacy.noise_multiplier * config_.clip_norm * scale;
  const double share = 1.0 / static_cast<double>(config_.micro_batches);
  for (float& x : gradient_sums_.f32()) {
    x = static_cast<float>((x + deviation * noise.NextNormal()) * share);
  }
}

}  // namespace attune
