#include "support/graph/random_graph.h"

#include <algorithm>
#include <map>

#include "base/philox.h"
#include "base/strings.h"
#include "graph/builder.h"
#include "graph/differentiate.h"

namespace attune::testing {
namespace {

constexpr std::int64_t kRows[] = {1, 2, 4, 6};
constexpr std::int64_t kWidths[] = {4, 8, 12};
// Results beyond this bound go through tanh, so that products of products stay
// comparable in f32.
constexpr double kBound = 60;

class Author {
 public:
  Author(std::uint64_t seed, const RandomGraphOptions& options)
      : rng_(seed, 17), options_(options), builder_(&program_.graph) {}

  OpProgram Write() {
    while (static_cast<int>(program_.graph.nodes().size()) < options_.operators) {
      (this->*kSteps[Below(std::size(kSteps))])();
    }
    for (std::size_t i = 0; i < pool_.size(); ++i) {
      if (Below(6) == 0) program_.graph.AddOutput(StrCat("kept", i), pool_[i].id);
    }
    if (options_.gradients) {
      Differentiated();
    } else {
      program_.graph.AddOutput("last", pool_.back().id);
      program_.graph.AddOutput("first", pool_.front().id);
    }
    ATTUNE_CHECK(builder_.status().ok());
    return std::move(program_);
  }

 private:
  struct Entry {
    ValueId id;
    double bound;
  };
  using Step = void (Author::*)();
  static const Step kSteps[19];

  std::uint32_t Below(std::size_t n) { return rng_.NextBelow(static_cast<std::uint32_t>(n)); }
  std::int64_t Rows() { return kRows[Below(std::size(kRows))]; }
  std::int64_t Width() { return kWidths[Below(std::size(kWidths))]; }
  const Shape& ShapeOf(ValueId id) const { return program_.graph.shape(id); }

  std::vector<double> Draw(std::int64_t count, float scale) {
    std::vector<double> data;
    for (std::int64_t i = 0; i < count; ++i) {
      data.push_back(scale * (2.0f * rng_.NextFloat() - 1.0f));
    }
    return data;
  }

  ValueId Constant(Shape shape) {
    Tensor literal(DType::kF32, shape);
    for (float& x : literal.f32()) x = 2.0f * rng_.NextFloat() - 1.0f;
    return program_.graph.AddConstant(StrCat("c", leaves_++), std::move(literal));
  }

  ValueId Leaf(Shape shape) {
    if (options_.constants && Below(3) == 0) return Constant(shape);
    const std::string name = StrCat("leaf", leaves_++);
    program_.feeds[name] = Draw(shape.elements(), 1.0f);
    const ValueType type{DType::kF32, shape};
    const ValueId id = Below(2) == 0 ? program_.graph.AddInput(name, type)
                                     : program_.graph.AddParameter(name, type, true);
    differentiable_.push_back(id);
    return id;
  }

  ValueId Indices(std::vector<double> data) {
    const std::string name = StrCat("index", leaves_++);
    const Shape shape{static_cast<std::int64_t>(data.size())};
    program_.feeds[name] = std::move(data);
    return program_.graph.AddInput(name, {DType::kI32, shape});
  }

  // A matrix: one of the pool, mostly a late one, or a new leaf.
  Entry Any() {
    if (pool_.empty() || Below(5) == 0) return {Leaf({Rows(), Width()}), 1};
    const std::size_t recent = std::min<std::size_t>(pool_.size(), 4);
    return Below(3) == 0 ? pool_[Below(pool_.size())] : pool_[pool_.size() - 1 - Below(recent)];
  }

  // Another of the same shape, possibly the same one.
  Entry Like(const Entry& entry) {
    std::vector<Entry> same;
    for (const Entry& other : pool_) {
      if (ShapeOf(other.id) == ShapeOf(entry.id)) same.push_back(other);
    }
    if (same.empty() || Below(4) == 0) return {Leaf(ShapeOf(entry.id)), 1};
    return same[Below(same.size())];
  }

  void Push(ValueId id, double bound) {
    ATTUNE_CHECK(builder_.status().ok());
    if (bound > kBound) {
      id = builder_.Unary(UnaryFunction::kTanh, id);
      bound = 1;
    }
    pool_.push_back({id, bound});
  }

