#include "contract/backend/backend_contract.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/half.h"
#include "base/strings.h"
#include "graph/builder.h"
#include "graph/passes/passes.h"
#include "support/graph/random_graph.h"
#include "support/status_matchers.h"

namespace attune::testing {

Tensor MakeTensor(const ValueType& type, const std::vector<double>& data) {
  Tensor tensor(type.dtype, type.shape);
  for (std::size_t i = 0; i < data.size(); ++i) {
    std::byte* at = tensor.data() + i * static_cast<std::size_t>(SizeOf(type.dtype));
    const auto narrow = static_cast<float>(data[i]);
    const auto integer = static_cast<std::int32_t>(data[i]);
    const std::uint16_t half = type.dtype == DType::kF16 ? F16FromF32(narrow) : Bf16FromF32(narrow);
    if (type.dtype == DType::kF32) std::memcpy(at, &narrow, sizeof narrow);
    if (type.dtype == DType::kI32) std::memcpy(at, &integer, sizeof integer);
    if (SizeOf(type.dtype) == 2) std::memcpy(at, &half, sizeof half);
  }
  return tensor;
}

namespace {

bool IsCache(const Graph& graph, ValueId id) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [&](const Node& node) {
    return node.op == OpKind::kCacheAppend && node.inputs[0] == id;
  });
}

// What rounding intermediate results to 16 bits costs; the interpreter casts
// in name only.
double StorageTolerance(const Graph& graph) {
  double allowed = 0;
  for (const Node& node : graph.nodes()) {
    const auto* cast = std::get_if<CastAttrs>(&node.attributes);
    if (cast == nullptr) continue;
    if (cast->dtype == DType::kBf16) allowed = std::max(allowed, Tolerances().stored_bf16);
    if (cast->dtype == DType::kF16) allowed = std::max(allowed, Tolerances().stored_f16);
  }
  return allowed;
}

std::span<std::byte> Bytes(Tensor* tensor) {
  return {tensor->data(), static_cast<std::size_t>(tensor->bytes())};
}

}  // namespace

Result<CompiledProgram> CompiledProgram::Compile(Backend* backend, const OpProgram& program,
                                                 const CompileOptions& options) {
  CompiledProgram compiled;
  const Graph& graph = program.graph;
  FrozenParameters frozen;
  for (const Value& value : graph.values()) {
    if (value.leaf != Leaf::kParameter || value.trainable) continue;
    Tensor& tensor = compiled.frozen_[value.name];
    tensor = MakeTensor(value.type, program.feeds.at(value.name));
    frozen[value.name] = tensor.view();
  }
  ATTUNE_ASSIGN_OR_RETURN(compiled.executable_, backend->Compile(graph, frozen, options));
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) {
    const Value& value = graph.value(id);
    if (value.leaf == Leaf::kNone || value.leaf == Leaf::kConstant) continue;
    if (value.leaf == Leaf::kParameter && !value.trainable) continue;
    Tensor data = MakeTensor(value.type, program.feeds.at(value.name));
    if (value.leaf == Leaf::kParameter || IsCache(graph, id)) {
      Tensor& tensor = compiled.bound_[value.name] = std::move(data);
      ATTUNE_RETURN_IF_ERROR(compiled.executable_->Bind(value.name, Bytes(&tensor)));
    } else {
      ATTUNE_ASSIGN_OR_RETURN(auto slot, compiled.executable_->Input(value.name));
      if (slot.size() != Bytes(&data).size()) {
        return Internal(
            StrCat(value.name, ": slot of ", slot.size(), " bytes, has ", data.bytes()));
      }
      std::memcpy(slot.data(), data.data(), slot.size());
    }
  }
  for (const NamedValue& output : graph.outputs()) compiled.output_names_.push_back(output.name);
  return compiled;
}

Result<std::map<std::string, std::vector<float>>> CompiledProgram::Outputs() {
  std::map<std::string, std::vector<float>> outputs;
  for (const std::string& name : output_names_) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView view, executable_->Output(name));
    std::vector<float>& data = outputs[name];
    for (std::int64_t i = 0; i < view.shape.elements(); ++i) {
      data.push_back(ElementAsF32(view, i));
    }
  }
  return outputs;
}

