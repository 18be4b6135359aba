// Every constraint of the catalogue, on a machine: what breaks it fails at the stage
// that its severity says, or corrupts as documented, and the least change repairs it.
// The programs are those of the catalogue's own tests.

#include "unit/ane/constraints/cases.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "ane/simulator/machine.h"
#include "base/half.h"
#include "base/strings.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"
#include "unit/ane/simulator/weight_file.h"

namespace attune::ane::testing {
namespace {

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (const auto& area : {SpellingCases(), WeightCases(), ShapeCases(), OpCases()}) {
    all.insert(all.end(), area.begin(), area.end());
  }
  return all;
}

std::vector<std::byte> BytesOf(const mil::WeightFile& file) {
  return {file.bytes().begin(), file.bytes().end()};
}

// Records of 64 x 64 weights at every offset that the cases name.
mil::WeightFile ManyWeights() {
  mil::WeightFile file;
  for (int i = 0; i < 48; ++i) file.Append(1, kWeightBytes);
  return file;
}

// Surfaces for a procedure, all numbers `value`.
struct Surfaces {
  explicit Surfaces(const Symbols& symbols, float value = 1) {
    for (const SymbolLayout& layout : symbols.inputs) Add(layout, value, &in_bytes);
    for (const SymbolLayout& layout : symbols.outputs) Add(layout, 77, &out_bytes);
    in.assign(in_bytes.begin(), in_bytes.end());
    out.assign(out_bytes.begin(), out_bytes.end());
  }
  static void Add(const SymbolLayout& layout, float value,
                  std::vector<std::vector<std::byte>>* to) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(layout.bytes()));
    const std::uint16_t half = F16FromF32(value);
    for (std::size_t i = 0; layout.element == ElementType::kF16 && i + 1 < bytes.size(); i += 2) {
      std::memcpy(bytes.data() + i, &half, 2);
    }
    to->push_back(std::move(bytes));
  }
  float Out(std::size_t symbol, std::size_t element) const {
    std::uint16_t half;
    std::memcpy(&half, out_bytes[symbol].data() + 2 * element, 2);
    return F32FromF16(half);
  }

  std::vector<std::vector<std::byte>> in_bytes, out_bytes;
  std::vector<std::span<std::byte>> in, out;
};

struct Outcome {
  std::optional<DeviceError> compile, load, evaluate;
};

Outcome RunOn(const Target& target, const std::string& text,
              const std::map<std::string, std::vector<std::byte>>& weights) {
  SerialParallel parallel;
  MachineOptions options;
  options.target = target;
  Machine machine(options, &parallel);
  Outcome outcome;
  outcome.compile = machine.Compile("p", text, weights);
  if (outcome.compile) return outcome;
  ProgramHandle handle = 0;
  outcome.load = machine.Load("p", &handle);
  if (outcome.load) return outcome;
  Surfaces surfaces(machine.symbols(handle));
  outcome.evaluate = machine.Evaluate(handle, 0, surfaces.in, surfaces.out);
  return outcome;
}

// Cases of files that are too large for memory, or that hold no record where the text
// says: something else refuses those first. The window has a test below.
bool IsOutOfReach(std::string_view id) {
  return id == "weights.offset_32bit" || id == "weights.window" || id == "records.alignment";
}

void ExpectRefusal(const Case& one, const Outcome& outcome) {
  switch (FindConstraint(one.id)->severity) {
    case Severity::kCompile:
      ASSERT_TRUE(outcome.compile);
      EXPECT_NE(outcome.compile->text.find(one.id), std::string::npos) << outcome.compile->text;
      break;
    case Severity::kCrash:
      ASSERT_TRUE(outcome.compile);
      EXPECT_EQ(outcome.compile->code, 4);
      break;
    case Severity::kLoad:
      ASSERT_TRUE(outcome.load);
      EXPECT_EQ(outcome.load->status, 0x20004u);
      break;
    case Severity::kEvaluate:
      ASSERT_TRUE(outcome.evaluate);
      EXPECT_EQ(outcome.evaluate->status, 0x1du);
      break;
    default:  // Corruptions have tests of their own; the rest only warn.
      if (!outcome.compile) break;
      EXPECT_EQ(outcome.compile->text.find(one.id), std::string::npos) << outcome.compile->text;
  }
}