  void Linear() {
    const Entry x = Any();
    const std::int64_t in = ShapeOf(x.id)[1], out = Width();
    const bool transposed = Below(2) == 0;
    const ValueId weight = Leaf(transposed ? Shape{in, out} : Shape{out, in});
    const ValueId bias = Below(2) == 0 ? Leaf({out}) : kNoValue;
    const ValueId y =
        builder_.Linear(x.id, weight, bias, {transposed, Below(2) == 0 ? 0.5f : 1.0f});
    Push(y, x.bound * static_cast<double>(in) + 1);
  }
  // x + s (x A^T) B^T: chains for the accumulate fusion.
  void LowRank() {
    const Entry x = Any();
    const std::int64_t in = ShapeOf(x.id)[1], out = Width();
    const ValueId base = builder_.Linear(x.id, Leaf({out, in}));
    const ValueId h = builder_.Linear(x.id, Leaf({2, in}));
    const ValueId delta = builder_.Linear(h, Leaf({out, 2}), kNoValue, {.scale = 0.25f});
    const bool other_way = Below(2) == 0;
    const ValueId sum = other_way ? builder_.Add(delta, base) : builder_.Add(base, delta);
    Push(sum, 3 * x.bound * static_cast<double>(in));
  }
  void Product() {
    const Entry a = Any();
    const bool ta = Below(2) == 0, tb = Below(2) == 0;
    const std::int64_t k = ShapeOf(a.id)[ta ? 0 : 1], n = Width();
    const ValueId b = Leaf(tb ? Shape{n, k} : Shape{k, n});
    Push(builder_.MatMul(a.id, b, {ta, tb, 0.5f}), a.bound * static_cast<double>(k));
  }
  void Add() {
    const Entry x = Any(), y = Like(x);
    Push(builder_.Add(x.id, y.id), x.bound + y.bound);
  }
  void Mul() {
    const Entry x = Any(), y = Like(x);
    Push(builder_.Mul(x.id, y.id), x.bound * y.bound);
  }
  void Scale() {
    const Entry x = Any();
    constexpr float kFactors[] = {1.0f, 0.5f, 2.0f, -1.0f};
    Push(builder_.Scale(x.id, kFactors[Below(4)]), 2 * x.bound);
  }
  void Unary() {
    const Entry x = Any();
    constexpr UnaryFunction kFunctions[] = {UnaryFunction::kSilu, UnaryFunction::kGelu,
                                            UnaryFunction::kGeluTanh, UnaryFunction::kTanh,
                                            UnaryFunction::kSigmoid};
    Push(builder_.Unary(kFunctions[Below(5)], x.id), x.bound);
  }
  void SwiGlu() {
    const Entry x = Any(), y = Like(x);
    Push(builder_.SwiGlu(x.id, y.id), x.bound * y.bound);
  }
  void RmsNorm() {
    const Entry x = Any();
    Push(builder_.RmsNorm(x.id, Leaf({ShapeOf(x.id)[1]}), 0.125f), 4);
  }
  void LayerNorm() {
    const Entry x = Any();
    const Shape width{ShapeOf(x.id)[1]};
    Push(builder_.LayerNorm(x.id, Leaf(width), Leaf(width), 0.125f), 5);
  }
  void Softmax() { Push(builder_.Softmax(Any().id), 1); }
  void Reshape() {
    const Entry x = Any();
    const std::int64_t elements = ShapeOf(x.id).elements();
    const std::int64_t width = elements % 8 == 0 && Below(2) == 0 ? 8 : 4;
    Push(builder_.Reshape(x.id, {elements / width, width}), x.bound);
  }
  void Transpose() {
    const Entry x = Any();
    const ValueId y = builder_.Transpose(x.id);
    // Extents must stay multiples of four: go back, or through a reshape.
    if (Below(2) == 0) return Push(builder_.Transpose(y), x.bound);
    const std::int64_t elements = ShapeOf(y).elements();
    Push(builder_.Reshape(y, {elements / 4, 4}), x.bound);
  }
  void SliceAndConcat() {
    const Entry x = Any();
    const std::int64_t width = ShapeOf(x.id)[1];
    const ValueId left = builder_.Slice(x.id, 0, 3);
    const ValueId right = builder_.Slice(x.id, width - 1, 1);
    Push(builder_.Concat({right, left}), x.bound);
  }
  void Split() {
    const Entry x = Any();
    const auto parts = builder_.Split(x.id, 4);
    Push(builder_.Concat({parts[3], parts[1], parts[0], parts[1]}), x.bound);
  }
  void Dropout() {
    const Entry x = Any();
    if (seed_ == kNoValue) seed_ = Indices({5, 11});
    Push(builder_.Dropout(x.id, seed_, {0.25f, static_cast<std::uint32_t>(leaves_)}), 2 * x.bound);
  }
  void Attention() {
    const Entry x = Any();
    const std::int64_t rows = ShapeOf(x.id)[0];
    if (ShapeOf(x.id)[1] % 4 != 0) return;
    const std::int64_t heads = ShapeOf(x.id)[1] / 4;
    const ValueId k = builder_.Linear(x.id, Leaf({4, ShapeOf(x.id)[1]}));
    ValueId q = x.id;
    if (Below(2) == 0) q = Rotated(q, rows);
    const auto mask = Below(2) == 0 ? AttentionMask::kCausal : AttentionMask::kFull;
    Push(builder_.Attention(q, k, Below(2) == 0 ? k : Leaf({rows, 4}),
                            {1, heads, 1, 4, 0.0625f, mask}),
         x.bound * 12);
  }
  ValueId Rotated(ValueId x, std::int64_t rows) {
    if (table_ == kNoValue) {
      table_ = program_.graph.AddInput("table", {DType::kF32, {6, 4}});
      program_.feeds["table"] = Draw(24, 1.0f);
    }
    std::vector<double> positions;
    for (std::int64_t i = 0; i < rows; ++i) positions.push_back(Below(6));
    return builder_.Rope(x, Indices(std::move(positions)), table_,
                         {4, Below(2) == 0 ? RopeLayout::kRotateHalf : RopeLayout::kInterleaved});
  }
  void Embedding() {
    std::vector<double> ids;
    for (std::int64_t i = 0, rows = Rows(); i < rows; ++i) ids.push_back(Below(5));
    Push(builder_.Embedding(Leaf({5, Width()}), Indices(std::move(ids))), 1);
  }
  // The same expression twice, for the common subexpressions.
  void Twice() {
    const Entry x = Any();
    const ValueId a = builder_.Unary(UnaryFunction::kSilu, x.id);
    const ValueId b = builder_.Unary(UnaryFunction::kSilu, x.id);
    Push(builder_.Add(a, b), 2 * x.bound);
  }