void ExpectMatchesReference(Backend* backend, const OpProgram& program, double tolerance,
                            const CompileOptions& options) {
  ASSERT_OK_AND_ASSIGN(auto wanted, EvaluateReference(program.graph, program.feeds));
  auto compiled = CompiledProgram::Compile(backend, program, options);
  if (compiled.status().code() == StatusCode::kUnsupported &&
      options.precision == Precision::kBf16) {
    GTEST_SKIP() << compiled.status().ToString();
  }
  ASSERT_OK(compiled);
  ASSERT_OK(compiled->Run());
  ASSERT_OK_AND_ASSIGN(auto outputs, compiled->Outputs());
  ASSERT_EQ(outputs.size(), wanted.size());
  const double allowed = tolerance + StorageTolerance(program.graph);
  for (const auto& [name, want] : wanted) {
    const std::vector<float>& got = outputs.at(name);
    ASSERT_EQ(got.size(), want.data.size()) << name;
    double largest = 0;
    for (double x : want.data) largest = std::max(largest, std::abs(x));
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_LE(std::abs(got[i] - want.data[i]), allowed * (1 + largest))
          << name << "[" << i << "] is " << got[i] << ", must be " << want.data[i];
    }
    EXPECT_OK(compiled->executable().Output(name));
  }
}