TEST(MachineConstraints, EachFailsWhereItsSeveritySays) {
  const std::map<std::string, std::vector<std::byte>> weights = {
      {kWeightPath, BytesOf(ManyWeights())}};
  int sound = 0, run = 0;
  for (const Case& one : AllCases()) {
    SCOPED_TRACE(std::string(one.id) + "\n" + one.broken.substr(0, 2000));
    if (IsOutOfReach(one.id)) continue;
    auto bad = weights;
    if (one.damage) {
      mil::WeightFile file;
      file.Append(1, kWeightBytes);
      one.damage(&file);
      bad = {{kWeightPath, BytesOf(file)}};
    }
    ExpectRefusal(one, RunOn(one.target, one.broken, bad));
    // Some repaired texts keep to the rule and are no programs for all that, for a type
    // that is declared does not follow.
    const Outcome repaired = RunOn(one.target, one.sound, weights);
    ++sound;
    if (repaired.compile) {
      EXPECT_EQ(repaired.compile->text.find(one.id), std::string::npos) << repaired.compile->text;
      continue;
    }
    ++run;
    EXPECT_FALSE(repaired.load);
    EXPECT_FALSE(repaired.evaluate) << repaired.evaluate->text;
  }
  EXPECT_GT(run, sound * 3 / 4);
}

TEST(MachineConstraints, WindowOfTheWeights) {
  SerialParallel parallel;
  MachineOptions options;
  const std::vector<std::byte> file = BytesOf(ManyWeights());
  options.window_bytes = static_cast<std::int64_t>(2 * file.size());
  Machine machine(options, &parallel);
  ProgramHandle handles[3] = {};
  std::optional<DeviceError> error;
  for (int i = 0; i < 3; ++i) {
    const std::string name = StrCat("y", i);
    const std::string text = TextOf(WeightText("w", 64) + Let(name, Conv("w")), name);
    ASSERT_FALSE(machine.Compile(name, text, {{kWeightPath, file}}));
    error = machine.Load(name, &handles[i]);
    EXPECT_EQ(error.has_value(), i == 2);
  }
  EXPECT_EQ(error->code, 6);
  EXPECT_EQ(error->status, 0x20004u);
  EXPECT_EQ(RemedyOf(*error), Remedy::kSplit);
  ASSERT_FALSE(machine.Unload(handles[0]));
  EXPECT_FALSE(machine.Load("y2", &handles[2]));
}

// --- Silent corruption: first as it is, then as the chip gives it ---

// Numbers out of the first symbol, for a program whose inputs are all 1.
float FirstOf(const Target& target, const std::string& text, bool exact = false,
              const std::vector<std::byte>& weights = {}) {
  SerialParallel parallel;
  MachineOptions options;
  options.target = target;
  options.exact = exact;
  Machine machine(options, &parallel);
  std::map<std::string, std::vector<std::byte>> files;
  if (!weights.empty()) files.emplace(kWeightPath, weights);
  ProgramHandle handle = 0;
  auto error = machine.Compile("p", text, files);
  EXPECT_FALSE(error) << error->text;
  if (error) return 0;
  EXPECT_FALSE(machine.Load("p", &handle));
  Surfaces surfaces(machine.symbols(handle));
  error = machine.Evaluate(handle, 0, surfaces.in, surfaces.out);
  EXPECT_FALSE(error) << error->text;
  return surfaces.Out(0, 0);
}

TEST(MachineConstraints, AConstantRecordOffsetReadsTheWrongWeights) {
  mil::WeightFile file;
  file.Append(1, kWeightBytes);
  const std::uint64_t second = file.Append(1, kWeightBytes);
  const std::uint16_t half = F16FromF32(0.5f), quarter = F16FromF32(0.25f);
  for (std::uint64_t i = 0; i < kWeightBytes; i += 2) {
    file.Set(128 + i, half);
    file.Set(second + 64 + i, quarter);
  }
  const std::string text = TextOf(WeightText("w", second) + Let("y", Conv("w")));
  EXPECT_EQ(FirstOf({Chip::kM4, 26}, text, false, BytesOf(file)), 16);
  file.Set<std::uint64_t>(second + 16, 128);
  EXPECT_EQ(FirstOf({Chip::kM4, 26}, text, false, BytesOf(file)), 32) << "those of the first";
}

