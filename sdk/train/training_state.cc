#include "train/training_state.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/philox.h"
#include "base/strings.h"
#include "train/digest.h"

namespace attune {
namespace {

constexpr std::int64_t kAlignElements = kTensorAlignment / sizeof(float);
constexpr const char* kMomentNames[] = {".first_moment", ".second_moment"};
constexpr const char* kBestName = ".best";

std::int64_t SectionElements(std::span<const Trainable> trainables) {
  std::int64_t elements = 0;
  for (const Trainable& t : trainables) elements += RoundUp(t.shape.elements(), kAlignElements);
  return elements;
}

}  // namespace

std::int64_t TrainingState::Bytes(std::span<const Trainable> trainables, int moments,
                                  bool keeps_best) {
  const std::int64_t sections = 1 + moments + (keeps_best ? 1 : 0);
  return SectionElements(trainables) * sections * static_cast<std::int64_t>(sizeof(float));
}

TrainingState::TrainingState(std::vector<Trainable> trainables, int moments, bool keeps_best)
    : trainables_(std::move(trainables)), moments_(moments), keeps_best_(keeps_best) {
  for (const Trainable& t : trainables_) {
    offsets_.push_back(section_);
    section_ += RoundUp(t.shape.elements(), kAlignElements);
  }
  block_ = Tensor(DType::kF32, {section_ * sections()});
}

std::span<float> TrainingState::Section(int which, std::size_t index) {
  ATTUNE_CHECK(which < sections() && index < trainables_.size());
  const std::int64_t at = which * section_ + offsets_[index];
  return block_.f32().subspan(static_cast<std::size_t>(at),
                              static_cast<std::size_t>(trainables_[index].shape.elements()));
}

std::span<float> TrainingState::Find(std::string_view name) {
  for (std::size_t i = 0; i < trainables_.size(); ++i) {
    if (trainables_[i].name == name) return parameter(i);
  }
  return {};
}

std::vector<NamedBytes> TrainingState::Sections() {
  std::vector<NamedBytes> sections;
  for (int which = 0; which < this->sections(); ++which) {
    const bool best = which == 1 + moments_;
    const std::string suffix = which == 0 ? "" : best ? kBestName : kMomentNames[which - 1];
    for (std::size_t i = 0; i < trainables_.size(); ++i) {
      sections.push_back({StrCat(trainables_[i].name, suffix), trainables_[i].shape,
                          std::as_writable_bytes(Section(which, i))});
    }
  }
  return sections;
}

void TrainingState::KeepAsBest() {
  ATTUNE_CHECK(keeps_best_);
  const std::span<float> all = block_.f32();
  std::copy_n(all.begin(), section_, all.begin() + section_ * (1 + moments_));
}

void TrainingState::ReturnToBest() {
  ATTUNE_CHECK(keeps_best_);
  const std::span<float> all = block_.f32();
  std::copy_n(all.begin() + section_ * (1 + moments_), section_, all.begin());
}

void InitializeLora(TrainingState* state, std::uint64_t seed) {
  const auto& trainables = state->trainables();
  for (std::size_t i = 0; i < trainables.size(); ++i) {
    const std::string_view name = trainables[i].name;
    const std::span<float> values = state->parameter(i);
    if (name.ends_with(".lora_B.weight")) std::fill(values.begin(), values.end(), 0.0f);
    if (!name.ends_with(".lora_A.weight")) continue;
    Fnv1a stream;
    stream.Add(name);
    Philox random(seed, stream.value());
    const float bound = 1.0f / std::sqrt(static_cast<float>(trainables[i].shape.back()));
    for (float& value : values) value = (2.0f * random.NextFloat() - 1.0f) * bound;
  }
}

}  // namespace attune
