// What the rules share while they turn graph nodes into primitives: where each value
// lies, the region that is being written, and what must happen before it runs.
//
// A value [rows, columns] is a tensor [1, channels, 1, width]. Its channels are its
// columns, or more: products with adapters pad the rank to 32, and what is beyond the
// columns is zero. Its width is its rows, padded to 32.
//
// Padding of the width is always finite, and *clean* (zero) or not. Uploads are clean;
// a bias, a softmax over nothing, make it not so. It matters where rows are summed
// over: there one factor must be clean, and the other finite, since 0 * inf is no 0.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "ane/compiler/compile.h"
#include "ane/compiler/lowering/region_builder.h"
#include "ane/compiler/plan.h"
#include "graph/graph.h"

namespace attune::ane {

// A graph value as a matrix: [n] is one row, but for statistics, which have an element
// a row.
struct Matrix {
  std::int64_t rows = 1, columns = 1;
  std::int64_t width() const { return PadWidth(rows); }
  bool operator==(const Matrix&) const = default;
};

// Which values are statistics: results of norms beside the first, and of losses.
std::vector<bool> FindStatistics(const Graph& graph);

// "model.layers.0.mlp.down_proj (linear)".
std::string LabelOf(const Graph& graph, const Node& node);

class Lowering {
 public:
  struct Facts {
    std::vector<bool> wanted;         // Read outside the region that computes it.
    std::vector<std::int64_t> folds;  // Heads (folds.h).
    std::set<ValueId> probabilities;  // Results of attention whose probabilities are kept.
  };
  Lowering(const Graph& graph, const FrozenParameters& frozen, const CompilerOptions& options,
           Facts facts, Plan* plan);

  const Graph& graph() const { return graph_; }
  const CompilerOptions& options() const { return options_; }
  RegionBuilder& builder() { return *builder_; }

  // --- Regions ---

  void Begin(RegionBuilder* builder);
  // Writes what other steps want of the region's results to surfaces, and gives the
  // steps that must run before it.
  std::vector<Step> End();

  // --- Values ---

  Matrix matrix(ValueId id) const;
  // Heads that the graph has apart as rows, and the matrix has side by side.
  std::int64_t heads(ValueId id) const { return facts_.folds[static_cast<std::size_t>(id)]; }
  bool wanted(ValueId id) const { return facts_.wanted[static_cast<std::size_t>(id)]; }
  // Frozen or constant: its bytes are known now.
  bool known(ValueId id) const;
  bool clean(ValueId id) const { return clean_[static_cast<std::size_t>(id)]; }

  TensorId Read(ValueId id);
  // Without padded channels.
  TensorId ReadExact(ValueId id);
  // A vector [C] as [1, C, 1, 1], or several times over.
  TensorId ReadVector(ValueId id, std::int64_t times = 1);
  // Sets what a node computes. `tensor` has columns or more channels, zero beyond.
  void Write(ValueId id, TensorId tensor, bool clean);

  // The bytes of a known matrix, or of rows of it, as a piece of a weight.
  WeightPiece Piece(ValueId id, bool transposed, float scale) const;

  // --- Surfaces ---

  SurfaceId NewSurface(std::string name, std::int64_t channels, std::int64_t width);
  const SurfaceSpec& spec(SurfaceId id) const {
    return plan_->surfaces[static_cast<std::size_t>(id)];
  }
  // The surface of a value that lies on the device; kNone before it has one.
  SurfaceId surface(ValueId id) const { return surfaces_[static_cast<std::size_t>(id)]; }
  void set_surface(ValueId id, SurfaceId surface);
  // Of a value that other steps want, made now if need be.
  SurfaceId WantSurface(ValueId id);

  TensorId Mask(const AttentionAttrs& attrs, std::int64_t rows, ValueId lo, ValueId hi);
  struct Rotation {
    TensorId cosine, sine;
  };
  Rotation Rotations(const RopeAttrs& attrs, std::int64_t rows, ValueId positions, ValueId table);
  TensorId DropoutMask(const DropoutAttrs& attrs, ValueId seed, const Matrix& matrix);

  // --- Probabilities of attention, by its result: no value of the graph ---

  // Whether a gradient elsewhere reads them, and to keep them is cheaper.
  bool wants_probabilities(ValueId out) const { return facts_.probabilities.contains(out); }
  void KeepProbabilities(ValueId out, TensorId p);
  // kNone where they must be computed again.
  TensorId Probabilities(ValueId out);

 private:
  std::int64_t UploadChannels(ValueId id) const;
  void FindAdapters();
  TensorId Input(SurfaceId surface) { return builder_->Surface(surface, spec(surface)); }

  const Graph& graph_;
  const FrozenParameters& frozen_;
  const CompilerOptions& options_;
  const Facts facts_;
  Plan* plan_;

  std::vector<bool> statistics_;
  std::vector<bool> padded_uploads_;  // Second factors of adapters: [out, r].
  std::vector<bool> clean_;
  std::vector<SurfaceId> surfaces_;

  RegionBuilder* builder_ = nullptr;
  std::map<ValueId, TensorId> tensors_;  // In this region.
  std::map<std::pair<ValueId, std::int64_t>, TensorId> vectors_;
  std::vector<ValueId> written_;
  std::vector<Step> steps_;

  using MaskKey = std::tuple<AttentionMask, std::int64_t, std::int64_t, ValueId, ValueId>;
  using RotationKey = std::tuple<ValueId, ValueId, std::int64_t, RopeLayout>;
  using DropoutKey = std::tuple<ValueId, std::uint32_t, float, std::int64_t, std::int64_t>;
  std::map<MaskKey, SurfaceId> masks_;
  std::map<RotationKey, std::pair<SurfaceId, SurfaceId>> rotations_;
  std::map<DropoutKey, SurfaceId> dropouts_;
  struct Kept {
    SurfaceId surface;
    Dims dims;
  };
  std::map<ValueId, Kept> probabilities_;
};

}  // namespace attune::ane
