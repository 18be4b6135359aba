#include "ane/compiler/emit.h"

#include <gtest/gtest.h>

#include <set>

#include "ane/mil/blob.h"
#include "ane/mil/parse.h"
#include "base/half.h"
#include "support/ane/region_builder.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

using testing::RegionBuilder;

struct Emitted {
  ProgramImage image;
  mil::Program program;
  const mil::Function& main() const { return program.functions[0]; }
  // The statement that makes a value.
  const mil::Statement* Making(std::string_view name) const {
    for (const mil::Statement& statement : main().body) {
      if (statement.outputs[0].name == name) return &statement;
    }
    return nullptr;
  }
  std::string OpOf(std::string_view name) const {
    const mil::Statement* statement = Making(name);
    return statement == nullptr ? "nothing" : statement->op;
  }
  // The statement that makes a statement's argument.
  const mil::Statement* Source(const mil::Statement& statement, std::string_view key) const {
    const mil::Argument* argument = statement.Find(key);
    const auto* name = argument == nullptr ? nullptr : std::get_if<std::string>(&argument->value);
    return name == nullptr ? nullptr : Making(*name);
  }
  std::int64_t Count(std::string_view op) const {
    return std::ranges::count(main().body, op, &mil::Statement::op);
  }
};

Emitted MustEmit(const RegionBuilder& b, ElementType element = ElementType::kF16) {
  EXPECT_OK(Verify(b.region(), b.surfaces()));
  Result<ProgramImage> image = Emit(b.region(), b.surfaces(), element);
  EXPECT_OK(image);
  Result<mil::Program> program = mil::Parse(image->mil);
  EXPECT_TRUE(program.ok()) << program.status().ToString() << "\n" << image->mil;
  return {*std::move(image), *std::move(program)};
}

// Two layers' worth of conv, with scalars, a softmax and a second output.
RegionBuilder Sample() {
  RegionBuilder b;
  const TensorId x = b.Input(64, 32);
  const TensorId first = b.Conv(x, b.ConvWeight(32, 64));
  const TensorId heads = b.Reshape(b.Mul(first, b.Scalar(0.1f)), {1, 4, 8, 32});
  const TensorId scores = b.Softmax(b.MatMul(heads, heads, true), 3);
  const TensorId second = b.Conv(x, b.ConvWeight(16, 64));
  b.Output(b.MatMul(heads, scores, false, true));
  b.Output(b.Add(second, b.Scalar(0.1f)));
  return b;
}

TEST(Emit, WritesOneFunctionWithSurfacesAsSymbols) {
  const Emitted e = MustEmit(Sample());
  EXPECT_EQ(e.program.version, "1.3");
  EXPECT_FALSE(e.program.build_info.empty());
  ASSERT_EQ(e.program.functions.size(), 1u);
  EXPECT_EQ(e.main().name, "main");
  EXPECT_EQ(e.main().opset, "ios18");
  ASSERT_EQ(e.main().parameters.size(), 1u);
  EXPECT_EQ(e.main().parameters[0].name, "s0");
  EXPECT_EQ(e.main().parameters[0].type.dims, (std::vector<std::int64_t>{1, 64, 1, 32}));
  EXPECT_EQ(e.main().returns, (std::vector<std::string>{"s1", "s2"}));
}

TEST(Emit, GivesEqualBytesForEqualRegions) {
  const Emitted a = MustEmit(Sample()), b = MustEmit(Sample());
  EXPECT_EQ(a.image.mil, b.image.mil);
  EXPECT_EQ(a.image.weights, b.image.weights);
  EXPECT_EQ(DigestOf(a.image), DigestOf(b.image));
}

TEST(Emit, NamesEveryValueOnceAndAfterItself) {
  const Emitted e = MustEmit(Sample());
  std::set<std::string> names = {"s0"};
  for (const mil::Statement& statement : e.main().body) {
    const std::string& name = statement.outputs[0].name;
    EXPECT_TRUE(names.insert(name).second) << name;
    const mil::Argument* attribute = statement.FindAttribute("name");
    ASSERT_NE(attribute, nullptr) << name;
    EXPECT_EQ(std::get<std::string>(std::get<mil::Literal>(attribute->value).data), name);
  }
}

