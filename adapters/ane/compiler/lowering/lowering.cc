#include "ane/compiler/lowering/lowering.h"

#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace attune::ane {

std::vector<bool> FindStatistics(const Graph& graph) {
  std::vector<bool> found(graph.values().size(), false);
  for (const Node& node : graph.nodes()) {
    const bool norm = node.op == OpKind::kRmsNorm || node.op == OpKind::kLayerNorm;
    const bool loss =
        node.op == OpKind::kLinearCrossEntropy || node.op == OpKind::kLinearCrossEntropyJoint;
    if (!norm && !loss) continue;
    for (std::size_t i = 1; i < node.outputs.size(); ++i) {
      const ValueId id = node.outputs[i];
      found[static_cast<std::size_t>(id)] = graph.shape(id).rank() == 1;
    }
  }
  return found;
}

std::string LabelOf(const Graph& graph, const Node& node) {
  std::string name = graph.value(node.outputs[0]).name;
  if (name.empty()) name = StrCat("%", node.outputs[0]);
  return StrCat(name, " (", OpName(node.op), ")");
}

Lowering::Lowering(const Graph& graph, const FrozenParameters& frozen,
                   const CompilerOptions& options, Facts facts, Plan* plan)
    : graph_(graph),
      frozen_(frozen),
      options_(options),
      facts_(std::move(facts)),
      plan_(plan),
      statistics_(FindStatistics(graph)),
      padded_uploads_(graph.values().size(), false),
      clean_(graph.values().size(), true),
      surfaces_(graph.values().size(), kNone) {
  FindAdapters();
}

// B of y = (x A^T) B^T: its rank is contracted with that of x A^T, which comes padded.
void Lowering::FindAdapters() {
  const auto producers = graph_.Producers();
  for (const Node& node : graph_.nodes()) {
    if (node.op != OpKind::kLinear || node.attrs<LinearAttrs>().transposed) continue;
    const std::int32_t producer = producers[static_cast<std::size_t>(node.inputs[0])];
    if (producer < 0 || known(node.inputs[1])) continue;
    const Node& first = graph_.nodes()[static_cast<std::size_t>(producer)];
    if (first.op != OpKind::kLinear || known(first.inputs[1])) continue;
    padded_uploads_[static_cast<std::size_t>(node.inputs[1])] = true;
  }
}

void Lowering::Begin(RegionBuilder* builder) {
  builder_ = builder;
  tensors_.clear();
  vectors_.clear();
  written_.clear();
  steps_.clear();
}

std::vector<Step> Lowering::End() {
  for (const ValueId id : written_) {
    if (!wanted(id)) continue;
    const SurfaceId surface = WantSurface(id);
    builder_->Output(tensors_.at(id), surface, spec(surface));
  }
  return std::move(steps_);
}

Matrix Lowering::matrix(ValueId id) const {
  const Shape& shape = graph_.shape(id);
  if (statistics_[static_cast<std::size_t>(id)]) return {shape.elements(), 1};
  return {shape.rows() / heads(id), shape.back() * heads(id)};
}

bool Lowering::known(ValueId id) const {
  const Value& value = graph_.value(id);
  return value.leaf == Leaf::kConstant || (value.leaf == Leaf::kParameter && !value.trainable);
}

std::int64_t Lowering::UploadChannels(ValueId id) const {
  const std::int64_t columns = matrix(id).columns;
  return padded_uploads_[static_cast<std::size_t>(id)] ? PadWidth(columns) : columns;
}

TensorId Lowering::Read(ValueId id) {
  const auto found = tensors_.find(id);
  if (found != tensors_.end()) return found->second;
  SurfaceId& surface = surfaces_[static_cast<std::size_t>(id)];
  if (surface == kNone) {
    const std::string& name = graph_.value(id).name;
    surface = NewSurface(name.empty() ? StrCat("v", id) : StrCat("v", id, " ", name),
                         UploadChannels(id), matrix(id).width());
    steps_.push_back(Upload{id, surface, known(id)});
  }
  return tensors_[id] = Input(surface);
}

TensorId Lowering::ReadExact(ValueId id) {
  return builder_->Slice(Read(id), 1, 0, matrix(id).columns);
}

TensorId Lowering::ReadVector(ValueId id, std::int64_t times) {
  const std::int64_t columns = matrix(id).columns;
  const auto copies = static_cast<std::size_t>(times);
  if (!known(id)) {
    const TensorId vector = builder_->Slice(ReadExact(id), 3, 0, 1);
    return builder_->Concat(std::vector<TensorId>(copies, vector), 1);
  }
  TensorId& vector = vectors_.try_emplace({id, times}, kNone).first->second;
  if (vector != kNone) return vector;
  const std::vector<WeightPiece> pieces(copies, Piece(id, false, 1.0f));
  return vector = builder_->Bake(graph_.value(id).name, {1, columns * times, 1, 1}, pieces);
}

