#include "support/graph/op_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/half.h"
#include "base/philox.h"
#include "base/strings.h"
#include "graph/builder.h"
#include "graph/differentiate.h"
#include "graph/op_schema.h"

namespace attune::testing {
namespace {

using Role = OpOperand::Role;

class CaseList {
 public:
  explicit CaseList(std::uint64_t seed) : rng_(seed) {}

  CaseList& Case(std::string name, OpKind op, Attributes attributes = {}) {
    cases_.push_back({std::move(name), op, std::move(attributes), {}});
    return *this;
  }
  CaseList& X(Shape shape) { return Float(Role::kActivation, shape); }
  CaseList& W(Shape shape) { return Float(Role::kWeight, shape); }
  CaseList& Fixed(Shape shape) { return Float(Role::kFixed, shape); }
  CaseList& Ids(std::int64_t count, std::uint32_t below) {
    std::vector<double> ids;
    for (std::int64_t i = 0; i < count; ++i) ids.push_back(rng_.NextBelow(below));
    return Ids(std::move(ids));
  }
  CaseList& Ids(std::vector<double> ids) {
    const Shape shape{static_cast<std::int64_t>(ids.size())};
    return Push(Role::kIndex, {DType::kI32, shape}, std::move(ids));
  }
  CaseList& Values(std::vector<double> values) {
    const Shape shape{static_cast<std::int64_t>(values.size())};
    return Push(Role::kFixed, {DType::kF32, shape}, std::move(values));
  }
  // cos and sin of the usual frequencies, rounded as a model's table is.
  CaseList& RopeTable(std::int64_t positions, std::int64_t dim) {
    std::vector<double> table;
    for (std::int64_t p = 0; p < positions; ++p) {
      for (std::int64_t i = 0; i < dim; ++i) {
        const auto pair = static_cast<double>(i % (dim / 2));
        const double angle =
            static_cast<double>(p) * std::pow(100.0, -2.0 * pair / static_cast<double>(dim));
        table.push_back(static_cast<float>(i < dim / 2 ? std::cos(angle) : std::sin(angle)));
      }
    }
    return Push(Role::kFixed, {DType::kF32, {positions, dim}}, std::move(table));
  }
  CaseList& Used(std::vector<std::size_t> used) {
    cases_.back().used = std::move(used);
    return *this;
  }

  std::vector<OpCase> Take() { return std::move(cases_); }

 private:
  // In +-[0.05, 1.5): away from the kink of relu.
  CaseList& Float(Role role, Shape shape) {
    std::vector<double> data(static_cast<std::size_t>(shape.elements()));
    for (double& x : data) {
      const float magnitude = 0.05f + 1.45f * rng_.NextFloat();
      x = rng_.NextBelow(2) == 0 ? magnitude : -magnitude;
    }
    return Push(role, {DType::kF32, shape}, std::move(data));
  }
  CaseList& Push(Role role, ValueType type, std::vector<double> data) {
    cases_.back().operands.push_back({role, type, std::move(data)});
    return *this;
  }