namespace {

constexpr double kF32 = Tolerances().f32;

// --- Every op ---

TEST_P(BackendOps, ForwardMatchesTheReference) {
  SCOPED_TRACE(SeedNote());
  ExpectMatchesReference(backend_.get(), ForwardProgram(op_case()), kF32);
}

TEST_P(BackendOps, FrozenWeightsMatchTheReference) {
  SCOPED_TRACE(SeedNote());
  for (const bool pack : {false, true}) {
    SCOPED_TRACE(pack ? "packed" : "mapped");
    ExpectMatchesReference(backend_.get(), ForwardProgram(op_case(), {.trainable = false}), kF32,
                           {.pack_weights = pack});
  }
}

// Widening is exact, so a 16-bit weight is no excuse.
TEST_P(BackendOps, StoredWeightsMatchTheReference) {
  if (StoredWeight(op_case()) < 0) return;
  SCOPED_TRACE(SeedNote());
  for (const DType dtype : {DType::kF16, DType::kBf16}) {
    for (const bool pack : {false, true}) {
      SCOPED_TRACE(StrCat(DTypeName(dtype), pack ? " packed" : " mapped"));
      const ProgramOptions options{.trainable = false, .weight_dtype = dtype};
      ExpectMatchesReference(backend_.get(), ForwardProgram(op_case(), options), kF32,
                             {.pack_weights = pack});
      if (!HasGradient(op_case(), options)) continue;
      OpProgram gradient = GradientProgram(op_case(), options);
      ExpectMatchesReference(backend_.get(), gradient, kF32, {.pack_weights = pack});
      Optimize(&gradient.graph);
      ExpectMatchesReference(backend_.get(), gradient, kF32, {.pack_weights = pack});
    }
  }
}

TEST_P(BackendOps, GradientMatchesTheReference) {
  if (!HasGradient(op_case())) return;
  SCOPED_TRACE(SeedNote());
  OpProgram program = GradientProgram(op_case());
  ExpectMatchesReference(backend_.get(), program, kF32);
  Optimize(&program.graph);
  SCOPED_TRACE("optimized");
  ExpectMatchesReference(backend_.get(), program, kF32);
}

TEST_P(BackendOps, Bf16StaysInItsTolerance) {
  SCOPED_TRACE(SeedNote());
  OpProgram program =
      HasGradient(op_case()) ? GradientProgram(op_case()) : ForwardProgram(op_case());
  Optimize(&program.graph);
  ExpectMatchesReference(backend_.get(), program, Tolerances().bf16,
                         {.precision = Precision::kBf16});
}

TEST(BackendOpsTable, EveryOpRuns) {
  std::set<OpKind> covered;
  for (const OpCase& op_case : AllOpCases()) {
    OpProgram program = HasGradient(op_case) ? GradientProgram(op_case) : ForwardProgram(op_case);
    for (const Node& node : program.graph.nodes()) covered.insert(node.op);
    Optimize(&program.graph);
    for (const Node& node : program.graph.nodes()) covered.insert(node.op);
  }
  for (int op = 0; op <= static_cast<int>(kLastOp); ++op) {
    const auto kind = static_cast<OpKind>(op);
    EXPECT_TRUE(covered.contains(kind)) << OpName(kind) << " is in no case";
  }
}

// --- Whole programs ---

TEST_P(BackendContract, RandomProgramsMatchTheReference) {
  for (std::uint64_t i = 0; i < 120 && !HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    OpProgram program = RandomProgram(TestSeed() + i, {.constants = i % 3 == 0});
    if (i % 2 == 0) Optimize(&program.graph);
    if (i % 4 == 0) Recompute(&program.graph, "loss", 0);
    ExpectMatchesReference(backend_.get(), program, 1e-3);
  }
}

TEST_P(BackendContract, EqualRunsGiveEqualBits) {
  for (std::uint64_t i = 0; i < 20 && !HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    const OpProgram program = RandomProgram(TestSeed() + i);
    ASSERT_OK_AND_ASSIGN(auto one, CompiledProgram::Compile(backend_.get(), program));
    ASSERT_OK_AND_ASSIGN(auto two, CompiledProgram::Compile(backend_.get(), program));
    ASSERT_OK(one.Run());
    ASSERT_OK_AND_ASSIGN(const auto first, one.Outputs());
    ASSERT_OK(one.Run());
    ASSERT_OK_AND_ASSIGN(const auto again, one.Outputs());
    EXPECT_EQ(first, again);
    ASSERT_OK(two.Run());
    ASSERT_OK_AND_ASSIGN(const auto other, two.Outputs());
    EXPECT_EQ(first, other);
  }
}

TEST_P(BackendContract, PredictedMemoryIsWhatCompilingTakes) {
  for (const bool pack : {false, true}) {
    for (const char* name : {"linear_odd", "attention_causal_long", "cross_entropy_wide"}) {
      SCOPED_TRACE(name);
      const auto cases = AllOpCases();
      const auto op_case =
          std::find_if(cases.begin(), cases.end(), [&](const OpCase& c) { return c.name == name; });
      ASSERT_NE(op_case, cases.end());
      const OpProgram program = GradientProgram(*op_case, {.trainable = false});
      FrozenParameters frozen;
      std::map<std::string, Tensor> tensors;
      for (const Value& value : program.graph.values()) {
        if (value.leaf != Leaf::kParameter) continue;
        tensors[value.name] = MakeTensor(value.type, program.feeds.at(value.name));
        frozen[value.name] = tensors[value.name].view();
      }
      const CompileOptions options{.pack_weights = pack};
      auto predicted = backend_->PredictMemory(program.graph, frozen, options);
      if (predicted.status().code() == StatusCode::kUnsupported) {
        GTEST_SKIP() << predicted.status().ToString();
      }
      ASSERT_OK(predicted);
      ASSERT_OK_AND_ASSIGN(auto executable, backend_->Compile(program.graph, frozen, options));
      EXPECT_GT(predicted->arena_bytes, 0);
      EXPECT_EQ(predicted->arena_bytes, executable->memory().arena_bytes);
      EXPECT_EQ(predicted->scratch_bytes, executable->memory().scratch_bytes);
      EXPECT_EQ(predicted->packed_bytes, executable->memory().packed_bytes);
      EXPECT_EQ(predicted->slot_bytes, executable->memory().slot_bytes);
    }
  }
}

// --- Leaves ---

// y = x W^T + b, W frozen, b trainable.
OpProgram Affine() {
  OpProgram program;
  GraphBuilder builder(&program.graph);
  const ValueId x = program.graph.AddInput("x", {DType::kF32, {2, 3}});
  const ValueId w = program.graph.AddParameter("w", {DType::kF32, {4, 3}}, false);
  const ValueId b = program.graph.AddParameter("b", {DType::kF32, {4}}, true);
  program.graph.AddOutput("y", builder.Linear(x, w, b));
  EXPECT_OK(builder.status());
  program.feeds = {{"x", {1, 2, 3, 4, 5, 6}},
                   {"w", {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}},
                   {"b", {10, 20, 30, 40}}};
  return program;
}

TEST_P(BackendContract, ANewAdapterNeedsNoNewProgram) {
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), Affine()));
  ASSERT_OK(compiled.Run());
  ASSERT_OK_AND_ASSIGN(auto outputs, compiled.Outputs());
  EXPECT_EQ(outputs["y"], (std::vector<float>{11, 22, 33, 46, 14, 25, 36, 55}));

  compiled.bound("b").f32()[0] = 100;  // In place, as an optimizer does.
  ASSERT_OK(compiled.Run());
  ASSERT_OK_AND_ASSIGN(outputs, compiled.Outputs());
  EXPECT_EQ(outputs["y"], (std::vector<float>{101, 22, 33, 46, 104, 25, 36, 55}));

  Tensor other(DType::kF32, {4});  // All zero.
  ASSERT_OK(compiled.executable().Bind("b", Bytes(&other)));
  ASSERT_OK(compiled.Run());
  ASSERT_OK_AND_ASSIGN(outputs, compiled.Outputs());
  EXPECT_EQ(outputs["y"], (std::vector<float>{1, 2, 3, 6, 4, 5, 6, 15}));
}