  // A loss over most of the results, by cross entropy for the last of them.
  ValueId Loss() {
    ValueId loss = kNoValue;
    for (std::size_t i = 0; i < pool_.size(); ++i) {
      const bool last = i + 1 == pool_.size();
      if (!last && Below(3) != 0) continue;
      const ValueId x = pool_[i].id;
      const ValueId term = last ? CrossEntropy(x) : Total(x);
      loss = loss == kNoValue ? term : builder_.Add(loss, term);
    }
    return loss;
  }
  ValueId Total(ValueId x) {
    const std::int64_t n = ShapeOf(x).elements();
    const ValueId direction = Leaf({n, 1});
    return builder_.Reshape(builder_.MatMul(builder_.Reshape(x, {1, n}), direction), {1});
  }
  ValueId CrossEntropy(ValueId x) {
    const std::int64_t rows = ShapeOf(x)[0];
    std::vector<double> labels;
    for (std::int64_t i = 0; i < rows; ++i) labels.push_back(Below(6));
    const ValueId weights = program_.graph.AddInput("weights", {DType::kF32, {rows}});
    auto& data = program_.feeds["weights"];
    for (std::int64_t i = 0; i < rows; ++i) data.push_back(Below(3) == 0 ? 0.0 : 0.5);
    return builder_.LinearCrossEntropy(x, Leaf({6, ShapeOf(x)[1]}), Indices(std::move(labels)),
                                       weights);
  }

  void Differentiated() {
    const ValueId loss = Loss();
    Graph& graph = program_.graph;
    graph.AddOutput("loss", loss);
    const ValueId seed = graph.AddInput("seed", {DType::kF32, {1}});
    program_.feeds["seed"] = {2.0};
    std::vector<bool> read(graph.values().size());
    read[static_cast<std::size_t>(loss)] = true;
    for (auto node = graph.nodes().rbegin(); node != graph.nodes().rend(); ++node) {
      for (ValueId output : node->outputs) {
        if (!read[static_cast<std::size_t>(output)]) continue;
        for (ValueId input : node->inputs) read[static_cast<std::size_t>(input)] = true;
      }
    }
    std::vector<ValueId> wrt;
    for (ValueId id : differentiable_) {
      if (read[static_cast<std::size_t>(id)] && Below(3) != 0) wrt.push_back(id);
    }
    const auto gradients = Differentiate(&graph, loss, seed, wrt);
    ATTUNE_CHECK(gradients.ok());
    for (std::size_t i = 0; i < wrt.size(); ++i) {
      program_.wrt.push_back(graph.value(wrt[i]).name);
      graph.AddOutput("d_" + program_.wrt.back(), (*gradients)[i]);
    }
  }

  Philox rng_;
  RandomGraphOptions options_;
  OpProgram program_;
  GraphBuilder builder_;
  std::vector<Entry> pool_;
  std::vector<ValueId> differentiable_;
  ValueId seed_ = kNoValue, table_ = kNoValue;
  int leaves_ = 0;
};

const Author::Step Author::kSteps[19] = {
    &Author::Linear,    &Author::LowRank, &Author::Product,   &Author::Add,
    &Author::Mul,       &Author::Scale,   &Author::Unary,     &Author::SwiGlu,
    &Author::RmsNorm,   &Author::Softmax, &Author::LayerNorm, &Author::Reshape,
    &Author::Transpose, &Author::Split,   &Author::Dropout,   &Author::SliceAndConcat,
    &Author::Attention, &Author::Twice,   &Author::Embedding,
};

}  // namespace

OpProgram RandomProgram(std::uint64_t seed, const RandomGraphOptions& options) {
  return Author(seed, options).Write();
}

}  // namespace attune::testing