TEST(MachineConstraints, NarrowResultsAreZeroOnM5) {
  const auto text = [](int width) {
    const std::string type = StrCat("tensor<fp16, [1,64,1,", width, "]>");
    return TextOf(Let("y", "add(x=x, y=x)", type), "y", type + " x");
  };
  EXPECT_EQ(FirstOf({Chip::kM5, 26}, text(16)), 0);
  EXPECT_EQ(FirstOf({Chip::kM5, 26}, text(32)), 2);
  EXPECT_EQ(FirstOf({Chip::kM4, 26}, text(16)), 2);
}

TEST(MachineConstraints, ASoleIdentityGivesNanOnM5) {
  const std::string text = TextOf(Let("y", "identity(x=x)"));
  EXPECT_TRUE(std::isnan(FirstOf({Chip::kM5, 26}, text)));
  EXPECT_EQ(FirstOf({Chip::kM4, 26}, text), 1);
}

TEST(MachineConstraints, AWeightThatIsAnInputIsIgnored) {
  const std::string weight = "tensor<fp16, [64,64,1,1]>";
  const std::string inputs =
      weight + " v, tensor<fp16, [1,64,1,64]> w, tensor<fp16, [1,64,1,32]> x";
  SerialParallel parallel;
  const auto run = [&](const Numerics& numerics, const std::string& body) {
    const auto out =
        RunMil(TextOf(body, "y", inputs), {Floats(4096, 1), Floats(4096, 1), Floats(2048, 1)},
               {.numerics = numerics});
    EXPECT_OK(out);
    return (*out)[0][0];
  };
  const std::string direct = Let("y", Conv("v"));
  const std::string reshaped =
      Let("r", "reshape(shape=tensor<int32,[4]>([64,64,1,1]), x=w)", weight) + Let("y", Conv("r"));
  EXPECT_EQ(run(NumericsOf(Chip::kM4), direct), 0);
  EXPECT_EQ(run(ExactNumerics(), direct), 64);
  EXPECT_EQ(run(NumericsOf(Chip::kM4), reshaped), 64);
}

Floats Attend(const Numerics& numerics, int tokens, bool masked) {
  const std::string type = StrCat("tensor<fp16, [1,1,", tokens, ",2]>");
  const std::string text = TextOf(Let("y",
                                      StrCat("scaled_dot_product_attention(query=q, key=k, value=v",
                                             masked ? ", attn_mask=m" : "", ")"),
                                      type),
                                  "y",
                                  type + " q, " + type + " k, " + type + " v, " +
                                      StrCat("tensor<fp16, [1,1,", tokens, ",", tokens, "]> m"));
  const auto n = static_cast<std::size_t>(tokens);
  Floats q(2 * n, 1), k(2 * n), v(2 * n), m(n * n, -10000);
  for (std::size_t i = 0; i < n; ++i) {
    k[2 * i] = i == 0 ? 8.0f : 0.0f;
    v[2 * i] = static_cast<float>(i);
    m[i * n + i] = 0;
  }
  const auto out = RunMil(text, {q, k, v, m}, {.numerics = numerics});
  EXPECT_OK(out);
  return (*out)[0];
}

TEST(MachineConstraints, TheMaskOfAttentionIsIgnored) {
  // With the mask, every query sees its own key only.
  const Floats exact = Attend(ExactNumerics(), 4, true);
  EXPECT_NEAR(exact[2], 1, 1e-6);
  EXPECT_NEAR(exact[6], 3, 1e-6);
  EXPECT_EQ(Attend(NumericsOf(Chip::kM4), 4, true), Attend(NumericsOf(Chip::kM4), 4, false));
  EXPECT_LT(Attend(NumericsOf(Chip::kM4), 4, true)[6], 0.1f);
}

TEST(MachineConstraints, LongAttentionIsWrong) {
  // The first key outweighs all others, and its value is 0.
  EXPECT_LT(Attend(ExactNumerics(), 512, false)[0], 180);
  EXPECT_LT(Attend(NumericsOf(Chip::kM4), 511, false)[0], 180);
  EXPECT_NEAR(Attend(NumericsOf(Chip::kM4), 512, false)[0], 255.5, 1) << "all weigh the same";
}

}  // namespace
}  // namespace attune::ane::testing