TEST_P(BackendContract, AnInputKeepsItsAddressAndIsReadByEveryRun) {
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), Affine()));
  ASSERT_OK_AND_ASSIGN(auto before, compiled.executable().Input("x"));
  ASSERT_OK(compiled.Run());
  ASSERT_OK_AND_ASSIGN(auto after, compiled.executable().Input("x"));
  EXPECT_EQ(before.data(), after.data());
  EXPECT_EQ(before.size(), 24u);
  EXPECT_EQ(AsF32(after)[5], 6.0f) << "a run may not write an input";
  AsF32(after)[0] = 7;
  ASSERT_OK(compiled.Run());
  ASSERT_OK_AND_ASSIGN(auto outputs, compiled.Outputs());
  EXPECT_EQ(outputs["y"][0], 17.0f);
}

TEST_P(BackendContract, NamesThatDoNotExistAreNotFound) {
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), Affine()));
  Executable& executable = compiled.executable();
  ASSERT_OK(compiled.Run());
  const auto expect_not_found = [](const Status& status) {
    EXPECT_EQ(status.code(), StatusCode::kNotFound) << status.ToString();
    EXPECT_NE(status.message().find("nowhere"), std::string::npos) << status.message();
  };
  Tensor storage(DType::kF32, {4});
  expect_not_found(executable.Input("nowhere").status());
  expect_not_found(executable.Output("nowhere").status());
  expect_not_found(executable.Bind("nowhere", Bytes(&storage)));
  EXPECT_EQ(executable.Input("w").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(executable.Input("b").status().code(), StatusCode::kNotFound);
}

TEST_P(BackendContract, StorageOfTheWrongSizeIsRefusedAndTheOldStays) {
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), Affine()));
  Tensor wide(DType::kF32, {5});
  const Status status = compiled.executable().Bind("b", Bytes(&wide));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  for (const char* part : {"b", "20", "16"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }
  ASSERT_OK(compiled.Run());
  ASSERT_OK_AND_ASSIGN(auto outputs, compiled.Outputs());
  EXPECT_EQ(outputs["y"][0], 11.0f);
}

TEST_P(BackendContract, AFrozenParameterCannotBeRebound) {
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), Affine()));
  Tensor other(DType::kF32, {4, 3});
  EXPECT_EQ(compiled.executable().Bind("w", Bytes(&other)).code(), StatusCode::kInvalidArgument);
}

TEST_P(BackendContract, RunningWithNothingBoundNamesTheLeaf) {
  const OpProgram program = Affine();
  const Tensor w = MakeTensor({DType::kF32, {4, 3}}, program.feeds.at("w"));
  ASSERT_OK_AND_ASSIGN(auto executable, backend_->Compile(program.graph, {{"w", w.view()}}, {}));
  const Status status = executable->Run();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find(" b"), std::string::npos) << status.message();
}