void Lowering::Write(ValueId id, TensorId tensor, bool clean) {
  const Dims& dims = builder_->dims(tensor);
  ATTUNE_CHECK(dims[0] == 1 && dims[1] >= matrix(id).columns && dims[2] == 1 &&
               dims[3] == matrix(id).width());
  tensors_[id] = tensor;
  clean_[static_cast<std::size_t>(id)] = clean;
  written_.push_back(id);
}

WeightPiece Lowering::Piece(ValueId id, bool transposed, float scale) const {
  const Value& value = graph_.value(id);
  WeightPiece piece;
  if (value.leaf == Leaf::kConstant) {
    piece.literal = value.literal;
    piece.source = value.literal->view();
  } else {
    piece.source = frozen_.find(value.name)->second;
  }
  piece.transposed = transposed;
  piece.scale = scale;
  const Shape& shape = piece.source.shape;
  const std::int64_t rows = shape[0], columns = shape.rank() == 2 ? shape[1] : 1;
  piece.rows = transposed ? columns : rows;
  piece.columns = transposed ? rows : columns;
  return piece;
}

SurfaceId Lowering::NewSurface(std::string name, std::int64_t channels, std::int64_t width) {
  plan_->surfaces.push_back({std::move(name), channels, width});
  return static_cast<SurfaceId>(plan_->surfaces.size()) - 1;
}

void Lowering::set_surface(ValueId id, SurfaceId surface) {
  surfaces_[static_cast<std::size_t>(id)] = surface;
}

SurfaceId Lowering::WantSurface(ValueId id) {
  SurfaceId& surface = surfaces_[static_cast<std::size_t>(id)];
  if (surface != kNone) return surface;
  const auto tensor = tensors_.find(id);
  const std::int64_t channels =
      tensor != tensors_.end() ? builder_->dim(tensor->second, 1) : matrix(id).columns;
  return surface = NewSurface(StrCat("v", id), channels, matrix(id).width());
}

TensorId Lowering::Mask(const AttentionAttrs& attrs, std::int64_t rows, ValueId lo, ValueId hi) {
  const MaskKey key{attrs.mask, attrs.batch, rows, lo, hi};
  const std::int64_t width = PadWidth(rows);
  if (!masks_.contains(key)) {
    const SurfaceId surface = NewSurface(StrCat("mask ", masks_.size()), width, width);
    masks_[key] = surface;
    steps_.push_back(MakeMask{surface, attrs.mask, attrs.batch, rows, lo, hi});
  }
  return builder_->Reshape(Input(masks_.at(key)), {1, 1, width, width});
}

Lowering::Rotation Lowering::Rotations(const RopeAttrs& attrs, std::int64_t rows, ValueId positions,
                                       ValueId table) {
  const RotationKey key{positions, table, attrs.head_dim, attrs.layout};
  const std::int64_t dim = attrs.head_dim, width = PadWidth(rows);
  if (!rotations_.contains(key)) {
    const std::size_t index = rotations_.size();
    const SurfaceId cosine = NewSurface(StrCat("cosine ", index), dim, width);
    const SurfaceId sine = NewSurface(StrCat("sine ", index), dim, width);
    rotations_[key] = {cosine, sine};
    steps_.push_back(MakeRotation{cosine, sine, positions, table, dim, attrs.layout});
  }
  const auto [cosine, sine] = rotations_.at(key);
  return {builder_->Reshape(Input(cosine), {1, 1, dim, width}),
          builder_->Reshape(Input(sine), {1, 1, dim, width})};
}

TensorId Lowering::DropoutMask(const DropoutAttrs& attrs, ValueId seed, const Matrix& matrix) {
  const DropoutKey key{seed, attrs.salt, attrs.probability, matrix.rows, matrix.columns};
  if (!dropouts_.contains(key)) {
    const SurfaceId surface =
        NewSurface(StrCat("dropout ", dropouts_.size()), matrix.columns, matrix.width());
    dropouts_[key] = surface;
    steps_.push_back(MakeDropoutMask{surface, seed, attrs, matrix.rows, matrix.columns});
  }
  return Input(dropouts_.at(key));
}

void Lowering::KeepProbabilities(ValueId out, TensorId p) {
  const Dims dims = builder_->dims(p);
  const SurfaceId surface =
      NewSurface(StrCat("probabilities of v", out), dims[1] * dims[2], dims[3]);
  builder_->Output(p, surface, spec(surface));
  probabilities_[out] = {surface, dims};
}

TensorId Lowering::Probabilities(ValueId out) {
  const auto kept = probabilities_.find(out);
  if (kept == probabilities_.end()) return kNone;
  return builder_->Reshape(Input(kept->second.surface), kept->second.dims);
}

}  // namespace attune::ane