  Philox rng_;
  std::vector<OpCase> cases_;
};

void LinearCases(CaseList* list) {
  for (const bool transposed : {false, true}) {
    for (const bool bias : {false, true}) {
      for (const bool accumulate : {false, true}) {
        const LinearAttrs attrs{transposed, bias ? 0.5f : 1.0f, bias, accumulate};
        list->Case(StrCat("linear", transposed ? "_transposed" : "", bias ? "_bias_scaled" : "",
                          accumulate ? "_accumulate" : ""),
                   OpKind::kLinear, attrs);
        list->X({5, 7}).W(transposed ? Shape{7, 3} : Shape{3, 7});
        if (bias) list->W({3});
        if (accumulate) list->X({5, 3});
      }
    }
  }
  list->Case("linear_one_by_one", OpKind::kLinear, LinearAttrs{}).X({1, 1}).W({1, 1});
  list->Case("linear_one_row", OpKind::kLinear, LinearAttrs{}).X({1, 67}).W({130, 67});
  list->Case("linear_one_row_transposed", OpKind::kLinear, LinearAttrs{.transposed = true})
      .X({1, 67})
      .W({67, 35});
  list->Case("linear_odd", OpKind::kLinear, LinearAttrs{.scale = 2.0f}).X({33, 65}).W({17, 65});
  list->Case("linear_rank_one", OpKind::kLinear, LinearAttrs{}).X({19, 1}).W({31, 1});
}

void MatMulCases(CaseList* list) {
  for (const bool a : {false, true}) {
    for (const bool b : {false, true}) {
      for (const bool accumulate : {false, true}) {
        const MatMulAttrs attrs{a, b, accumulate ? 0.5f : 1.0f, accumulate};
        list->Case(StrCat("matmul", a ? "_ta" : "_na", b ? "_tb" : "_nb",
                          accumulate ? "_accumulate_scaled" : ""),
                   OpKind::kMatMul, attrs);
        list->X(a ? Shape{4, 3} : Shape{3, 4}).X(b ? Shape{5, 4} : Shape{4, 5});
        if (accumulate) list->X({3, 5});
      }
    }
  }
  list->Case("matmul_dot", OpKind::kMatMul, MatMulAttrs{}).X({1, 9}).X({9, 1});
  list->Case("matmul_odd", OpKind::kMatMul, MatMulAttrs{.transpose_a = true})
      .X({65, 17})
      .X({65, 34});
}

void ElementwiseCases(CaseList* list) {
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 5}, Shape{7, 33}}) {
    const std::string size = StrCat("_", shape[0], "x", shape[1]);
    list->Case("add" + size, OpKind::kAdd).X(shape).X(shape);
    list->Case("mul" + size, OpKind::kMul).X(shape).X(shape);
    list->Case("scale" + size, OpKind::kScale, ScaleAttrs{-1.25f}).X(shape);
    list->Case("swiglu" + size, OpKind::kSwiGlu).X(shape).X(shape);
    for (const auto function :
         {UnaryFunction::kSilu, UnaryFunction::kGelu, UnaryFunction::kGeluTanh,
          UnaryFunction::kRelu, UnaryFunction::kTanh, UnaryFunction::kSigmoid}) {
      list->Case(StrCat("unary_", UnaryName(function), size), OpKind::kUnary, UnaryAttrs{function})
          .X(shape);
    }
    list->Case("dropout" + size, OpKind::kDropout, DropoutAttrs{0.4f, 3}).X(shape);
    list->Ids({7, -9});
  }
  list->Case("add_vector", OpKind::kAdd).X({37}).X({37});
  list->Case("dropout_none", OpKind::kDropout, DropoutAttrs{0.0f, 0}).X({3, 5}).Ids({1, 2});
  list->Case("cast_bf16", OpKind::kCast, CastAttrs{DType::kBf16}).X({3, 5});
  list->Case("cast_f16", OpKind::kCast, CastAttrs{DType::kF16}).X({7, 33});
}

void NormCases(CaseList* list) {
  for (const Shape& shape : {Shape{1, 3}, Shape{4, 6}, Shape{5, 33}, Shape{19, 64}}) {
    const Shape width{shape[1]};
    const std::string size = StrCat("_", shape[0], "x", shape[1]);
    list->Case("rms_norm" + size, OpKind::kRmsNorm, NormAttrs{1e-5f}).X(shape).W(width);
    list->Case("layer_norm" + size, OpKind::kLayerNorm, NormAttrs{1e-5f})
        .X(shape)
        .W(width)
        .W(width);
  }
  list->Case("rms_norm_wide_epsilon", OpKind::kRmsNorm, NormAttrs{0.25f}).X({3, 4}).W({4});
  list->Case("layer_norm_wide_epsilon", OpKind::kLayerNorm, NormAttrs{0.25f})
      .X({3, 4})
      .W({4})
      .W({4});
}

void SoftmaxCases(CaseList* list) {
  list->Case("softmax", OpKind::kSoftmax).X({4, 5});
  list->Case("softmax_one", OpKind::kSoftmax).X({3, 1});
  list->Case("softmax_odd", OpKind::kSoftmax).X({7, 33});
}

