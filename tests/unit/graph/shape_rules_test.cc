// What each shape rule refuses, and that the message names op, value and both
// shapes.

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/strings.h"
#include "graph/graph.h"
#include "graph/op_schema.h"
#include "support/graph/op_cases.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

// The operands of a valid case, to be spoilt one at a time.
Status AddCase(const OpCase& op_case, const std::vector<ValueType>& types) {
  Graph graph;
  std::vector<ValueId> operands;
  for (std::size_t i = 0; i < types.size(); ++i) {
    operands.push_back(graph.AddInput(StrCat("operand", i), types[i]));
  }
  const std::size_t values = graph.values().size();
  auto results = graph.AddNode(op_case.op, op_case.attributes, operands, "result");
  if (results.ok()) return OkStatus();
  EXPECT_EQ(graph.values().size(), values) << "an error may not leave values behind";
  EXPECT_TRUE(graph.nodes().empty());
  EXPECT_EQ(results.status().code(), StatusCode::kInvalidArgument);
  return results.status();
}

std::vector<ValueType> TypesOf(const OpCase& op_case) {
  std::vector<ValueType> types;
  for (const OpOperand& operand : op_case.operands) types.push_back(operand.type);
  return types;
}

class ShapeRules : public ::testing::TestWithParam<OpCase> {};

TEST_P(ShapeRules, AcceptTheCase) { EXPECT_OK(AddCase(GetParam(), TypesOf(GetParam()))); }

TEST_P(ShapeRules, RefuseTheWrongCount) {
  const auto types = TypesOf(GetParam());
  auto more = types;
  more.push_back({DType::kF32, {3, 3}});
  auto fewer = types;
  fewer.pop_back();
  if (GetParam().op != OpKind::kConcat) {
    const Status status = AddCase(GetParam(), more);
    EXPECT_NE(status.message().find(StrCat(more.size(), " operands, takes")), std::string::npos)
        << status.ToString();
  }
  if (GetParam().op == OpKind::kConcat && !fewer.empty()) return;
  const Status status = AddCase(GetParam(), fewer);
  EXPECT_NE(status.message().find(StrCat(fewer.size(), " operands, takes")), std::string::npos)
      << status.ToString();
}

// i32 bytes read as f32 are garbage; 16-bit ones are an overrun of the operand.
TEST_P(ShapeRules, RefuseEveryOperandOfAnotherType) {
  constexpr DType kTypes[] = {DType::kI32, DType::kBf16, DType::kF32};
  const auto types = TypesOf(GetParam());
  const bool copies = GetParam().op == OpKind::kReshape || GetParam().op == OpKind::kTranspose ||
                      GetParam().op == OpKind::kSlice || GetParam().op == OpKind::kPad ||
                      GetParam().op == OpKind::kSplit || GetParam().op == OpKind::kCast;
  for (std::size_t i = 0; i < types.size(); ++i) {
    for (const DType dtype : kTypes) {
      const bool stored = static_cast<int>(i) == StoredWeight(GetParam());
      if (dtype == types[i].dtype || copies || (stored && dtype == DType::kBf16)) continue;
      if (GetParam().op == OpKind::kConcat && types.size() == 1) continue;
      auto spoilt = types;
      spoilt[i].dtype = dtype;
      EXPECT_FALSE(AddCase(GetParam(), spoilt).ok())
          << "operand " << i << " as " << DTypeName(dtype);
    }
  }
}

