#include "train/sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/philox.h"
#include "base/strings.h"

namespace attune {
namespace {

// Rows that packing keeps open at once. Texts of any mix of lengths fill rows
// to about 98 % with this many; more gain nothing that pays for the search.
constexpr std::size_t kOpenRows = 16;

std::int64_t SizeOf(const TrainingExample& example) {
  return static_cast<std::int64_t>(example.ids.size());
}

Status CheckConfig(const SamplerConfig& config) {
  if (config.batch < 1) return InvalidArgument(StrCat("batch of ", config.batch, " rows"));
  if (config.lengths.empty()) return InvalidArgument("no row length is allowed");
  if (config.lengths.front() < 2) {
    return InvalidArgument(StrCat("row length ", config.lengths.front(), ", at least 2 needed"));
  }
  if (!std::is_sorted(config.lengths.begin(), config.lengths.end())) {
    return InvalidArgument("row lengths are not ascending");
  }
  return OkStatus();
}

}  // namespace

Result<Sampler> Sampler::Create(std::vector<TrainingExample> examples,
                                const SamplerConfig& config) {
  ATTUNE_RETURN_IF_ERROR(CheckConfig(config));
  if (examples.empty()) return InvalidArgument("no examples to learn from");
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (examples[i].labels() == 0) return InvalidArgument(StrCat("example ", i, " has no label"));
    // The last token is only ever a label, so a row needs one less.
    if (SizeOf(examples[i]) - 1 > config.lengths.back()) {
      return InvalidArgument(StrCat("example ", i, " has ", examples[i].ids.size(),
                                    " tokens, a row holds ", config.lengths.back() + 1));
    }
  }
  return Sampler(std::move(examples), config);
}

Sampler::Sampler(std::vector<TrainingExample> examples, const SamplerConfig& config)
    : config_(config), examples_(std::move(examples)) {
  FindShapes();
  const std::size_t n = examples_.size();
  order_.resize(n);
  placed_.reserve(n);
  rows_.reserve(n);
  batches_.reserve(n);
  open_.resize(config_.packed ? kOpenRows : shapes_.size());
  fill_.resize(open_.size());
  const std::int64_t most = config_.packed ? shapes_[0].length : config_.batch;
  for (auto& row : open_) row.reserve(std::min(n, static_cast<std::size_t>(most)));
  PlanEpoch();
}

void Sampler::FindShapes() {
  const auto& lengths = config_.lengths;
  shape_of_.assign(examples_.size(), 0);
  if (config_.packed) {
    shapes_ = {{config_.batch, lengths.back(), true}};
    return;
  }
  std::vector<bool> used(lengths.size(), false);
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    const auto at = std::lower_bound(lengths.begin(), lengths.end(), SizeOf(examples_[i]) - 1);
    shape_of_[i] = static_cast<int>(at - lengths.begin());
    used[static_cast<std::size_t>(shape_of_[i])] = true;
  }
  std::vector<int> index(lengths.size(), 0);
  for (std::size_t l = 0; l < lengths.size(); ++l) {
    index[l] = static_cast<int>(shapes_.size());
    if (used[l]) shapes_.push_back({config_.batch, lengths[l], false});
  }
  for (int& shape : shape_of_) shape = index[static_cast<std::size_t>(shape)];
}

void Sampler::Shuffle() {
  std::iota(order_.begin(), order_.end(), 0);
  if (!config_.shuffle) return;
  Philox random(config_.seed, static_cast<std::uint64_t>(cursor_.epoch));
  for (std::size_t i = order_.size(); i > 1; --i) {
    std::swap(order_[i - 1], order_[random.NextBelow(static_cast<std::uint32_t>(i))]);
  }
}

void Sampler::PlanEpoch() {
  Shuffle();
  placed_.clear();
  rows_.clear();
  batches_.clear();
  config_.packed ? PlanPacked() : PlanBucketed();
}

void Sampler::CloseRow(std::vector<std::int32_t>* row) {
  rows_.push_back(
      {static_cast<std::int64_t>(placed_.size()), static_cast<std::int64_t>(row->size())});
  placed_.insert(placed_.end(), row->begin(), row->end());
  row->clear();
}

void Sampler::PlanBucketed() {
  const auto flush = [this](std::size_t shape) {
    const auto first = static_cast<std::int64_t>(rows_.size());
    for (std::int32_t example : open_[shape]) {
      rows_.push_back({static_cast<std::int64_t>(placed_.size()), 1});
      placed_.push_back(example);
    }
    batches_.push_back(
        {static_cast<int>(shape), first, static_cast<std::int64_t>(open_[shape].size())});
    open_[shape].clear();
  };
  for (std::int32_t example : order_) {
    const auto shape = static_cast<std::size_t>(shape_of_[static_cast<std::size_t>(example)]);
    open_[shape].push_back(example);
    if (static_cast<std::int64_t>(open_[shape].size()) == config_.batch) flush(shape);
  }
  for (std::size_t shape = 0; shape < open_.size(); ++shape) {
    if (!open_[shape].empty()) flush(shape);
  }
}