void RopeCases(CaseList* list) {
  for (const auto layout : {RopeLayout::kRotateHalf, RopeLayout::kInterleaved}) {
    for (const bool inverse : {false, true}) {
      const std::string name =
          StrCat("rope", layout == RopeLayout::kRotateHalf ? "_rotate_half" : "_interleaved",
                 inverse ? "_inverse" : "");
      list->Case(name, OpKind::kRope, RopeAttrs{4, layout, inverse})
          .X({5, 12})
          .Ids({0, 1, 2, 6, 3})
          .RopeTable(7, 4);
      list->Case(name + "_wide", OpKind::kRope, RopeAttrs{34, layout, inverse})
          .X({3, 68})
          .Ids({8, 0, 4})
          .RopeTable(9, 34);
    }
  }
  list->Case("rope_pair", OpKind::kRope, RopeAttrs{2}).X({1, 2}).Ids({1}).RopeTable(2, 2);
}

// q [batch*tq, heads*dim] over k, v [batch*tk, kv_heads*dim].
void AttentionCase(CaseList* list, const std::string& name, const AttentionAttrs& attrs,
                   std::int64_t tq, std::int64_t tk) {
  const Shape k{attrs.batch * tk, attrs.kv_heads * attrs.head_dim};
  list->Case("attention_" + name, OpKind::kAttention, attrs)
      .X({attrs.batch * tq, attrs.heads * attrs.head_dim})
      .X(k)
      .X(k);
}

void AttentionCases(CaseList* list) {
  constexpr auto kCausal = AttentionMask::kCausal;
  constexpr auto kFull = AttentionMask::kFull;
  constexpr auto kBounded = AttentionMask::kBounded;
  AttentionCase(list, "causal_gqa", {2, 4, 2, 4, 0.5f, kCausal}, 3, 3);
  AttentionCase(list, "causal_cached", {1, 2, 1, 4, 0.5f, kCausal}, 2, 5);
  AttentionCase(list, "causal_one_query", {2, 2, 2, 3, 0.7f, kCausal}, 1, 4);
  AttentionCase(list, "causal_single", {1, 1, 1, 2, 1.0f, kCausal}, 1, 1);
  AttentionCase(list, "full_mha", {2, 3, 3, 2, 0.7f, kFull}, 3, 3);
  AttentionCase(list, "full_gqa_longer_keys", {1, 4, 2, 4, 0.5f, kFull}, 2, 6);
  AttentionCase(list, "full_shorter_keys", {2, 2, 1, 4, 0.5f, kFull}, 5, 2);
  AttentionCase(list, "causal_long", {2, 2, 1, 16, 0.25f, kCausal}, 70, 70);
  AttentionCase(list, "full_long_odd", {1, 3, 1, 20, 0.22f, kFull}, 37, 131);
  // Packed sequences in one batch entry, and a padding row that sees nothing.
  AttentionCase(list, "bounded_packed", {1, 4, 2, 4, 0.5f, kBounded}, 5, 5);
  list->Ids({0, 0, 2, 2, 0}).Ids({1, 2, 3, 4, 0});
  AttentionCase(list, "bounded_batch", {2, 2, 2, 3, 0.6f, kBounded}, 2, 4);
  list->Ids({1, 0, 2, 0}).Ids({3, 4, 4, 1});
}

void LossCases(CaseList* list) {
  const auto loss = [&](const char* name, std::int64_t rows, std::int64_t width,
                        std::int64_t vocabulary, std::vector<double> weights) {
    list->Case(StrCat("cross_entropy_", name), OpKind::kLinearCrossEntropy, CrossEntropyAttrs{})
        .X({rows, width})
        .W({vocabulary, width})
        .Ids(rows, static_cast<std::uint32_t>(vocabulary))
        .Values(std::move(weights));
  };
  loss("weighted", 4, 5, 7, {1, 0.5, 0.25, 2});
  loss("zero_rows", 5, 3, 6, {0, 1, 0, 0.5, 0});
  loss("one_row", 1, 4, 3, {1});
  loss("all_zero", 2, 3, 4, {0, 0});
  loss("wide", 9, 33, 301, {1, 1, 0, 1, 0.5, 1, 0, 0.25, 1});
}

