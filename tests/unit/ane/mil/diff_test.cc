#include "ane/mil/diff.h"

#include <string>
#include <utility>

#include "ane/mil/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/status_matchers.h"
#include "unit/ane/mil/programs.h"

namespace attune::ane::mil {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Difference> DiffOf(const std::string& left, const std::string& right) {
  const auto a = Parse(left), b = Parse(right);
  EXPECT_OK(a);
  EXPECT_OK(b);
  return a.ok() && b.ok() ? Diff(*a, *b) : std::vector<Difference>{{"unparsed", "", ""}};
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string Main(const std::string& body, const std::string& returns = "y") {
  return "program(1.3){func main<ios18>(tensor<fp16,[1,8,1,32]> x, tensor<fp16,[1,8,1,32]> "
         "z){" +
         body + "}->(" + returns + ");}";
}
const char kType[] = "tensor<fp16,[1,8,1,32]> ";
std::string Line(const std::string& name, const std::string& rest) {
  return kType + name + "=" + rest + ";";
}

TEST(MilDiff, IsEmptyOfAProgramAndItself) {
  for (const std::string& text : {ElementwiseProgram(), LoraProgram(), BankProgram()}) {
    EXPECT_THAT(DiffOf(text, text), IsEmpty());
  }
}

TEST(MilDiff, LooksThroughNamesAttributesAndBuildInfo) {
  const std::string other = Replaced(Replaced(Replaced(ElementwiseProgram(), "xh", "half_of_x"),
                                              "string(\"two\")", "string(\"q\")"),
                                     "9.0", "8.1");
  EXPECT_THAT(DiffOf(ElementwiseProgram(), other), IsEmpty());
}

TEST(MilDiff, TakesANamedConstantForItsLiteral) {
  EXPECT_THAT(DiffOf(Main("fp16 c=const()[val=fp16(2)];" + Line("y", "mul(x=x,y=c)")),
                     Main(Line("y", "mul(x=x,y=fp16(2))"))),
              IsEmpty());
}

TEST(MilDiff, LooksThroughTheOrderOfWhatIsIndependent) {
  const std::string relu = Line("a", "relu(x=x)"), exp = Line("b", "exp(x=z)");
  const std::string sum = Line("y", "add(x=a,y=b)");
  EXPECT_THAT(DiffOf(Main(relu + exp + sum), Main(exp + relu + sum)), IsEmpty());
}

TEST(MilDiff, FindsTheSameStatementAmongManyOfOneOp) {
  const std::string two = Line("a", "mul(x=x,y=fp16(2))"), three = Line("b", "mul(x=x,y=fp16(3))");
  const std::string four = Line("c", "mul(x=x,y=fp16(4))");
  const std::string sums = Line("d", "add(x=a,y=b)") + Line("y", "sub(x=d,y=c)");
  EXPECT_THAT(DiffOf(Main(two + three + four + sums), Main(four + three + two + sums)), IsEmpty());
  // In a chain, only the first of three is missing, and the second reads another value.
  const auto found =
      DiffOf(Main(two + Line("b", "mul(x=a,y=fp16(3))") + Line("y", "mul(x=b,y=fp16(4))")),
             Main(three + Line("y", "mul(x=b,y=fp16(4))")));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].where, "main, statement 1 (mul)");
  EXPECT_EQ(found[1].left, "x = mul 1");
}

TEST(MilDiff, NamesAStatementThatIsOnlyOnOneSide) {
  const std::string with = Main(Line("a", "relu(x=x)") + Line("b", "exp(x=a)") +
                                Line("c", "tanh(x=b)") + Line("y", "abs(x=c)"));
  const std::string without =
      Main(Line("a", "relu(x=x)") + Line("c", "tanh(x=a)") + Line("y", "abs(x=c)"));
  const auto found = DiffOf(with, without);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].where, "main, statement 2 (exp)");
  EXPECT_EQ(found[0].right, "");
  // tanh reads something else; what follows it is not reported.
  EXPECT_EQ(found[1].where, "main, statement 3 (tanh)");
  EXPECT_EQ(found[1].left, "x = exp 2");
  EXPECT_EQ(found[1].right, "x = relu 1");
  const auto back = DiffOf(without, with);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[1].left, "");
  EXPECT_EQ(back[1].where, "main, statement 2 (exp)");
}

TEST(MilDiff, ShowsOnlyWhatDiffersOfAStatement) {
  const auto offset = DiffOf(ConvProgram(), Replaced(ConvProgram(), "uint64(64)", "uint64(128)"));
  ASSERT_EQ(offset.size(), 1u);
  EXPECT_THAT(offset[0].left, HasSubstr("weight = tensor<fp16, [128,64,1,1]>"));
  EXPECT_THAT(offset[0].left, HasSubstr("weight.bin at 64"));
  EXPECT_THAT(offset[0].right, HasSubstr("at 128"));
  EXPECT_EQ(offset[0].left.find("pad"), std::string::npos);

  const auto swapped = DiffOf(Main(Line("y", "sub(x=x,y=z)")), Main(Line("y", "sub(x=z,y=x)")));
  ASSERT_EQ(swapped.size(), 1u);
  EXPECT_EQ(swapped[0].left, "x = input 1; y = input 2");
  EXPECT_EQ(swapped[0].right, "x = input 2; y = input 1");

  const auto missing =
      DiffOf(Main(Line("y", "gelu(x=x)")), Main(Line("y", "gelu(mode=string(\"EXACT\"),x=x)")));
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].left, "no mode");
  EXPECT_EQ(missing[0].right, "mode = string(\"EXACT\")");
}

TEST(MilDiff, SeesABareLiteral) {
  const auto found = DiffOf(Main(Line("y", "softmax(axis=-1,x=x)")),
                            Main(Line("y", "softmax(axis=int32(-1),x=x)")));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].left, "axis = -1");
  EXPECT_EQ(found[0].right, "axis = int32(-1)");
}

TEST(MilDiff, ComparesHeadsAndReturns) {
  const std::string body = Line("a", "relu(x=x)") + Line("b", "exp(x=x)");
  const auto returns = DiffOf(Main(body, "a, b"), Main(body, "b"));
  ASSERT_EQ(returns.size(), 2u);
  EXPECT_EQ(returns[0].where, "main, output 1");
  EXPECT_EQ(returns[0].right, "exp 2");
  EXPECT_EQ(returns[1].left, "exp 2");
  EXPECT_EQ(returns[1].right, "");

  const std::string text = Main(body, "a");
  const auto head = DiffOf(
      text, Replaced(Replaced(Replaced(text, "1.3", "1.0"), "ios18", "ios16"), "32]> z", "64]> z"));
  ASSERT_EQ(head.size(), 3u);
  EXPECT_EQ(head[0].where, "program");
  EXPECT_EQ(head[1].left, "ios18");
  EXPECT_EQ(head[2].where, "main, inputs");
}

TEST(MilDiff, MatchesFunctionsByName) {
  const auto found = DiffOf(BankProgram(), Replaced(BankProgram(), "procedure001", "procedure002"));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].left, "function procedure001");
  EXPECT_EQ(found[1].right, "function procedure002");
}

}  // namespace
}  // namespace attune::ane::mil