// Literals as arguments are not taken everywhere, and a constant twice is a name twice.
TEST(Emit, SharesConstantsAndPassesNoLiterals) {
  const Emitted e = MustEmit(Sample());
  std::set<std::string> literals;
  for (const mil::Statement& statement : e.main().body) {
    for (const mil::Argument& argument : statement.arguments) {
      EXPECT_FALSE(std::holds_alternative<mil::Literal>(argument.value)) << statement.op;
    }
    if (statement.op != "const") continue;
    const std::string& name = statement.outputs[0].name;
    const std::size_t at = e.image.mil.find(StrCat(" ", name, " = const()"));
    const std::string text = e.image.mil.substr(e.image.mil.find("val = ", at));
    EXPECT_TRUE(literals.insert(text.substr(0, text.find('\n'))).second) << text;
  }
}

TEST(Emit, WritesScalarsAsTheFp16NumberTheyBecome) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  b.Output(b.Mul(b.Add(x, b.Scalar(-0.1f)), b.Scalar(3.0f)));
  const Emitted e = MustEmit(b);
  std::vector<double> numbers;
  for (const mil::Statement& statement : e.main().body) {
    if (statement.op != "const") continue;
    const auto& value = std::get<mil::Literal>(statement.FindAttribute("val")->value);
    numbers.push_back(std::get<std::vector<double>>(value.data)[0]);
  }
  const auto tenth = static_cast<double>(F32FromF16(F16FromF32(-0.1f)));
  EXPECT_EQ(numbers, (std::vector<double>{tenth, 3.0}));
  EXPECT_NE(e.image.mil.find("fp16(0x1.8p+1)"), std::string::npos);

  const Emitted exact = MustEmit(b, ElementType::kF32);
  EXPECT_NE(exact.image.mil.find("fp32(-0x1.99999ap-4)"), std::string::npos) << exact.image.mil;
}

TEST(Emit, RefusesScalarsBeyondFp16) {
  RegionBuilder b;
  b.Output(b.Mul(b.Input(32, 32), b.Scalar(70000.0f)));
  EXPECT_EQ(Emit(b.region(), b.surfaces(), ElementType::kF16).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_OK(Emit(b.region(), b.surfaces(), ElementType::kF32));
}

// What passes should have computed is no program's business.
TEST(Emit, RefusesPrimitivesOfConstantsAlone) {
  RegionBuilder b;
  const TensorId vector = b.Weight(b.Matrix(32, 1), {1, 32, 1, 1});
  b.Output(b.Mul(b.Input(32, 32), b.Mul(vector, b.Scalar(0.5f))));
  const Status status = Emit(b.region(), b.surfaces(), ElementType::kF16).status();
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_NE(status.message().find("mul of constants alone"), std::string::npos);
}

// --- The ends of programs ---

TEST(EmitTail, CopiesWhatIsReadAndReturned) {
  RegionBuilder b;
  const TensorId y = b.Unary(Prim::kTanh, b.Input(32, 32));
  b.Output(y);
  b.Output(b.Unary(Prim::kExp, y));
  const Emitted e = MustEmit(b);
  EXPECT_EQ(e.OpOf("s1"), "identity");
  EXPECT_EQ(e.OpOf("s2"), "exp");
}

TEST(EmitTail, NeverReturnsAnIdentityAlone) {
  RegionBuilder b;
  b.Output(b.Unary(Prim::kIdentity, b.Input(32, 32)));
  EXPECT_EQ(MustEmit(b).OpOf("s1"), "mul");
}

TEST(EmitTail, NeverReturnsAnInputAlone) {
  RegionBuilder b;
  b.Output(b.Input(32, 32));
  EXPECT_EQ(MustEmit(b).OpOf("s1"), "mul");
}

TEST(EmitTail, NeverEndsInAProductThatIsOnlyReshaped) {
  for (const bool explicitly : {false, true}) {
    RegionBuilder b;
    const TensorId x = b.Read(b.Surface(64, 32), {1, 2, 32, 32});
    const TensorId y = b.Read(b.Surface(64, 32), {1, 2, 32, 32});
    TensorId product = b.MatMul(x, y);
    if (explicitly) product = b.Reshape(b.Reshape(product, {1, 1, 64, 32}), {1, 64, 1, 32});
    b.Output(product);
    const Emitted e = MustEmit(b);
    EXPECT_EQ(e.OpOf("s2"), "mul");
    EXPECT_EQ(e.Source(*e.Making("s2"), "x")->op, "reshape");
  }
}

TEST(EmitTail, ReturnsAProductOfAnotherShapeBesideSomethingElse) {
  RegionBuilder b;
  const TensorId x = b.Read(b.Surface(64, 32), {1, 2, 32, 32});
  b.Output(b.MatMul(x, b.Unary(Prim::kExp, x)));
  b.Output(b.Unary(Prim::kTanh, x));
  const Emitted e = MustEmit(b);
  EXPECT_EQ(e.OpOf("s1"), "reshape");
  EXPECT_EQ(e.OpOf("s2"), "reshape");
}

TEST(EmitTail, ReturnsOneTensorTwice) {
  RegionBuilder b;
  const TensorId y = b.Unary(Prim::kTanh, b.Input(32, 32));
  b.Output(y);
  b.Output(y);
  const Emitted e = MustEmit(b);
  EXPECT_EQ(e.OpOf("s1"), "tanh");
  EXPECT_EQ(e.OpOf("s2"), "identity");
}

TEST(Emit, MultipliesATensorByItselfThroughItsNegative) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  const TensorId square = b.Reshape(b.Unary(Prim::kTanh, x), {1, 1, 32, 32});
  b.Output(b.Unary(Prim::kExp, b.MatMul(square, square)));
  const Emitted e = MustEmit(b);
  ASSERT_EQ(e.Count("matmul"), 1);
  const auto product = std::ranges::find(e.main().body, "matmul", &mil::Statement::op);
  EXPECT_NE(e.Source(*product, "x"), e.Source(*product, "y"));
}