TEST_P(BackendContract, FrozenParametersThatDoNotFitAreNamedTogether) {
  OpProgram program = Affine();
  Graph& graph = program.graph;
  GraphBuilder builder(&graph);
  const ValueId v = graph.AddParameter("v", {DType::kF32, {5, 4}}, false);
  const ValueId u = graph.AddParameter("u", {DType::kBf16, {2, 5}}, false);
  graph.AddOutput("z", builder.Linear(builder.Linear(*graph.FindOutput("y"), v), u));
  ASSERT_OK(builder.status());
  const Tensor narrow(DType::kF32, {4, 4});
  const Tensor wide(DType::kF32, {2, 5});
  const FrozenParameters frozen{{"v", narrow.view()}, {"u", wide.view()}};
  for (const Status& status : {backend_->Compile(graph, frozen, {}).status()}) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    for (const char* part : {"w is missing", "v is", "[4, 4]", "[5, 4]", "u is", "bf16"}) {
      EXPECT_NE(status.message().find(part), std::string::npos) << part << ": " << status.message();
    }
  }
}

TEST_P(BackendContract, AGraphThatDoesNotVerifyIsRefused) {
  Graph graph = Affine().graph;
  graph.AddOutput("ghost", kNoValue);
  const Tensor w(DType::kF32, {4, 3});
  const auto compiled = backend_->Compile(graph, {{"w", w.view()}}, {});
  EXPECT_EQ(compiled.status().code(), StatusCode::kInvalidArgument);
}

// Passes leave graphs whose outputs are leaves, views of leaves, or one value
// under two names.
TEST_P(BackendContract, AnOutputMayBeALeafOrAViewOfOne) {
  OpProgram program;
  Graph& graph = program.graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {2, 3}});
  const ValueId b = graph.AddParameter("b", {DType::kF32, {3}}, true);
  Tensor literal(DType::kF32, {1, 2});
  literal.f32()[1] = 4;
  const ValueId c = graph.AddConstant("c", std::move(literal));
  const ValueId y = builder.Scale(x, 2.0f);
  graph.AddOutput("x", x);
  graph.AddOutput("view", builder.Reshape(x, {3, 2}));
  graph.AddOutput("b", b);
  graph.AddOutput("c", c);
  graph.AddOutput("y", y);
  graph.AddOutput("y again", y);
  graph.AddOutput("y view", builder.Reshape(y, {6}));
  ASSERT_OK(builder.status());
  program.feeds = {{"x", {1, 2, 3, 4, 5, 6}}, {"b", {7, 8, 9}}};
  ExpectMatchesReference(backend_.get(), program, kF32);
}

// --- Caches ---

TEST_P(BackendContract, ACacheIsWrittenInItsOwnersStorage) {
  OpProgram program;
  Graph& graph = program.graph;
  GraphBuilder builder(&graph);
  const ValueId cache = graph.AddInput("cache", {DType::kF32, {4, 2}});
  const ValueId x = graph.AddInput("x", {DType::kF32, {1, 2}});
  const ValueId position = graph.AddInput("position", {DType::kI32, {1}});
  graph.AddOutput("y", builder.CacheAppend(cache, x, position));
  ASSERT_OK(builder.status());
  program.feeds = {{"cache", {0, 0, 0, 0, 0, 0, 0, 0}}, {"x", {1, 2}}, {"position", {1}}};
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), program));
  ASSERT_OK(compiled.Run());
  ASSERT_OK_AND_ASSIGN(auto slot, compiled.executable().Input("position"));
  AsI32(slot)[0] = 3;
  ASSERT_OK_AND_ASSIGN(slot, compiled.executable().Input("x"));
  AsF32(slot)[0] = 5;
  ASSERT_OK(compiled.Run());
  const auto data = compiled.bound("cache").f32();
  EXPECT_EQ(std::vector<float>(data.begin(), data.end()),
            (std::vector<float>{0, 0, 1, 2, 0, 0, 5, 2}));
}

// --- Nodes that a backend may join ---

