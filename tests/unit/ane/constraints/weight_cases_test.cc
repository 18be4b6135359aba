#include "unit/ane/constraints/cases.h"

namespace attune::ane {
namespace {

// So many weights, `distinct` of them at places of their own, and one convolution.
std::string Weights(int count, int distinct, const std::string& more = "") {
  std::string body;
  for (int i = 0; i < count; ++i) {
    body += WeightText("w" + std::to_string(i),
                       64 + static_cast<std::uint64_t>(i % distinct) * (64 + kWeightBytes));
  }
  return TextOf(body + Let("c", Conv("w0")) + (more.empty() ? Let("y", "relu(x=c)") : more));
}

const std::string kOne = TextOf(WeightText("w", 64) + Let("y", Conv("w")));

std::string TwoFiles(const std::string& second_path) {
  return TextOf(WeightText("v", 64) + WeightText("w", 64 + 64 + kWeightBytes, second_path) +
                Let("c", Conv("v")) + Let("y", Conv("w", "c")));
}

// One weight of [outputs, 64, 1, 1] beside the usual one.
std::string Large(std::int64_t rows) {
  const std::string type = "tensor<fp16, [" + std::to_string(rows) + ",64,1,1]>";
  return TextOf(WeightText("big", 64 + 64 + kWeightBytes, "@model_path/weights/weight.bin", type) +
                WeightText("w", 64) + Let("y", Conv("w")));
}

Case Damaged(std::string_view id, std::function<void(mil::WeightFile*)> damage, int os = 26) {
  return {id, kOne, kOne, {Chip::kM4, os}, std::move(damage)};
}

}  // namespace

std::vector<Case> WeightCases() {
  const std::string scalar = Let("y", "mul(x=c, y=two)");
  const std::string two = "fp16 two = const()[val=fp16(2)];\n";
  return {
      {"weights.sixteen", Weights(17, 17), Weights(16, 16)},
      {"weights.sixteen", Weights(17, 17), Weights(40, 16)},
      {"weights.scalar_slot", Weights(16, 16, two + scalar), Weights(15, 15, two + scalar)},
      {"weights.scalar_slot", Weights(16, 16, Let("y", "pow(x=c, y=fp16(-0.5))")),
       Weights(16, 16, Let("y", "add(x=c, y=x)"))},
      {"weights.one_file",
       TwoFiles("@model_path/weights/other.bin"),
       TwoFiles("@model_path/weights/weight.bin"),
       {Chip::kM4, 27}},
      {"weights.path", TextOf(WeightText("w", 64, "weights/weight.bin") + Let("y", Conv("w"))),
       kOne},
      {"weights.path",
       TextOf(WeightText("w", 64, "@model_path/a/../../b.bin") + Let("y", Conv("w"))),
       TextOf(WeightText("w", 64, "@model_path/a..b/weight.bin") + Let("y", Conv("w")))},
      {"weights.offset_32bit",
       TextOf(WeightText("w", std::uint64_t{4} << 30) + Let("y", Conv("w"))),
       TextOf(WeightText("w", std::uint64_t{3} << 30) + Let("y", Conv("w")))},
      {"weights.window", Large(std::int64_t{1} << 25), Large((std::int64_t{1} << 25) - 64)},
      {"records.file",
       TextOf(WeightText("w", 64, "@model_path/absent.bin") + Let("y", Conv("w"))),
       kOne,
       {Chip::kM4, 26},
       [](mil::WeightFile*) {}},
      Damaged("records.sentinel",
              [](mil::WeightFile* file) { file->Set<std::uint32_t>(64, 0xDEADBEEE); }),
      {"records.sentinel",
       TextOf(WeightText("w", 128) + Let("y", Conv("w"))),
       kOne,
       {Chip::kM4, 26},
       [](mil::WeightFile*) {}},
      {"records.bounds",
       TextOf(WeightText("w", 64, "@model_path/weights/weight.bin", "tensor<fp16, [64,65,1,1]>") +
              Let("y", Conv("w"))),
       kOne,
       {Chip::kM4, 26},
       [](mil::WeightFile*) {}},
      Damaged(
          "records.size", [](mil::WeightFile* file) { file->Set<std::uint64_t>(72, 524288); }, 15),
      Damaged(
          "records.data_offset_strict",
          [](mil::WeightFile* file) { file->Set<std::uint64_t>(80, 64); }, 15),
      Damaged("records.data_offset",
              [](mil::WeightFile* file) { file->Set<std::uint64_t>(80, 0); }),
      {"records.alignment", TextOf(WeightText("w", 100) + Let("y", Conv("w"))), kOne},
      Damaged("records.dtype", [](mil::WeightFile* file) { file->Set<std::uint32_t>(68, 4); }),
  };
}

}  // namespace attune::ane