// --- The weight file ---

std::vector<float> HalvesAt(const ProgramImage& image, const mil::BlobRecord& record) {
  std::vector<float> out;
  for (std::uint64_t i = 0; i < record.data_bytes; i += 2) {
    const std::byte* at = image.weights.data() + record.data_offset + i;
    out.push_back(F32FromF16(static_cast<std::uint16_t>(static_cast<unsigned>(at[0]) |
                                                        static_cast<unsigned>(at[1]) << 8)));
  }
  return out;
}

TEST(EmitWeights, WritesOneRecordEachWithAbsoluteOffsets) {
  const RegionBuilder b = Sample();
  const Emitted e = MustEmit(b);
  ASSERT_OK_AND_ASSIGN(const auto records, mil::ReadRecords(e.image.weights));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(static_cast<int>(e.image.weights[0]), 2);  // The count,
  EXPECT_EQ(static_cast<int>(e.image.weights[4]), 2);  // the version.
  for (std::size_t i = 0; i < 2; ++i) {
    const auto matrix = testing::MatrixOf(b.region().weights[i]);
    EXPECT_EQ(records[i].offset % 64, 0u);
    EXPECT_EQ(records[i].data_offset, records[i].offset + 64);
    EXPECT_EQ(records[i].dtype, 1u);
    const std::vector<float> halves = HalvesAt(e.image, records[i]);
    ASSERT_EQ(halves.size(), matrix.size());
    for (std::size_t k = 0; k < matrix.size(); ++k) {
      EXPECT_EQ(halves[k], F32FromF16(F16FromF32(static_cast<float>(matrix[k]))));
    }
    EXPECT_NE(e.image.mil.find(StrCat("offset = uint64(", records[i].offset, ")")),
              std::string::npos);
  }
}

// Pieces of every kind of source, against the same matrix made element by element.
TEST(EmitWeights, JoinsTransposesScalesAndPadsPieces) {
  for (const bool side_by_side : {false, true}) {
    RegionBuilder b;
    std::vector<WeightPiece> pieces;
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16}) {
      for (const bool transposed : {false, true}) {
        auto source = std::make_shared<Tensor>(dtype, Shape{40, 72});
        auto* halves = reinterpret_cast<std::uint16_t*>(source->data());
        for (std::int64_t i = 0; i < 40 * 72; ++i) {
          const auto number = static_cast<float>(b.Random());
          if (dtype == DType::kF32) source->f32()[static_cast<std::size_t>(i)] = number;
          if (dtype == DType::kF16) halves[i] = F16FromF32(number);
          if (dtype == DType::kBf16) halves[i] = Bf16FromF32(number);
        }
        WeightPiece piece;
        piece.source = source->view();
        piece.literal = source;
        piece.transposed = transposed;
        piece.scale = transposed ? 0.25f : 1.0f;
        piece.rows = piece.columns = 80;  // The rest is zeros.
        pieces.push_back(piece);
      }
    }
    const Dims dims = side_by_side ? Dims{80, 480, 1, 1} : Dims{480, 80, 1, 1};
    const TensorId w = b.Weight(pieces, dims, side_by_side);
    b.Output(b.Conv(b.Input(dims[1], 32), w));
    const Emitted e = MustEmit(b);
    ASSERT_OK_AND_ASSIGN(const mil::BlobRecord record, mil::ReadRecord(e.image.weights, 64));
    const std::vector<float> halves = HalvesAt(e.image, record);
    const auto matrix = testing::MatrixOf(b.region().weights[0]);
    ASSERT_EQ(halves.size(), matrix.size());
    for (std::size_t k = 0; k < matrix.size(); ++k) {
      ASSERT_EQ(halves[k], F32FromF16(F16FromF32(static_cast<float>(matrix[k])))) << k;
    }
  }
}