// Two products over one x that a backend may compute at once, the first with a
// weight that is itself computed, or with a result that nobody reads.
OpProgram TwoProducts(bool computed_weight, bool first_is_read) {
  constexpr std::int64_t kWidth = 96;
  OpProgram program;
  Graph& graph = program.graph;
  GraphBuilder builder(&graph);
  const ValueType matrix{DType::kF32, {kWidth, kWidth}};
  const ValueId x = graph.AddInput("x", {DType::kF32, {1, kWidth}});
  ValueId v = graph.AddParameter("v", matrix, true);
  const ValueId w = graph.AddParameter("w", matrix, true);
  if (computed_weight) v = builder.Scale(v, 0.5f);
  const ValueId first = builder.Linear(x, v);
  graph.AddOutput("second", builder.Linear(x, w));
  if (first_is_read) graph.AddOutput("first", first);
  EXPECT_OK(builder.status());
  const auto fill = [](std::int64_t n, double phase) {
    std::vector<double> data;
    for (std::int64_t i = 0; i < n; ++i) data.push_back(std::sin(phase + static_cast<double>(i)));
    return data;
  };
  program.feeds = {
      {"x", fill(kWidth, 1)}, {"v", fill(kWidth * kWidth, 2)}, {"w", fill(kWidth * kWidth, 3)}};
  return program;
}

TEST_P(BackendContract, ProductsOverOneOperandDoNotDisturbEachOther) {
  for (const bool computed_weight : {false, true}) {
    for (const bool first_is_read : {false, true}) {
      SCOPED_TRACE(StrCat("computed weight ", computed_weight, ", read ", first_is_read));
      ExpectMatchesReference(backend_.get(), TwoProducts(computed_weight, first_is_read), 1e-5);
    }
  }
}

TEST_P(BackendContract, TheFirstOfTwoJoinedProductsIsNamedWhenItOverflows) {
  OpProgram program = TwoProducts(false, true);
  for (double& element : program.feeds["x"]) element = 1;
  for (double& weight : program.feeds["v"]) weight = 3e38;
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), program));
  ASSERT_OK_AND_ASSIGN(auto found, compiled.executable().FindNonFinite());
  EXPECT_TRUE(found.has_value());
}

// dh = dy B, then dB = dy^T dh: what looks like the backward pass of LoRA reads
// its own result.
TEST_P(BackendContract, AProductMayReadTheOneBeforeIt) {
  OpProgram program;
  Graph& graph = program.graph;
  GraphBuilder builder(&graph);
  const ValueId dy = graph.AddInput("dy", {DType::kF32, {3, 5}});
  const ValueId b = graph.AddParameter("b", {DType::kF32, {5, 2}}, true);
  const ValueId dh = builder.Linear(dy, b, kNoValue, {.transposed = true});
  graph.AddOutput("dh", dh);
  graph.AddOutput("db", builder.MatMul(dy, dh, {.transpose_a = true}));
  EXPECT_OK(builder.status());
  program.feeds = {{"dy", {1, -2, 3, 4, 0, 2, 1, 0, 5, -1, 3, 2, 1, -4, 2}},
                   {"b", {1, 2, -1, 0, 3, 1, 2, 2, -2, 1}}};
  ExpectMatchesReference(backend_.get(), program, 1e-5);
}

TEST_P(BackendContract, ViewsAndPiecesOfSixteenBitsAreRightOrRefused) {
  for (const DType dtype : {DType::kF16, DType::kBf16}) {
    OpProgram program;
    Graph& graph = program.graph;
    GraphBuilder builder(&graph);
    const ValueId w = graph.AddParameter("w", {dtype, {2, 4}}, false);
    graph.AddOutput("piece", builder.Cast(builder.Slice(w, 1, 2), DType::kF32));
    EXPECT_OK(builder.status());
    program.feeds = {{"w", {1, 2, 3, 4, 5, 6, 7, 8}}};
    const auto compiled = CompiledProgram::Compile(backend_.get(), program);
    if (compiled.status().code() == StatusCode::kUnsupported) continue;
    ExpectMatchesReference(backend_.get(), program, 0);
  }
}

// --- A loss over more rows than a backend may take at once ---