// Best fit into a few open rows; when none has room, the fullest makes way.
void Sampler::PlanPacked() {
  const std::int64_t length = shapes_[0].length;
  std::fill(fill_.begin(), fill_.end(), 0);
  for (std::int32_t example : order_) {
    const std::int64_t need = SizeOf(examples_[static_cast<std::size_t>(example)]) - 1;
    std::size_t best = open_.size(), fullest = 0;
    for (std::size_t r = 0; r < open_.size(); ++r) {
      if (fill_[r] > fill_[fullest]) fullest = r;
      const bool fits = fill_[r] + need <= length;
      if (fits && (best == open_.size() || fill_[r] > fill_[best])) best = r;
    }
    if (best == open_.size()) {
      CloseRow(&open_[fullest]);
      fill_[fullest] = 0;
      best = fullest;
    }
    open_[best].push_back(example);
    fill_[best] += need;
  }
  for (auto& row : open_) {
    if (!row.empty()) CloseRow(&row);
  }
  const auto rows = static_cast<std::int64_t>(rows_.size());
  for (std::int64_t first = 0; first < rows; first += config_.batch) {
    batches_.push_back({0, first, std::min(config_.batch, rows - first)});
  }
}

MicroBatch Sampler::NewBatch() const {
  std::int64_t tokens = 0;
  for (const BatchShape& shape : shapes_) tokens = std::max(tokens, shape.tokens());
  MicroBatch batch;
  const auto n = static_cast<std::size_t>(tokens);
  for (auto* field : {&batch.ids, &batch.positions, &batch.targets, &batch.lo, &batch.hi}) {
    field->resize(n);
  }
  batch.weights.resize(n);
  return batch;
}

void Sampler::Next(MicroBatch* batch) {
  if (cursor_.position == epoch_size()) {
    cursor_ = {cursor_.epoch + 1, 0};
    PlanEpoch();
  }
  const Batch& plan = batches_[static_cast<std::size_t>(cursor_.position++)];
  const BatchShape& shape = shapes_[static_cast<std::size_t>(plan.shape)];
  batch->shape = plan.shape;
  batch->labels = 0;
  for (std::int64_t r = 0; r < shape.batch; ++r) {
    const Row row = r < plan.count ? rows_[static_cast<std::size_t>(plan.first + r)] : Row{0, 0};
    const std::span<const std::int32_t> placed(placed_);
    FillRow(
        placed.subspan(static_cast<std::size_t>(row.first), static_cast<std::size_t>(row.count)),
        r * shape.length, shape.length, batch);
  }
}

void Sampler::Fill(std::int64_t example, MicroBatch* batch) const {
  ATTUNE_CHECK(!config_.packed && config_.batch == 1);
  const auto index = static_cast<std::int32_t>(example);
  batch->shape = shape_of_[static_cast<std::size_t>(example)];
  batch->labels = 0;
  FillRow({&index, 1}, 0, shapes_[static_cast<std::size_t>(batch->shape)].length, batch);
}

void Sampler::FillRow(std::span<const std::int32_t> examples, std::int64_t start,
                      std::int64_t length, MicroBatch* batch) const {
  std::int64_t t = 0;
  for (const std::int32_t index : examples) {
    const TrainingExample& example = examples_[static_cast<std::size_t>(index)];
    const std::int64_t begin = t;
    for (std::int64_t p = 0; p + 1 < SizeOf(example); ++p, ++t) {
      const auto at = static_cast<std::size_t>(start + t);
      const auto from = static_cast<std::size_t>(p);
      const bool labelled = p + 1 >= example.first_label;
      batch->ids[at] = example.ids[from];
      batch->positions[at] = static_cast<std::int32_t>(p);
      batch->targets[at] = labelled ? example.ids[from + 1] : 0;
      batch->weights[at] = labelled ? 1.0f : 0.0f;
      batch->lo[at] = static_cast<std::int32_t>(begin);
      batch->hi[at] = static_cast<std::int32_t>(t + 1);
      batch->labels += labelled ? 1 : 0;
    }
  }
  for (std::int64_t pad = 0; t < length; ++t, ++pad) {
    const auto at = static_cast<std::size_t>(start + t);
    batch->ids[at] = batch->targets[at] = 0;
    batch->positions[at] = static_cast<std::int32_t>(pad);
    batch->weights[at] = 0.0f;
    // A token of padding sees itself, so that its softmax has a term.
    batch->lo[at] = static_cast<std::int32_t>(t);
    batch->hi[at] = static_cast<std::int32_t>(t + 1);
  }
}

Status Sampler::Seek(const Cursor& cursor) {
  if (cursor.epoch < 0 || cursor.position < 0) {
    return InvalidArgument(
        StrCat("data cursor at epoch ", cursor.epoch, ", batch ", cursor.position));
  }
  const Cursor before = cursor_;
  cursor_ = cursor;
  if (cursor.epoch != before.epoch) PlanEpoch();
  if (cursor.position <= epoch_size()) return OkStatus();
  Status status = InvalidArgument(StrCat("data cursor at batch ", cursor.position, " of epoch ",
                                         cursor.epoch, ", which has ", epoch_size()));
  cursor_ = before;
  if (cursor.epoch != before.epoch) PlanEpoch();
  return status;
}

}  // namespace attune