TEST(EmitWeights, RoundsAsConversionsElsewhereDo) {
  RegionBuilder b;
  auto source = std::make_shared<Tensor>(DType::kF32, Shape{32, 32});
  const float edges[] = {0.0f,     -0.0f,   0x1p-14f,  0x1.fffp-15f, 0x1p-24f, 0x1p-26f,
                         65504.0f, -1e-30f, 65519.99f, 1.00048828f,  0.1f,     -2049.0f};
  std::ranges::copy(edges, source->f32().begin());
  WeightPiece piece;
  piece.source = source->view();
  piece.rows = piece.columns = 32;
  b.Output(b.Conv(b.Input(32, 32), b.Weight(std::vector{piece}, {32, 32, 1, 1})));
  const Emitted e = MustEmit(b);
  ASSERT_OK_AND_ASSIGN(const mil::BlobRecord record, mil::ReadRecord(e.image.weights, 64));
  const std::vector<float> halves = HalvesAt(e.image, record);
  for (std::size_t i = 0; i < std::size(edges); ++i) {
    EXPECT_EQ(F16FromF32(halves[i]), F16FromF32(edges[i])) << edges[i];
  }
}

TEST(EmitWeights, WritesF32ForTheExactProfile) {
  const Emitted e = MustEmit(Sample(), ElementType::kF32);
  ASSERT_OK_AND_ASSIGN(const auto records, mil::ReadRecords(e.image.weights));
  EXPECT_EQ(records[0].dtype, 2u);
  EXPECT_EQ(records[0].data_bytes, 32u * 64 * 4);
  EXPECT_EQ(e.main().parameters[0].type.dtype, mil::DataType::kFp32);
}

TEST(EmitWeights, RefusesNumbersBeyondFp16) {
  RegionBuilder b;
  WeightPiece piece;
  auto source = std::make_shared<Tensor>(DType::kF32, Shape{32, 32});
  source->f32()[5] = 1e5f;
  piece.source = source->view();
  piece.rows = piece.columns = 32;
  b.Output(b.Conv(b.Input(32, 32), b.Weight(std::vector{piece}, {32, 32, 1, 1})));
  const Status status = Emit(b.region(), b.surfaces(), ElementType::kF16).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("100000"), std::string::npos) << status.ToString();
}

TEST(EmitWeights, QuantizesRowsToInt8) {
  RegionBuilder b;
  const TensorId w = b.ConvWeight(16, 32);
  b.region().weights[0].storage = WeightStorage::kInt8;
  b.Output(b.Conv(b.Input(32, 32), w));
  const Emitted e = MustEmit(b);
  ASSERT_OK_AND_ASSIGN(const auto records, mil::ReadRecords(e.image.weights));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].dtype, 4u);
  EXPECT_EQ(records[0].data_bytes, 16u * 32);
  const std::vector<float> scales = HalvesAt(e.image, records[1]);
  ASSERT_EQ(scales.size(), 16u);
  const auto matrix = testing::MatrixOf(b.region().weights[0]);
  std::vector<int> largest(16, 0);
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    const auto integer = static_cast<std::int8_t>(e.image.weights[records[0].data_offset + i]);
    largest[i / 32] = std::max(largest[i / 32], std::abs(integer));
    const float scale = scales[i / 32];
    // Half a step, and what the rounding of the scale adds at 127 of them.
    EXPECT_NEAR(static_cast<double>(integer * scale), matrix[i], 0.57 * static_cast<double>(scale));
  }
  EXPECT_EQ(largest, std::vector<int>(16, 127));
  const mil::Statement& conv = *e.Making("s1");
  EXPECT_EQ(e.Source(conv, "weight")->op, "constexpr_blockwise_shift_scale");
}

TEST(Digest, DependsOnTextAndWeightsAndTheirBoundary) {
  ProgramImage a{"ab", {std::byte{'c'}}}, b{"a", {std::byte{'b'}, std::byte{'c'}}}, c = a;
  c.weights[0] = std::byte{'d'};
  EXPECT_EQ(DigestOf(a).size(), 32u);
  EXPECT_EQ(DigestOf(a), DigestOf(ProgramImage{"ab", {std::byte{'c'}}}));
  EXPECT_NE(DigestOf(a), DigestOf(b));
  EXPECT_NE(DigestOf(a), DigestOf(c));
}

}  // namespace
}  // namespace attune::ane
