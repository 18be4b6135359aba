// For each constraint a program that breaks it and the least change that does not.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ane/constraints/constraint.h"
#include "unit/ane/mil/weight_file.h"

namespace attune::ane {

struct Case {
  std::string_view id;
  std::string broken;
  std::string sound;
  Target target = {Chip::kM4, 26};
  // Where the files make the difference: what is done to a good one to break it. The
  // text is then the same in both.
  std::function<void(mil::WeightFile*)> damage = nullptr;
};

// A 64 x 64 weight as weight_cases.h and the texts here refer to it.
inline constexpr std::string_view kWeightType = "tensor<fp16, [64,64,1,1]>";
inline constexpr std::uint64_t kWeightBytes = 64 * 64 * 2;

inline std::string TextOf(std::string_view body, std::string_view returns = "y",
                          std::string_view inputs = "tensor<fp16, [1,64,1,32]> x") {
  return "program(1.3)[buildInfo = dict<string, string>({{\"coremlc-version\", "
         "\"3505.4.1\"}})]{\nfunc main<ios18>(" +
         std::string(inputs) + ") {\n" + std::string(body) + "\n} -> (" + std::string(returns) +
         ");\n}\n";
}

// <type of the default input> <name> = <rest>;
inline std::string Let(std::string_view name, std::string_view rest,
                       std::string_view type = "tensor<fp16, [1,64,1,32]>") {
  return std::string(type) + " " + std::string(name) + " = " + std::string(rest) + ";\n";
}

inline std::string BlobText(std::string_view type, std::uint64_t offset,
                            std::string_view path = "@model_path/weights/weight.bin") {
  return std::string(type) + "(BLOBFILE(path=string(\"" + std::string(path) +
         "\"), offset=uint64(" + std::to_string(offset) + ")))";
}

// The 64 x 64 weight of this name as a constant.
inline std::string WeightText(std::string_view name, std::uint64_t offset,
                              std::string_view path = "@model_path/weights/weight.bin",
                              std::string_view type = kWeightType) {
  return std::string(type) + " " + std::string(name) +
         " = const()[val=" + BlobText(type, offset, path) + "];\n";
}

// conv(...) with all its parameters written out.
inline std::string Conv(std::string_view weight, std::string_view x = "x",
                        std::string_view more = "") {
  return "conv(dilations=tensor<int32,[2]>([1,1]), groups=int32(1), "
         "pad=tensor<int32,[4]>([0,0,0,0]), pad_type=string(\"valid\"), "
         "strides=tensor<int32,[2]>([1,1]), weight=" +
         std::string(weight) + ", x=" + std::string(x) + std::string(more) + ")";
}

inline std::string Matmul(std::string_view x, std::string_view y) {
  return "matmul(transpose_x=bool(false), transpose_y=bool(false), x=" + std::string(x) +
         ", y=" + std::string(y) + ")";
}

inline std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  return at == std::string::npos ? "no such text" : text.replace(at, from.size(), to);
}

std::vector<Case> SpellingCases();
std::vector<Case> WeightCases();
std::vector<Case> ShapeCases();
std::vector<Case> OpCases();

}  // namespace attune::ane