void LayoutCases(CaseList* list) {
  list->Case("reshape", OpKind::kReshape, ReshapeAttrs{{6, 2}}).X({3, 4});
  list->Case("reshape_vector", OpKind::kReshape, ReshapeAttrs{{15}}).X({3, 5});
  list->Case("transpose", OpKind::kTranspose).X({3, 5});
  list->Case("transpose_odd", OpKind::kTranspose).X({33, 18});
  list->Case("transpose_row", OpKind::kTranspose).X({1, 9});
  list->Case("slice_middle", OpKind::kSlice, SliceAttrs{2, 3, 0}).X({4, 7});
  list->Case("slice_all", OpKind::kSlice, SliceAttrs{0, 5, 0}).X({2, 5});
  list->Case("slice_last", OpKind::kSlice, SliceAttrs{32, 1, 0}).X({5, 33});
  list->Case("pad_middle", OpKind::kPad, SliceAttrs{2, 3, 7}).X({4, 3});
  list->Case("pad_left_edge", OpKind::kPad, SliceAttrs{0, 5, 9}).X({3, 5});
  list->Case("split_three", OpKind::kSplit, SplitAttrs{3}).X({4, 9}).Used({0, 1, 2});
  list->Case("split_part_unused", OpKind::kSplit, SplitAttrs{3}).X({2, 15}).Used({0, 2});
  list->Case("split_one", OpKind::kSplit, SplitAttrs{1}).X({2, 3}).Used({0});
  list->Case("concat_two", OpKind::kConcat).X({3, 2}).X({3, 5});
  list->Case("concat_three", OpKind::kConcat).X({2, 1}).X({2, 17}).X({2, 4});
  list->Case("concat_one", OpKind::kConcat).X({2, 3});
  list->Case("reduce_sum", OpKind::kReduceSum).X({5, 33});
  list->Case("cache_append_middle", OpKind::kCacheAppend).X({8, 6}).X({2, 6}).Ids({3});
  list->Case("cache_append_end", OpKind::kCacheAppend).X({5, 3}).X({1, 3}).Ids({4});
}

void EmbeddingCases(CaseList* list) {
  list->Case("embedding", OpKind::kEmbedding).W({7, 5}).Ids({3, 0, 6, 3, 3, 1});
  list->Case("embedding_one", OpKind::kEmbedding).W({1, 1}).Ids({0});
  list->Case("embedding_wide", OpKind::kEmbedding).W({40, 33}).Ids(19, 40);
  list->Case("embedding_grad_accumulate", OpKind::kEmbeddingGrad, EmbeddingGradAttrs{6, true})
      .Ids({2, 5, 2})
      .X({3, 7})
      .X({6, 7});
}

// sum(y * direction) as a [1, n] by [n, 1] product, in ops with gradients.
ValueId Weigh(GraphBuilder* builder, ValueId y, Philox* rng, ReferenceFeeds* feeds) {
  if (builder->graph().value(y).type.dtype != DType::kF32) y = builder->Cast(y, DType::kF32);
  const std::int64_t n = builder->graph().shape(y).elements();
  const std::string name = StrCat("direction", y);
  const ValueId direction = builder->graph().AddInput(name, {DType::kF32, {n, 1}});
  std::vector<double>& data = (*feeds)[name];
  for (std::int64_t i = 0; i < n; ++i) data.push_back(2.0f * rng->NextFloat() - 1.0f);
  const ValueId product = builder->MatMul(builder->Reshape(y, {1, n}), direction);
  return builder->Reshape(product, {1});
}

bool WantsGradient(const OpOperand& operand, const ProgramOptions& options) {
  return operand.role == Role::kActivation || (operand.role == Role::kWeight && options.trainable);
}

struct Built {
  OpProgram program;
  std::vector<ValueId> operands;
  ValueId loss = kNoValue;
};

Built BuildForward(const OpCase& op_case, const ProgramOptions& options) {
  Built built;
  Graph& graph = built.program.graph;
  for (std::size_t i = 0; i < op_case.operands.size(); ++i) {
    const OpOperand& operand = op_case.operands[i];
    const std::string name = OperandName(op_case, i);
    ValueType type = operand.type;
    if (static_cast<int>(i) == StoredWeight(op_case) && !options.trainable) {
      type.dtype = options.weight_dtype;
    }
    built.operands.push_back(operand.role == Role::kWeight
                                 ? graph.AddParameter(name, type, options.trainable)
                                 : graph.AddInput(name, type));
    built.program.feeds[name] =
        IsFloat(type.dtype) ? Rounded(operand.data, type.dtype) : operand.data;
  }
  GraphBuilder builder(&graph);
  const auto results = builder.Emit(op_case.op, op_case.attributes, built.operands, "case");
  ATTUNE_CHECK(builder.status().ok());
  for (std::size_t i = 0; i < graph.nodes().back().outputs.size(); ++i) {
    graph.AddOutput(StrCat("y", i), results[i]);
  }
  return built;
}