OpProgram LossOfManyRows() {
  constexpr std::int64_t kRows = 4096, kWidth = 4, kVocabulary = 8;
  OpProgram program;
  Graph& graph = program.graph;
  GraphBuilder builder(&graph);
  const std::vector<ValueId> operands = {
      graph.AddInput("x", {DType::kF32, {kRows, kWidth}}),
      graph.AddParameter("w", {DType::kF32, {kVocabulary, kWidth}}, false),
      graph.AddInput("labels", {DType::kI32, {kRows}}),
      graph.AddInput("weights", {DType::kF32, {kRows}})};
  const auto results = builder.Emit(OpKind::kLinearCrossEntropy, CrossEntropyAttrs{}, operands);
  EXPECT_OK(builder.status());
  graph.AddOutput("loss", results[0]);
  graph.AddOutput("lse", results[1]);
  for (const ValueId id : operands) {
    std::vector<double>& data = program.feeds[graph.value(id).name];
    for (std::int64_t i = 0; i < graph.shape(id).elements(); ++i) {
      data.push_back(std::sin(static_cast<double>(i)));
    }
  }
  for (double& label : program.feeds["labels"]) label = label > 0 ? 3 : 5;
  for (double& weight : program.feeds["weights"]) weight = weight > -0.9 ? 1 : 0;
  return program;
}

TEST_P(BackendContract, ALossOverManyRowsIsTheSameEveryTime) {
  const OpProgram program = LossOfManyRows();
  ExpectMatchesReference(backend_.get(), program, kF32);
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), program));
  ASSERT_OK(compiled.Run());
  ASSERT_OK_AND_ASSIGN(const auto first, compiled.Outputs());
  for (int run = 0; run < 50; ++run) {
    ASSERT_OK(compiled.Run());
    ASSERT_OK_AND_ASSIGN(const auto again, compiled.Outputs());
    ASSERT_EQ(again, first) << "run " << run;
  }
}

// --- Numbers that went wrong ---

// exp-free overflow: the square of 1e30 is no f32, and the sigmoid of the
// infinity that follows is finite again.
OpProgram Overflowing(double x) {
  OpProgram program;
  Graph& graph = program.graph;
  GraphBuilder builder(&graph);
  const ValueId input = graph.AddInput("x", {DType::kF32, {1, 2}});
  const ValueId half = builder.Emit(OpKind::kScale, ScaleAttrs{0.5f}, {input}, "half")[0];
  const ValueId square = builder.Emit(OpKind::kMul, {}, {half, half}, "square")[0];
  const ValueId twice = builder.Emit(OpKind::kAdd, {}, {square, square}, "twice")[0];
  graph.AddOutput("y", builder.Unary(UnaryFunction::kSigmoid, twice));
  EXPECT_OK(builder.status());
  program.feeds = {{"x", {1, x}}};
  return program;
}

TEST_P(BackendContract, TheFirstNodeWithANonFiniteNumberIsNamed) {
  if (!GetParam().sees_inside) GTEST_SKIP() << "the number does not leave the program";
  for (const double bad : {1e30, static_cast<double>(INFINITY)}) {
    ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), Overflowing(bad)));
    ASSERT_OK_AND_ASSIGN(auto found, compiled.executable().FindNonFinite());
    ASSERT_TRUE(found.has_value());
    const std::string_view where = std::isinf(bad) ? "half" : "square";
    const std::string_view op = std::isinf(bad) ? "scale" : "mul";
    EXPECT_NE(found->find(where), std::string::npos) << *found;
    EXPECT_NE(found->find(op), std::string::npos) << *found;
  }
}

TEST_P(BackendContract, FiniteNumbersAreNotReported) {
  ASSERT_OK_AND_ASSIGN(auto compiled, CompiledProgram::Compile(backend_.get(), Overflowing(3)));
  ASSERT_OK_AND_ASSIGN(auto found, compiled.executable().FindNonFinite());
  EXPECT_FALSE(found.has_value()) << *found;
}

// A padding row sees no key; that is no accident.
TEST_P(BackendContract, AttentionRowsWithoutKeysAreFinite) {
  for (const OpCase& op_case : AllOpCases()) {
    if (op_case.name != "attention_bounded_packed") continue;
    ASSERT_OK_AND_ASSIGN(auto compiled,
                         CompiledProgram::Compile(backend_.get(), GradientProgram(op_case)));
    ASSERT_OK_AND_ASSIGN(auto found, compiled.executable().FindNonFinite());
    EXPECT_FALSE(found.has_value()) << *found;
    return;
  }
  FAIL() << "no such case";
}

}  // namespace
}  // namespace attune::testing
