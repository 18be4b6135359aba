#include "ane/mil/parse.h"

#include <cmath>
#include <string>
#include <vector>

#include "ane/mil/ast.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"
#include "unit/ane/mil/programs.h"

namespace attune::ane::mil {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Literal& LiteralOf(const Argument* argument) { return std::get<Literal>(argument->value); }
std::vector<double> NumbersOf(const Argument* argument) {
  return std::get<std::vector<double>>(LiteralOf(argument).data);
}
std::string NameOf(const Argument* argument) { return std::get<std::string>(argument->value); }

// A program whose only statement is a constant with this value.
std::string WithConst(const std::string& type, const std::string& value) {
  return "program(1.3){func main<ios18>(fp16 x){" + type + " c=const()[val=" + value + "];}->(c);}";
}
// The value of that constant, or the error.
Result<Literal> ConstOf(const std::string& type, const std::string& value) {
  const auto program = Parse(WithConst(type, value));
  if (!program.ok()) return program.status();
  return LiteralOf(program->functions[0].body[0].FindAttribute("val"));
}

TEST(ParseMil, ReadsAnElementwiseProgramOfFp32) {
  ASSERT_OK_AND_ASSIGN(const Program program, Parse(ElementwiseProgram()));
  EXPECT_EQ(program.version, "1.3");
  ASSERT_EQ(program.build_info.size(), 4u);
  EXPECT_EQ(program.build_info[0].first, "coremlc-component-MIL");
  EXPECT_EQ(program.build_info[3].second, "9.0");
  ASSERT_EQ(program.functions.size(), 1u);
  const Function& main = program.functions[0];
  EXPECT_EQ(main.name, "main");
  EXPECT_EQ(main.opset, "ios18");
  ASSERT_EQ(main.parameters.size(), 1u);
  EXPECT_EQ(main.parameters[0].type.dtype, DataType::kFp32);
  EXPECT_THAT(main.parameters[0].type.dims, ElementsAre(1, 256, 1, 64));
  ASSERT_EQ(main.body.size(), 6u);
  EXPECT_EQ(std::get<std::string>(LiteralOf(main.body[0].FindAttribute("val")).data), "fp16");
  EXPECT_EQ(main.body[1].op, "cast");
  EXPECT_EQ(NameOf(main.body[1].Find("dtype")), "d16");
  EXPECT_EQ(main.body[1].Find("axis"), nullptr);
  EXPECT_THAT(NumbersOf(main.body[2].FindAttribute("val")), ElementsAre(2.0));
  EXPECT_THAT(main.returns, ElementsAre("y"));
}

TEST(ParseMil, ReadsTheOtherFiveMinimalPrograms) {
  for (const std::string& text :
       {ConvProgram(), TwoConvProgram(), PackedProgram(), LoraProgram(), BankProgram()}) {
    EXPECT_OK(Parse(text));
  }
  ASSERT_OK_AND_ASSIGN(const Program two, Parse(TwoConvProgram()));
  const Literal& second = LiteralOf(two.functions[0].body[6].FindAttribute("val"));
  EXPECT_EQ(std::get<Blob>(second.data).path, "@model_path/weights/weight.bin");
  EXPECT_EQ(std::get<Blob>(second.data).offset, 16512u);
  EXPECT_THAT(second.type.dims, ElementsAre(64, 128, 1, 1));
  ASSERT_OK_AND_ASSIGN(const Program bank, Parse(BankProgram()));
  ASSERT_EQ(bank.functions.size(), 2u);
  EXPECT_EQ(bank.functions[1].name, "procedure001");
  EXPECT_TRUE(bank.functions[1].body.back().attributes.empty());
}

TEST(ParseMil, ReadsTheOlderSpellingOfBuildInfoAndScalars) {
  ASSERT_OK_AND_ASSIGN(const Program program, Parse(R"(program(1.0)
[buildInfo = dict<tensor<string, []>, tensor<string, []>>({{"coremlc-component-MIL", "5.33.5"},
    {tensor<string, []>("coremlc-version"), string("1839.0.0")}})]
{
  func main<ios16>(tensor<fp16, [1, 64, 1, 32]> x) {
    tensor<int32, []> ax = const()[name = tensor<string, []>("ax"), val = tensor<int32, []>(-1)];
    tensor<fp16, [64, 64, 1, 1]> w = const()[name = tensor<string, []>("w"),
        val = tensor<fp16, [64, 64, 1, 1]>(BLOBFILE(path = tensor<string, []>("@model_path/w.bin"),
                                                    offset = tensor<uint64, []>(64)))];
    tensor<fp16, [1, 64, 1, 32]> y = softmax(axis = ax, x = x)[name = tensor<string, []>("y")];
  } -> (y);
})"));
  EXPECT_EQ(program.build_info[1].second, "1839.0.0");
  const std::vector<Statement>& body = program.functions[0].body;
  EXPECT_EQ(LiteralOf(body[0].FindAttribute("val")).type.is_tensor, true);
  EXPECT_THAT(NumbersOf(body[0].FindAttribute("val")), ElementsAre(-1.0));
  EXPECT_EQ(std::get<std::string>(LiteralOf(body[0].FindAttribute("name")).data), "ax");
  EXPECT_EQ(std::get<Blob>(LiteralOf(body[1].FindAttribute("val")).data).offset, 64u);
  EXPECT_TRUE(LiteralOf(body[1].FindAttribute("val")).typed);
}

TEST(ParseMil, ReadsBuffersWithStridesAndOpsWithTheirOwnOpset) {
  ASSERT_OK_AND_ASSIGN(const Program program, Parse(R"(program(1.3)
{ func main_ane<ios18>(tensor_buffer<fp16, shape=[1,8,1,40], strides=[512,64,64,1],
                       interleave_factors=[1,1,1,1]> x) {
    tensor<fp16, [1,8,1,40]> t = tensor_buffer_to_tensor<ios17>(input=x)[name=string("t")];
    tensor_buffer<fp16, shape=[1,8,1,40], strides=[512,64,64,1], interleave_factors=[1,1,1,1]> y =
      tensor_to_tensor_buffer<ios17>(input=t, interleave_factors=tensor<uint8,[4]>([1,1,1,1]),
                                     strides=tensor<int64,[4]>([512,64,64,1]))[name=string("y")];
  } -> (y); })"));
  const Function& main = program.functions[0];
  EXPECT_TRUE(main.parameters[0].type.is_buffer);
  EXPECT_TRUE(main.parameters[0].type.is_tensor);
  EXPECT_THAT(main.parameters[0].type.dims, ElementsAre(1, 8, 1, 40));
  EXPECT_THAT(main.parameters[0].type.strides, ElementsAre(512, 64, 64, 1));
  EXPECT_THAT(main.parameters[0].type.interleave, ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(main.body[0].op, "tensor_buffer_to_tensor");
  EXPECT_EQ(main.body[0].opset, "ios17");
  EXPECT_THAT(NumbersOf(main.body[1].Find("strides")), ElementsAre(512, 64, 64, 1));
}

TEST(ParseMil, TakesAnyWhiteSpaceAndComments) {
  const std::string tight =
      "program(1.3){func f<ios17>(tensor<fp16,[1,2,1,32]>x){tensor<fp16,"
      "[1,2,1,32]>y=relu(x=x);}->(y);}";
  const std::string loose =
      "\xEF\xBB\xBF\r\n// of a tool\nprogram ( 1.3 )\t{ func f < ios17 > ( "
      "tensor < fp16 , [ 1 , 2 , 1 , 32 ] > x ) { // body\n tensor < fp16, "
      "[1,2,1,32] > y = relu ( x = x ) ; } -> ( y ) ; } // end";
  ASSERT_OK_AND_ASSIGN(const Program a, Parse(tight));
  ASSERT_OK_AND_ASSIGN(const Program b, Parse(loose));
  EXPECT_EQ(a.functions[0].body[0].outputs[0].type, b.functions[0].body[0].outputs[0].type);
  EXPECT_EQ(b.functions[0].body[0].op, "relu");
  EXPECT_EQ(b.functions[0].body[0].at.line, 4);
  EXPECT_EQ(b.functions[0].body[0].at.column, 2);
}

TEST(ParseMil, ReadsSeveralOutputsAndListsOfNames) {
  ASSERT_OK_AND_ASSIGN(const Program program, Parse(R"(program(1.3) { func main<ios18>(fp16 x) {
    tensor<fp16, [1,2]> a, tensor<fp16, [1,2]> b = split(num_splits=int32(2), x=x);
    (tensor<fp16, [1,2]> c, fp16 d) = two(x=x);
    tensor<fp16, [1,4]> y = concat(axis=int32(1), interleave=bool(false), values=(a, b));
    tensor<fp16, [1,4]> z = concat(values=(y));
  } -> (y, z); })"));
  const std::vector<Statement>& body = program.functions[0].body;
  ASSERT_EQ(body[0].outputs.size(), 2u);
  EXPECT_EQ(body[0].outputs[1].name, "b");
  EXPECT_EQ(body[1].outputs[1].type.is_tensor, false);
  EXPECT_THAT(std::get<std::vector<std::string>>(body[2].Find("values")->value),
              ElementsAre("a", "b"));
  EXPECT_THAT(std::get<std::vector<std::string>>(body[3].Find("values")->value), ElementsAre("y"));
  EXPECT_THAT(program.functions[0].returns, ElementsAre("y", "z"));
}

TEST(ParseMil, ReadsEverySpellingOfANumber) {
  const struct {
    const char* type;
    const char* value;
    double expected;
  } kCases[] = {
      {"fp16", "fp16(0x1p-7)", 0x1p-7},
      {"fp16", "fp16(-0x1.8p+3)", -12.0},
      {"fp16", "fp16(0X1.99AP-4)", 0x1.99ap-4},
      {"fp32", "fp32(1e-5)", 1e-5},
      {"fp32", "fp32(+.5)", 0.5},
      {"fp32", "fp32(2.)", 2.0},
      {"fp32", "fp32(-1.25E+2)", -125.0},
      {"fp16", "fp16(-inf)", -INFINITY},
      {"fp16", "fp16(INFINITY)", INFINITY},
      {"fp32", "fp32(1e999)", INFINITY},
      {"fp32", "fp32(1e-999)", 0.0},
      {"tensor<fp16, []>", "tensor<fp16, []>(0x1p+0)", 1.0},
      {"tensor<fp16, [1]>", "tensor<fp16, [1]>([65504])", 65504.0},
      {"int32", "int32(-2147483648)", -2147483648.0},
      {"uint64", "uint64(9007199254740992)", 9007199254740992.0},
      {"int8", "int8(-128)", -128.0},
      {"int32", "int32(0x1F)", 31.0},
      {"bool", "bool(true)", 1.0},
      {"bool", "bool(0)", 0.0},
      {"tensor<bool, []>", "tensor<bool, []>(false)", 0.0},
  };
  for (const auto& one : kCases) {
    SCOPED_TRACE(one.value);
    ASSERT_OK_AND_ASSIGN(const Literal literal, ConstOf(one.type, one.value));
    EXPECT_TRUE(literal.typed);
    EXPECT_THAT(std::get<std::vector<double>>(literal.data), ElementsAre(one.expected));
  }
  ASSERT_OK_AND_ASSIGN(const Literal nan, ConstOf("fp16", "fp16(nan)"));
  EXPECT_TRUE(std::isnan(std::get<std::vector<double>>(nan.data)[0]));
}

TEST(ParseMil, ReadsListsFlatOrNested) {
  ASSERT_OK_AND_ASSIGN(const Literal nested,
                       ConstOf("tensor<fp16, [1,2,1,2]>",
                               "tensor<fp16, [1,2,1,2]>([[[[0x1p+0, -2]], [[.5, inf]]]])"));
  EXPECT_THAT(std::get<std::vector<double>>(nested.data), ElementsAre(1, -2, 0.5, INFINITY));
  ASSERT_OK_AND_ASSIGN(const Literal repeated,
                       ConstOf("tensor<fp16, [2]>", "tensor<fp16, [2]>([fp16(0.5), fp16(-1)])"));
  EXPECT_THAT(std::get<std::vector<double>>(repeated.data), ElementsAre(0.5, -1));
  EXPECT_FALSE(ConstOf("tensor<fp16, [2]>", "tensor<fp16, [2]>([fp16(0.5), fp32(-1)])").ok());
  EXPECT_FALSE(ConstOf("tensor<fp16, [2]>", "tensor<fp16, [2]>([fp16([1,2])])").ok());
  ASSERT_OK_AND_ASSIGN(const Literal one, ConstOf("tensor<int32, [1]>", "tensor<int32, [1]>(1)"));
  EXPECT_THAT(std::get<std::vector<double>>(one.data), ElementsAre(1));
  ASSERT_OK_AND_ASSIGN(const Literal none, ConstOf("tensor<int32, [0]>", "tensor<int32, [0]>([])"));
  EXPECT_TRUE(std::get<std::vector<double>>(none.data).empty());
  ASSERT_OK_AND_ASSIGN(const Literal texts,
                       ConstOf("tensor<string, [2]>", R"(tensor<string, [2]>(["a", "b"]))"));
  EXPECT_THAT(std::get<std::vector<std::string>>(texts.data), ElementsAre("a", "b"));
}

TEST(ParseMil, ResolvesEscapes) {
  ASSERT_OK_AND_ASSIGN(const Literal literal, ConstOf("string", R"(string("a\"b\\c\n\x41\t/\0"))"));
  EXPECT_EQ(std::get<std::string>(literal.data), std::string("a\"b\\c\nA\t/\0", 10));
}

TEST(ParseMil, KeepsBareLiteralsApart) {
  const struct {
    const char* value;
    DataType nearest;
    std::vector<std::int64_t> dims;
  } kCases[] = {
      {"-1", DataType::kInt32, {}},
      {"true", DataType::kBool, {}},
      {"0.5", DataType::kFp32, {}},
      {"\"valid\"", DataType::kString, {}},
      {"[1, -2]", DataType::kInt32, {2}},
      {"[1, 2.5, -3]", DataType::kFp32, {3}},
      {"[true, false]", DataType::kBool, {2}},
      {"[\"a\"]", DataType::kString, {1}},
      {"4294967296", DataType::kFp32, {}},
  };
  for (const auto& one : kCases) {
    SCOPED_TRACE(one.value);
    ASSERT_OK_AND_ASSIGN(const Literal literal, ConstOf("fp16", one.value));
    EXPECT_FALSE(literal.typed);
    EXPECT_EQ(literal.type.dtype, one.nearest);
    EXPECT_EQ(literal.type.dims, one.dims);
  }
  ASSERT_OK_AND_ASSIGN(const Literal blob,
                       ConstOf("fp16", "BLOBFILE(offset=64, path=\"@model_path/w.bin\")"));
  EXPECT_FALSE(blob.typed);
  EXPECT_EQ(std::get<Blob>(blob.data).offset, 64u);
}

// In the manner of two published generators: no buildInfo, an opset by its other name,
// several outputs in parentheses, attributes of their own.
TEST(ParseMil, ReadsWhatOtherGeneratorsLeaveOutAndAdd) {
  ASSERT_OK_AND_ASSIGN(const Program program, Parse(R"(program(1) {
  func f32<CoreML8>(tensor<fp16, [1, 64, 1, 32]> x) {
    tensor<int32, []> n = const()[val = tensor<int32, []>(2), milId = uint64(0)];
    (tensor<fp16, [1, 32, 1, 32]> a, tensor<fp16, [1, 32, 1, 32]> b) =
        split(axis = int32(1), num_splits = n, x = x)[milId = uint64(1)];
    tensor<fp16, [1, 32, 1, 32]> y = mul(x = a, y = b);
  } -> (y);
  func f64<CoreML8>(tensor<fp16, [1, 64, 1, 64]> x) {
    tensor<fp16, [1, 64, 1, 64]> y = add(x=x, y=fp16(0x1p+1))  ;
  } -> (y);
})"));
  EXPECT_EQ(program.version, "1");
  EXPECT_TRUE(program.build_info.empty());
  EXPECT_EQ(program.functions[1].opset, "CoreML8");
  EXPECT_EQ(program.functions[0].body[1].outputs.size(), 2u);
}

TEST(ParseMil, LetsValuesBeCalledLikeTypes) {
  ASSERT_OK_AND_ASSIGN(const Program program, Parse("program(1.3){func main<ios18>(fp16 bool){fp16 "
                                                    "inf=relu(x=bool)[name=string(\"n\")];fp16 "
                                                    "const=relu(x=inf);}->(const);}"));
  EXPECT_EQ(NameOf(program.functions[0].body[0].Find("x")), "bool");
  EXPECT_EQ(NameOf(program.functions[0].body[1].Find("x")), "inf");
}

TEST(ParseMil, ReadsOverOtherAttributesOfProgramsAndFunctions) {
  EXPECT_OK(
      Parse("program(1.3)[buildInfo = dict<string, string>({}), more = {(\"]\"), [1]}]"
            "{func main<ios18>(fp16 x)[Shapes = tuple<int32>((\"a\", {{\"x\", [1]}}))]"
            "{}->(x);}"));
  EXPECT_OK(Parse("program(1.3)[other = 3]{func main<ios18>(){}->();}"));
}

struct Malformed {
  std::string text;
  std::string error;
};

TEST(ParseMil, SaysWhereATextIsMalformed) {
  const std::string open = "program(1.3){func main<ios18>(fp16 x){";
  const Malformed kCases[] = {
      {"", "line 1, column 1: expected 'program', found the end of the text"},
      {"program(x)", "line 1, column 9: expected a version"},
      {"program(1.3)\n{}", "line 2, column 2: expected 'func', found '}'"},
      {"program(1.3){func main(fp16 x){}->(x);}", "expected '<', found '('"},
      {"program(1.3){func main<ios18>(x){}->(x);}", "expected a type"},
      {open + "}->(x)}", "expected ';', found '}'"},
      {open + "}->(x);} x", "expected nothing more, found 'x'"},
      {open + "fp16 y=relu(x=x)}->(y);}", "expected ';', found '}'"},
      {open + "fp16 y=relu(x=);", "expected a name or a literal, found ')'"},
      {open + "fp16 y=relu(x=x,x=x);", "'x' is given twice"},
      {open + "fp16 y=relu(x=x y=x);", "expected ',' or ')'"},
      {open + "fp16 y=concat(values=());", "expected the name of a value, found ')'"},
      {open + "fp16 y=concat(values=(a,fp16(1)));", "expected ')'"},
      {open + "tensor<fp16,[1,?]> y=relu(x=x);", "expected an extent"},
      {open + "tensor<fp16,[2147483648]> y=relu(x=x);", "expected an extent"},
      {open + "tensor<fp16,[-1]> y=relu(x=x);", "expected an extent"},
      {open + "tensor<fp16,[2000000000,2000000000]> y=relu(x=x);", "2^53 elements"},
      {open + "tensor<fp17,[1]> y=relu(x=x);", "expected a type such as"},
      {open + "tensor_buffer<fp16,shapes=[1]> y=relu(x=x);", "not 'shapes'"},
      {open + "fp16 y=const()[val=fp16(zero)];", "'zero': not a number of fp16"},
      {open + "fp16 y=const()[val=fp16(1.5x)];", "'1.5x': not a number of fp16"},
      {open + "int32 y=const()[val=int32(1.5)];", "not a whole number"},
      {open + "int8 y=const()[val=int8(128)];", "beyond the range of int8"},
      {open + "int64 y=const()[val=int64(9007199254740993)];", "beyond the range of int64"},
      {open + "uint8 y=const()[val=uint8(-1)];", "beyond the range of uint8"},
      {open + "fp16 y=const()[val=tensor<fp16,[3]>([1,2])];", "expected 3 elements"},
      {open + "fp16 y=const()[val=string(\"a)];", "without its closing quote"},
      {open + "fp16 y=const()[val=string(\"\\q\")];", "unknown escape"},
      {open + "fp16 y=const()[val=tensor<fp16,[1]>(BLOBFILE(path=string(\"a\")))];",
       "expected path and offset"},
      {open + "fp16 y=const()[val=tensor<fp16,[1]>(BLOBFILE(size=uint64(1)))];", "not 'size'"},
      {open + "fp16 y=relu(x=\x01);", "found '?'"},
      {"program(1.3)[a=" + std::string(100, '('), "brackets in one another"},
      {open + "fp16 y=const()[val=" + std::string(40, '['), "lists in one another"},
  };
  for (const Malformed& one : kCases) {
    SCOPED_TRACE(one.text);
    const auto program = Parse(one.text);
    ASSERT_FALSE(program.ok());
    EXPECT_EQ(program.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(program.status().message(), HasSubstr(one.error));
    EXPECT_THAT(program.status().message(), HasSubstr("line "));
  }
}

TEST(ParseMil, FailsCleanlyWhereverAProgramIsCutOff) {
  const std::string text = LoraProgram();
  for (std::size_t length = 0; length + 1 < text.size(); length += 7) {
    EXPECT_FALSE(Parse(std::string_view(text).substr(0, length)).ok()) << length;
  }
}

TEST(ParseMil, HoldsItsLimits) {
  ParseLimits limits;
  limits.text_bytes = 10;
  EXPECT_THAT(Parse(ConvProgram(), limits).status().message(), HasSubstr("at most 10"));
  limits = {};
  limits.statements = 3;
  EXPECT_THAT(Parse(ConvProgram(), limits).status().message(), HasSubstr("more statements"));
  limits = {};
  limits.arguments = 9;
  EXPECT_THAT(Parse(ConvProgram(), limits).status().message(), HasSubstr("more arguments"));
  limits = {};
  limits.literal_elements = 4;
  EXPECT_THAT(Parse(ConvProgram(), limits).status().message(),
              HasSubstr("more written-out elements"));
}

TEST(MilTypes, NameThemselves) {
  for (int i = 0; i <= static_cast<int>(DataType::kString); ++i) {
    const auto dtype = static_cast<DataType>(i);
    EXPECT_EQ(ParseDataType(DataTypeName(dtype)), dtype);
  }
  EXPECT_EQ(ParseDataType("half"), std::nullopt);
  Type type{DataType::kFp16, true, false, {1, 64, 1, 32}, {}, {}};
  EXPECT_EQ(ToString(type), "tensor<fp16, [1,64,1,32]>");
  EXPECT_EQ(type.elements(), 2048);
}

}  // namespace
}  // namespace attune::ane::mil
