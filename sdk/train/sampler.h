// A Sampler lays examples into micro-batches of a few fixed shapes, epoch after
// epoch, in a seeded order.
//
// Two layouts. Bucketed: each example has a row of its own, in the shortest
// bucket that holds it. Packed: a row of the longest bucket holds several
// examples one after the other, each seeing only itself, its positions starting
// at 0; nothing is wasted on padding when texts are short.
//
// Determinism: the order of an epoch is a pure function of the seed, the epoch
// and the examples, so {epoch, position} is all that has to be saved.
// Memory: every buffer is allocated by Create().
// Threads: use from one at a time.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/status.h"
#include "train/examples.h"

namespace attune {

// The shape of a micro-batch: `batch` rows of `length` tokens.
struct BatchShape {
  std::int64_t batch = 1;
  std::int64_t length = 0;
  bool packed = false;  // Attention is bounded by the inputs lo and hi.
  std::int64_t tokens() const { return batch * length; }
  bool operator==(const BatchShape&) const = default;
};

struct SamplerConfig {
  // Rows of a micro-batch.
  std::int64_t batch = 1;
  // Allowed row lengths, ascending.
  std::vector<std::int64_t> lengths = {16, 32, 64, 128, 256, 512};
  bool packed = true;
  // Off: the examples' own order, as evaluation wants it.
  bool shuffle = true;
  std::uint64_t seed = 0;
};

// What the loss graph reads, `tokens()` of each. Rows and tails without an
// example carry weight 0.
struct MicroBatch {
  int shape = 0;            // Index into Sampler::shapes().
  std::int64_t labels = 0;  // How many weights are 1.
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> positions;
  std::vector<std::int32_t> targets;  // The token that follows; 0 where none does.
  std::vector<float> weights;         // 1 or 0.
  std::vector<std::int32_t> lo;       // Keys [lo, hi) of its row that a token sees.
  std::vector<std::int32_t> hi;
};

// Where the next micro-batch comes from.
struct Cursor {
  std::int64_t epoch = 0;
  std::int64_t position = 0;  // Micro-batches of this epoch already drawn.
  bool operator==(const Cursor&) const = default;
};

class Sampler {
 public:
  // kInvalidArgument  no examples; one without a label; one that is longer than
  //                   the longest row
  static Result<Sampler> Create(std::vector<TrainingExample> examples, const SamplerConfig& config);

  // The shapes that occur, at least one.
  const std::vector<BatchShape>& shapes() const { return shapes_; }
  const std::vector<TrainingExample>& examples() const { return examples_; }

  // A batch with room for the largest shape.
  MicroBatch NewBatch() const;

  // Fills `batch` with the next micro-batch; it has at least one label.
  void Next(MicroBatch* batch);

  // Fills `batch` with one example alone, whatever the order; the cursor stays.
  // REQUIRES: bucketed, with one row a micro-batch.
  void Fill(std::int64_t example, MicroBatch* batch) const;

  // Micro-batches of the current epoch. A packed epoch's count may differ from
  // the next one's: it depends on the order.
  std::int64_t epoch_size() const { return static_cast<std::int64_t>(batches_.size()); }

  const Cursor& cursor() const { return cursor_; }
  // kInvalidArgument  no such position in that epoch
  Status Seek(const Cursor& cursor);

 private:
  struct Row {
    std::int64_t first;  // Into placed_.
    std::int64_t count;
  };
  struct Batch {
    int shape;
    std::int64_t first;  // Into rows_.
    std::int64_t count;
  };

  Sampler(std::vector<TrainingExample> examples, const SamplerConfig& config);
  void FindShapes();
  void PlanEpoch();
  void Shuffle();
  void PlanBucketed();
  void PlanPacked();
  void CloseRow(std::vector<std::int32_t>* row);
  void FillRow(std::span<const std::int32_t> examples, std::int64_t start, std::int64_t length,
               MicroBatch* batch) const;

  SamplerConfig config_;
  std::vector<TrainingExample> examples_;
  std::vector<BatchShape> shapes_;
  std::vector<int> shape_of_;  // Of each example.

  Cursor cursor_;
  // The plan of the current epoch.
  std::vector<std::int32_t> order_;
  std::vector<std::int32_t> placed_;  // Examples, row by row.
  std::vector<Row> rows_;
  std::vector<Batch> batches_;
  // Rows being filled: one a shape, or several candidates when packing.
  std::vector<std::vector<std::int32_t>> open_;
  std::vector<std::int64_t> fill_;
};

}  // namespace attune