// One more row, column or axis somewhere: refused, or (where the operand is
// free to have it) another shape of the result.
TEST_P(ShapeRules, RefuseOrFollowEveryOtherExtent) {
  const auto types = TypesOf(GetParam());
  for (std::size_t i = 0; i < types.size(); ++i) {
    for (int axis = 0; axis < types[i].shape.rank(); ++axis) {
      std::vector<std::int64_t> extents;
      for (int a = 0; a < types[i].shape.rank(); ++a) extents.push_back(types[i].shape[a]);
      ++extents[static_cast<std::size_t>(axis)];
      auto spoilt = types;
      spoilt[i].shape = Shape(std::span<const std::int64_t>(extents));
      const Status status = AddCase(GetParam(), spoilt);
      if (status.ok()) continue;
      EXPECT_NE(status.message().find(OpName(GetParam().op)), std::string::npos);
      EXPECT_NE(status.message().find(StrCat("%", i, " operand", i)), std::string::npos);
      EXPECT_NE(status.message().find("result"), std::string::npos) << status.message();
      EXPECT_NE(status.message().find('['), std::string::npos) << status.message();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, ShapeRules, ::testing::ValuesIn(AllOpCases()),
                         [](const auto& param) { return param.param.name; });

std::string MessageOf(OpKind op, Attributes attributes, const std::vector<Shape>& shapes) {
  OpCase op_case{.name = "", .op = op, .attributes = std::move(attributes), .operands = {}};
  std::vector<ValueType> types;
  for (const Shape& shape : shapes) types.push_back({DType::kF32, shape});
  return AddCase(op_case, types).message();
}

TEST(ShapeRuleMessages, NameOpValueAndBothShapes) {
  EXPECT_EQ(MessageOf(OpKind::kLinear, LinearAttrs{}, {{2, 3}, {5, 4}}),
            "linear(%0 operand0, %1 operand1) result: x [2, 3] has 3 features, weight [5, 4] takes "
            "4");
  EXPECT_EQ(MessageOf(OpKind::kAdd, {}, {{2, 3}, {3, 2}}),
            "add(%0 operand0, %1 operand1) result: operand is [3, 2], must be [2, 3]");
  EXPECT_EQ(MessageOf(OpKind::kMatMul, MatMulAttrs{.transpose_a = true}, {{2, 3}, {3, 4}}),
            "matmul(%0 operand0, %1 operand1) result: inner extents differ: a [2, 3] has 2, "
            "b [3, 4] has 3");
  EXPECT_EQ(MessageOf(OpKind::kReshape, ReshapeAttrs{{7}}, {{2, 3}}),
            "reshape(%0 operand0) result: [2, 3] has 6 elements, [7] has 7");
}

TEST(ShapeRuleMessages, AttributesOutOfRangeAreRefused) {
  const auto refused = [](OpKind op, Attributes attributes, const std::vector<Shape>& shapes) {
    return !MessageOf(op, std::move(attributes), shapes).empty();
  };
  EXPECT_TRUE(refused(OpKind::kSlice, SliceAttrs{2, 3, 0}, {{2, 4}}));
  EXPECT_TRUE(refused(OpKind::kSlice, SliceAttrs{-1, 2, 0}, {{2, 4}}));
  EXPECT_TRUE(refused(OpKind::kPad, SliceAttrs{2, 4, 5}, {{2, 4}}));
  EXPECT_TRUE(refused(OpKind::kSplit, SplitAttrs{3}, {{2, 4}}));
  EXPECT_TRUE(refused(OpKind::kSplit, SplitAttrs{0}, {{2, 4}}));
  EXPECT_TRUE(refused(OpKind::kSplit, SplitAttrs{1}, {Shape{}}));
  EXPECT_TRUE(refused(OpKind::kConcat, {}, {Shape{}}));
  EXPECT_TRUE(refused(OpKind::kConcat, {}, {Shape{}, {2, 3}}));
  EXPECT_TRUE(refused(OpKind::kConcat, {}, {{2, 3}, Shape{}}));
  EXPECT_TRUE(refused(OpKind::kCast, CastAttrs{DType::kI32}, {{2, 4}}));
  const Shape x{4, 8};
  EXPECT_TRUE(refused(OpKind::kAttention, AttentionAttrs{1, 2, 0, 4}, {x, x, x}));
  EXPECT_TRUE(refused(OpKind::kAttention, AttentionAttrs{3, 2, 2, 4}, {x, x, x}));
  EXPECT_TRUE(refused(OpKind::kAttention, AttentionAttrs{1, 2, 2, 4}, {x, {3, 8}, {3, 8}}))
      << "causal with fewer keys than queries";
}

TEST(ShapeRuleMessages, DropoutTakesAProbabilityBelowOne) {
  for (const float p : {1.0f, -0.1f, std::numeric_limits<float>::quiet_NaN()}) {
    Graph graph;
    const ValueId x = graph.AddInput("x", {DType::kF32, {2, 2}});
    const ValueId seed = graph.AddInput("seed", {DType::kI32, {2}});
    const ValueId operands[] = {x, seed};
    EXPECT_FALSE(graph.AddNode(OpKind::kDropout, DropoutAttrs{p, 0}, operands).ok()) << p;
  }
}

}  // namespace
}  // namespace attune::testing