Built BuildLoss(const OpCase& op_case, const ProgramOptions& options) {
  Built built = BuildForward(op_case, options);
  Graph& graph = built.program.graph;
  const std::vector<ValueId> results = graph.nodes().back().outputs;
  Philox rng(TestSeed(), 1);
  GraphBuilder builder(&graph);
  for (std::size_t i : op_case.used) {
    // A loss is one already, and must meet the seed directly to be fused.
    const bool loss = op_case.op == OpKind::kLinearCrossEntropy;
    const ValueId term =
        loss ? results[i] : Weigh(&builder, results[i], &rng, &built.program.feeds);
    built.loss = built.loss == kNoValue ? term : builder.Add(built.loss, term);
  }
  ATTUNE_CHECK(builder.status().ok());
  graph.AddOutput("loss", built.loss);
  return built;
}

}  // namespace

std::uint64_t TestSeed() {
  const char* text = std::getenv("ATTUNE_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 20240229;
}

std::string SeedNote() { return StrCat("ATTUNE_TEST_SEED=", TestSeed()); }

std::vector<OpCase> AllOpCases() {
  CaseList list(TestSeed());
  LinearCases(&list);
  MatMulCases(&list);
  ElementwiseCases(&list);
  NormCases(&list);
  SoftmaxCases(&list);
  RopeCases(&list);
  AttentionCases(&list);
  LossCases(&list);
  LayoutCases(&list);
  EmbeddingCases(&list);
  return list.Take();
}

std::string OperandName(const OpCase& op_case, std::size_t i) {
  return StrCat(op_case.operands[i].role == Role::kWeight ? "w" : "x", i);
}

int StoredWeight(const OpCase& op_case) {
  switch (op_case.op) {
    case OpKind::kEmbedding:
      return 0;
    case OpKind::kLinear:
    case OpKind::kLinearCrossEntropy:
      return 1;
    default:
      return -1;
  }
}

std::vector<double> Rounded(const std::vector<double>& data, DType dtype) {
  std::vector<double> out;
  for (double x : data) {
    const auto narrow = static_cast<float>(x);
    out.push_back(dtype == DType::kF16    ? F32FromF16(F16FromF32(narrow))
                  : dtype == DType::kBf16 ? F32FromBf16(Bf16FromF32(narrow))
                                          : narrow);
  }
  return out;
}

OpProgram ForwardProgram(const OpCase& op_case, const ProgramOptions& options) {
  return BuildForward(op_case, options).program;
}

OpProgram LossProgram(const OpCase& op_case) { return BuildLoss(op_case, {}).program; }

bool HasGradient(const OpCase& op_case, const ProgramOptions& options) {
  return SchemaOf(op_case.op).gradient != nullptr &&
         std::any_of(op_case.operands.begin(), op_case.operands.end(),
                     [&](const OpOperand& operand) { return WantsGradient(operand, options); });
}

OpProgram GradientProgram(const OpCase& op_case, const ProgramOptions& options) {
  Built built = BuildLoss(op_case, options);
  Graph& graph = built.program.graph;
  const ValueId seed = graph.AddInput("seed", {DType::kF32, {1}});
  built.program.feeds["seed"] = {1.0};
  std::vector<ValueId> wrt;
  for (std::size_t i = 0; i < op_case.operands.size(); ++i) {
    if (!WantsGradient(op_case.operands[i], options)) continue;
    wrt.push_back(built.operands[i]);
    built.program.wrt.push_back(OperandName(op_case, i));
  }
  const auto gradients = Differentiate(&graph, built.loss, seed, wrt);
  ATTUNE_CHECK(gradients.ok());
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    graph.AddOutput("d_" + built.program.wrt[i], (*gradients)[i]);
  }
  return std::move(built.program);
}

}  // namespace attune::testing
